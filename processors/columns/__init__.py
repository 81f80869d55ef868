"""What processing writes: Parquet partitions, histograms, and the monitor of both."""
