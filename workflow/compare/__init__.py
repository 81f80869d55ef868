"""Data and simulation compared in all regions at once."""
