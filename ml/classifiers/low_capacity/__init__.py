"""A classifier of low capacity, and the choice between it and others without labels."""
