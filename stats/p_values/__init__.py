"""Local p-values of counts, with and without smeared observables."""
