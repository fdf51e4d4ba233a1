"""Data sets in their published layouts, and pairs for training."""
