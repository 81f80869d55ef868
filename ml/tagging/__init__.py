"""Taggers by themselves: trained on labelled jets, kept in a file, applied to others."""
