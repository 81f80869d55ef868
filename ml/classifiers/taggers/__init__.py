"""Networks on the constituents of jets, as kinds of classifiers."""
