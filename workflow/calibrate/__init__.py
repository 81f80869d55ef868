"""The global p-value with the training inside, from retrained pseudo-datasets."""
