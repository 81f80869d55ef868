from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overdensity.core import InputError, Record
from overdensity.core.records import atomic_file, write_text_atomic


@dataclass(frozen=True)
class Point(Record):
    name: str
    z: float | None


@dataclass(frozen=True)
class Track(Record):
    points: tuple[Point, ...]
    best: Point | None = None
    extra: dict[str, float] | None = None
    pair: tuple[float, int] = (0.0, 0)


finite = st.floats(allow_nan=False, allow_infinity=False)
points = st.builds(Point, name=st.text(), z=st.none() | finite)


@given(
    st.builds(
        Track,
        points=st.lists(points).map(tuple),
        best=st.none() | points,
        extra=st.none() | st.dictionaries(st.text(), finite),
        pair=st.tuples(finite, st.integers()),
    )
)
def test_record_comes_back_from_json_as_it_went(track: Track) -> None:
    assert Track.from_dict(json.loads(json.dumps(track.to_dict()))) == track


def test_record_comes_back_from_a_file(tmp_path: Path) -> None:
    track = Track(points=(Point("a", 1.5),))
    assert Track.from_json(track.to_json(tmp_path / "new" / "track.json")) == track


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_become_null(value: float, tmp_path: Path) -> None:
    path = Point("a", value).to_json(tmp_path / "point.json")
    values = json.loads(path.read_text())
    assert (values["name"], values["z"]) == ("a", None)


def test_numpy_values_become_plain_numbers() -> None:
    values = Point("a", np.float32(0.5)).to_dict()  # pyright: ignore[reportArgumentType]
    assert values == {"name": "a", "z": 0.5}
    assert type(values["z"]) is float


def test_unknown_field_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match="no field 'nmae': did you mean 'name'"):
        Point.from_dict({"nmae": "a", "z": 1.0})


def test_missing_field_is_named() -> None:
    with pytest.raises(InputError, match="needs the field 'z'"):
        Point.from_dict({"name": "a"})


@pytest.mark.parametrize(("text", "complaint"), [("{", "not a JSON file"), ("[1]", "JSON object")])
def test_file_that_is_no_record_is_named(text: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "point.json"
    path.write_text(text)
    with pytest.raises(InputError, match=f"point.json.*{complaint}"):
        Point.from_json(path)


def test_failed_write_leaves_the_old_file_and_nothing_half(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_text_atomic(path, "half \ud800")
    assert [item.name for item in tmp_path.iterdir()] == ["result.json"]
    assert path.read_text() == "old"


def test_a_file_that_failed_takes_no_name(tmp_path: Path) -> None:
    with pytest.raises(TypeError), atomic_file(tmp_path / "a") as file:
        file.write("half")  # pyright: ignore[reportArgumentType] - text into bytes
    assert not any(tmp_path.iterdir())


@dataclass(frozen=True)
class Changed(Record):
    schema = 3

    events: int


def test_a_changed_record_says_its_schema_first() -> None:
    assert list(Changed(5).to_dict()) == ["schema", "events"]
    assert Changed.from_dict(Changed(5).to_dict()) == Changed(5)


@pytest.mark.parametrize(("stored", "said"), [({}, 1), ({"schema": 4}, 4)])
def test_a_record_of_another_schema_is_refused_with_the_reason(stored: dict, said: int) -> None:
    with pytest.raises(InputError, match=f"Changed is of schema {said}, .* reads schema 3"):
        Changed.from_dict({**stored, "events": 5})


def test_a_record_in_a_file_that_is_refused_is_named_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "point.json"
    path.write_text('{"name": "a"}')
    with pytest.raises(InputError, match=r"point.json: Point needs the field 'z'.*; delete it and"):
        Point.from_json(path)


def test_a_record_of_a_later_schema_is_refused_by_one_that_never_changed() -> None:
    with pytest.raises(InputError, match=r"Point is of schema 2, .* reads schema 1"):
        Point.from_dict({"schema": 2, "name": "a", "z": 1.0})


@dataclass(frozen=True)
class Pair(Record):
    made_by = "'overdensity pair'"

    both: tuple[Point, Point]


@pytest.mark.parametrize("both", [3, [1, 2], [{"name": "a"}], "ab"])
def test_what_a_field_cannot_hold_is_said_with_the_file_and_the_command(both: object) -> None:
    said = r"^x\.json: .*; delete it and run 'overdensity pair' again$"
    with pytest.raises(InputError, match=said):
        Pair.from_text(json.dumps({"both": both}), "x.json")


def test_what_an_earlier_run_left_is_read_where_it_can_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "changed.json"
    assert Changed.earlier(path) is None
    assert Changed.earlier(Changed(5).to_json(path)) == Changed(5)
    assert not caplog.messages
    Point("a", 1.0).to_json(path)
    with caplog.at_level("INFO", logger="overdensity"):
        assert Changed.earlier(path) is None
    (message,) = caplog.messages
    assert message.startswith(f"{path}: Changed is of schema 1")
    assert message.endswith("reads schema 3; it is made again")


def test_a_file_that_was_changed_is_refused_and_made_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = Point("a", 1.25).to_json(tmp_path / "point.json")
    assert Point.from_json(path) == Point("a", 1.25)
    path.write_text(path.read_text().replace("1.25", "1.35"))
    with pytest.raises(
        InputError, match=r"point\.json: its checksum is of other values: it is damaged"
    ):
        Point.from_json(path)
    assert Point.earlier(path) is None
    assert len(caplog.messages) == 1
    values = json.loads(path.read_text())
    del values["checksum"]  # as the message says
    path.write_text(json.dumps(values))
    assert Point.from_json(path) == Point("a", 1.35)


def test_no_changed_bit_changes_a_record(tmp_path: Path) -> None:
    path = Point("a", 0.1).to_json(tmp_path / "point.json")
    good = path.read_bytes()
    for at in range(len(good)):
        for bit in range(8):
            bad = bytearray(good)
            bad[at] ^= 1 << bit
            try:
                found = Point.from_text(bytes(bad), "a.json")
            except InputError:
                continue
            assert found == Point("a", 0.1) or b"checksum" not in bad


def test_layout_of_the_text_does_not_matter(tmp_path: Path) -> None:
    path = Point("é", 1e-300).to_json(tmp_path / "point.json")
    text = json.dumps(json.loads(path.read_text()), sort_keys=True, ensure_ascii=False)
    assert Point.from_text(text, "a.json") == Point("é", 1e-300)
