"""The expected reach of a search, before its signal regions are seen: ``overdensity expect``."""
