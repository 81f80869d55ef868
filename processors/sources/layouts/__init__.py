"""The layouts of ROOT files that are known, one file for each experiment or kind."""
