"""What other methods are measured by: detectors that know the truth, or a part of it."""
