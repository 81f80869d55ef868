"""Features that follow the mass, made independent of it: conditional quantiles and flows."""
