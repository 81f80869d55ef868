"""Modules of networks that methods and classifiers are made of."""
