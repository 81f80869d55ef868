"""Learning from a stream of events that are seen once: a flow in place of the stored data."""
