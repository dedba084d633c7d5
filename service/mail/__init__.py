"""Mails are written here and handed to the SMTP relay here: the only user of flask_mail."""
