"""Pure: what a mail is, and what a person's reply says."""
