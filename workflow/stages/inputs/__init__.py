"""What a configuration says of its input: files and their formats, and which of the events count."""
