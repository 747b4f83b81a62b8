"""Tunefork: an interactive fine-tuning studio for language models."""

__version__ = "0.1.0"
