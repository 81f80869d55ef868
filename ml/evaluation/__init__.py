"""How good a score is: metrics, generated events, discovery, dependence on the mass."""
