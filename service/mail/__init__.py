"""Mails, written, signed and handed to the SMTP relay; the links and addresses in them."""
