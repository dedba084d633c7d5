"""The use cases: one function for each verb, inside the caller's transaction."""
