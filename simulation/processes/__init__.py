"""What collides and decays: each kind of process as settings of Pythia, with the facts of its truth."""
