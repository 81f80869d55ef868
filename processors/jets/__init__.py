"""Particles → jets: clustering, constituents and four-momenta."""
