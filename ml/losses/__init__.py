"""Losses and terms of losses that networks of several methods have in common."""
