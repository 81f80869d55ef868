"""What is computed of jets and events: the table of features, and one file for each family."""
