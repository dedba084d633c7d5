"""What arrives by mail: the ways in, the one store behind them, and what follows from it.

`store.receive` is the one way in: it stores a mail, or refuses it. `reading.classify` says what a mail is,
and `handling.handle` what follows from it, once, in one transaction.
"""
