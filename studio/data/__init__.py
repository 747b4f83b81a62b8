"""From a source to rows that a method can train on, and to the tokens that it will see. Knows nothing of models."""
