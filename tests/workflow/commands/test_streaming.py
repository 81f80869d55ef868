from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.ml.toy_events import TOY_FEATURES, toy_events

Call = Callable[..., tuple[int, str, str]]

SMALL = [f"--set={each}" for each in ("batch=50", "buffer=4", "layers=1", "width=8", "updates=1")]
OPTIONS = ["--features", ",".join(TOY_FEATURES), *SMALL]


@pytest.fixture
def table() -> pa.Table:
    """300 toy events as columns."""
    events = toy_events(300, 0, seed=1)
    return pa.table({"mjj": events.mass, **dict(zip(events.names, events.features.T, strict=True))})


def test_a_folder_and_standard_input_leave_the_same(
    call: Call, tmp_path: Path, table: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    pq.write_table(table, folder / "part.parquet")
    code, out, _ = call("stream", folder, "--out", tmp_path / "a::b", *OPTIONS, "--draw", 10)
    assert code == 0
    assert "events/s" in out
    assert "compression" in out
    assert (
        len(pq.read_table(pa.BufferReader((tmp_path / "a::b" / "drawn.parquet").read_bytes())))
        == 10
    )
    buffer = io.BytesIO()
    with pa.ipc.new_stream(buffer, table.schema) as writer:
        writer.write_table(table)
    buffer.seek(0)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=buffer))
    assert call("stream", "-", "--out", tmp_path / "b", *OPTIONS)[0] == 0
    kept = [(tmp_path / each / "summary.npz").read_bytes() for each in ("a::b", "b")]
    assert kept[0] == kept[1]
    assert json.loads((tmp_path / "a::b" / "stream.json").read_text())["events"] == 300


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "updats=3"], "stream has no hyperparameter 'updats'; did you mean 'updates'?"),
        (["--set", "buffer=0"], "stream: buffer = 0 cannot be used"),
        ([], "no such folder"),
        (["--features", "mjj,x"], "--features: 'mjj' stands there twice, is the mass"),
        (["--features", "x,x"], "--features: 'x' stands there twice"),
        (["--features", "x,weight"], "'weight' is no feature, but the weight of each event"),
        (["--set", "layers=1000000000"], "layers = 1000000000 is far more than is ever needed"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(
    words: list[str], said: str, call: Call, tmp_path: Path
) -> None:
    code, _, err = call(
        "stream", tmp_path / "none", "--out", tmp_path / "out", "--features", "tau21", *words
    )
    assert code == 2
    assert said in " ".join(err.split())
    assert len(err.strip().splitlines()) == 1


def test_a_closed_standard_input_is_said(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)  # as <&- leaves it
    code, _, err = call("stream", "-", "--out", tmp_path / "out", *OPTIONS)
    assert (code, "standard input is closed" in err) == (2, True)


def test_the_folder_of_the_stream_is_no_folder_of_the_result(call: Call, tmp_path: Path) -> None:
    code, _, err = call("stream", tmp_path, "--out", tmp_path, *OPTIONS)
    assert code == 2
    assert "the folder of the stream, which would count what is drawn" in " ".join(err.split())
    assert not list(tmp_path.iterdir())
