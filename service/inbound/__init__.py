"""What arrives by mail: answers, bounces, complaints, auto-replies, wishes.

`entry.receive` is the one way in: it stores a mail, or refuses it. `reading.read` says what a mail is, and
`handling.handle` what follows from it, once, in one transaction.
"""
