"""The pages of the two: the answer, other wishes, the follow-up."""
