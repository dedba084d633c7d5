"""The languages, what pages and mails say alike, and what free text must not hold."""
