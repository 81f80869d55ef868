"""What ``overdensity tag`` does with files: jets to learn from, jets to score."""
