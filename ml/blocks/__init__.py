"""Events below the features: constituents and images beside the columns of a sample."""
