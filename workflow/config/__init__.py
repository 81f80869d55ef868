"""The YAML files, one module for each kind: what they may say, and how they are read."""
