"""The result of a search as models that other programs read."""
