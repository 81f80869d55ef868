"""What a search says of a signal: its number before selection, and what it decays to."""
