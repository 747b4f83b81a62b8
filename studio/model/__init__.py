"""Base models and adapters in memory: fetched, checked, loaded once and shared. Knows nothing of runs or data."""
