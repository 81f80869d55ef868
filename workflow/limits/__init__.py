"""Limits on signals: injection with retraining, their results and figures, HEPData."""
