"""The desk: who may sign in, and what a requester may see. Only reads, but for signing in."""
