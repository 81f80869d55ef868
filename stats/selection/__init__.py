"""Which events are selected by their scores, and what a selection may depend on."""
