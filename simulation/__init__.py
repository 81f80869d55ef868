"""Front door; to be filled."""
