"""The stages of a search, each skipped where its result is there: columns, scores, selections, hunt."""
