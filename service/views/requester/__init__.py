"""The requester's pages: the form, its preview, and one introduction."""
