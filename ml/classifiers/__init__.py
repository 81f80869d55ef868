"""Classifiers on columns that the methods share."""
