"""Replies of base and adapter, token by token. Knows nothing of pages, runs or training."""
