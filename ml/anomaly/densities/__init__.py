"""Methods that learn the density of the background in the sidebands and carry it into the window."""
