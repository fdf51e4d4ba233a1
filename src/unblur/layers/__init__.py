"""Operators and blocks that the networks are built from; each knows nothing of any network."""
