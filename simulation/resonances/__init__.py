"""Hard processes of our own, where Pythia has no resonance with the decay that is wanted."""
