"""Scores of several methods as one."""
