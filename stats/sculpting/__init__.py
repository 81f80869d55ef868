"""Where a selection bends the mass spectrum: the fabricated excess, and what contradicts a fit."""
