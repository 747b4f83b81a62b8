"""How good answers are, from texts alone. Knows nothing of models and training."""
