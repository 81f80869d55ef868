"""Normalising flows: conditional flows, their transforms, preprocessing, Gaussianisation."""
