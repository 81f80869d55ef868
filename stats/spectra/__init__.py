"""Mass spectra and their smooth fits: binning, background functions, peaks, transfer factors."""
