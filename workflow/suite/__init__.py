"""A suite of sealed boxes: how often any method finds a signal of a strength, and how often none."""
