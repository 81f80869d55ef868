"""Corrections, smearing, and systematic variations of jets."""
