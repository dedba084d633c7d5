"""The desk's pages: signing in, the introductions, the ledger."""
