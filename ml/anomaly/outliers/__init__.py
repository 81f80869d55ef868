"""Methods that ask how unusual an event is by itself."""
