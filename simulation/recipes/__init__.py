"""Recipes: what a file of simulated events is made of."""
