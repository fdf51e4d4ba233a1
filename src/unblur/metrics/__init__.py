"""Measures of restoration quality, and the named protocols by which they are reported."""
