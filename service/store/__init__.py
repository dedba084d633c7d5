"""The database: its engine and tables, the outbox. It knows no mail."""
