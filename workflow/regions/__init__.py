"""A search in regions of an analysis: a score learnt from simulation, and one fit of all regions."""
