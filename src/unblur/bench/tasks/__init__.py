"""Downstream tasks: whether text and codes can be read in blurry, restored and sharp pictures."""
