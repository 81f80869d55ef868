"""Searches whose background is that of three control regions of two independent scores."""
