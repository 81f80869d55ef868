"""pyhf models, from single pieces to that of a search."""
