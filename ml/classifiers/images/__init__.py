"""Networks on images, as kinds of classifiers."""
