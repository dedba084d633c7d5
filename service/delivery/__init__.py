"""Delivery: lease, send, record what the relay said, and pause; the nudge to the broker."""
