"""Methods that read constituents and images."""
