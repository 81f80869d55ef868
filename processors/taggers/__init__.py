"""Trained networks inside processors: ONNX files, and what they say of themselves."""
