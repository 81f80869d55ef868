"""The processors, one file for each final state: dijets, multijets, single jets, leptons."""
