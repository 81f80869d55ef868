"""Methods that are told what a signal may look like, by simulation of some."""
