"""Training: from a folder of pictures to weights."""
