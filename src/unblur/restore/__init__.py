"""Restoration of any picture and clip with any network."""
