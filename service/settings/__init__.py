"""Every setting in one table, checked at the start, and the durations made of them."""
