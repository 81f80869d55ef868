"""The scan of windows and selections, from counts to the global p-value and its flags."""
