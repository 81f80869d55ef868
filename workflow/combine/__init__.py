"""One result from several finished searches."""
