"""``python -m overdensity`` is the command ``overdensity``."""

from __future__ import annotations

from overdensity.workflow.commands import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
