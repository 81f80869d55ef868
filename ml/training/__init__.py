"""Training of networks, written once: engine, banks of networks, checkpoints, curves."""
