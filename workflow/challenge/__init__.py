"""The challenge: boxes are sealed, answered and scored, as those of the LHC Olympics were."""
