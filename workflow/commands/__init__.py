"""The commands of ``overdensity``, a module for each group; `main` runs the command line."""

from __future__ import annotations

from .command_line import app, main

__all__ = ["app", "main"]
