"""What is not known of signal and background, by name: nuisances, envelopes, impacts, biases."""
