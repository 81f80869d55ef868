"""What a search can be expected to find, told from the events beside the signal region alone."""
