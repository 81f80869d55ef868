"""Most tests of whole runs are not about their figures: these are not drawn."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import pytest
from matplotlib.figure import Figure


@pytest.fixture(autouse=True)
def _figures_are_not_drawn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Save an empty picture for each figure, unless the test is marked ``figures``.

    Drawing is two thirds of a small search. What fixtures of a module or the session make, such
    as ``finished_run``, is drawn.
    """
    if request.node.get_closest_marker("figures") is not None:
        return

    def savefig(figure: Figure, target: str | Path | IO[bytes], **options: Any) -> None:
        empty = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
        if isinstance(target, (str, Path)):
            Path(target).write_bytes(empty)
        else:
            target.write(empty)

    monkeypatch.setattr(Figure, "savefig", savefig)
