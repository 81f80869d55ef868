"""Methods compared on events whose truth is known."""
