from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import mannwhitneyu

from overdensity.core import InputError
from overdensity.simulation import Recipe, simulate_recipe
from overdensity.workflow.challenge.key import Secret, read_key
from overdensity.workflow.challenge.sealing import (
    COMMITMENT,
    commitment_in,
    make_box,
    round_recipe,
    seal_columns,
    verify_box,
)

from .conftest import COLUMNS, Sealed, drawn_events, recipe_of_box

Seal = Callable[..., Sealed]


def described(path: Path) -> dict[str, object]:
    """All that a file holds but for the values of the events and the commitment."""
    found: dict[str, object] = {}

    def look(name: str, item: h5py.Group | h5py.Dataset) -> None:
        shape = (item.shape, item.chunks, item.dtype) if isinstance(item, h5py.Dataset) else ()
        found[name] = (*shape, {key: str(value) for key, value in item.attrs.items()})

    with h5py.File(path) as file:
        file.visititems(look)
        found["/"] = sorted(file.attrs)
        for axis in ("axis0", "axis1", "block0_items"):
            found[f"values of {axis}"] = np.asarray(file[f"df/{axis}"]).tolist()
    return found


def test_pandas_opens_a_box_which_has_no_labels(seal: Seal) -> None:
    box, _, key = seal()
    frame = pd.read_hdf(box)
    assert frame.shape == (200, COLUMNS)
    assert frame.index.tolist() == list(range(200))
    assert len(key.signal_rows) == 20


def test_the_key_opens_the_box(seal: Seal) -> None:
    box, path, key = seal()
    assert read_key(path) == key
    assert commitment_in(box) == key.commitment
    verify_box(box, read_key(path))


def test_a_box_with_a_signal_looks_like_one_without(seal: Seal) -> None:
    full, _, _ = seal("one", background=180, signal=20)
    empty, _, _ = seal("two", background=200, signal=0)
    assert described(full) == described(empty)


def test_the_key_of_another_box_and_a_changed_key_are_refused(seal: Seal) -> None:
    box, _, key = seal("one")
    other = seal("two")[2]
    changed = dataclasses.replace(key, signal_rows=(*key.signal_rows[:-1], 0))
    for wrong in (other, changed):
        with pytest.raises(InputError, match=r"k\.json does not match .*one\.h5"):
            verify_box(box, wrong, named="k.json")


def test_changed_events_are_noticed(seal: Seal) -> None:
    box, _, key = seal()
    with h5py.File(box, "r+") as file:
        file["df/block0_values"][7, 3] += 1e-9
    with pytest.raises(InputError, match="not those it was sealed with"):
        verify_box(box, key)


def test_the_order_of_the_rows_does_not_tell_signal(seal: Seal) -> None:
    p_values = []
    for n in range(12):
        key = seal(f"box{n}", background=300, signal=100)[2]
        rows = np.array(key.signal_rows)
        p_values.append(mannwhitneyu(rows, np.setdiff1d(np.arange(400), rows)).pvalue)
    assert min(p_values) > 0.05 / 12 / 10
    assert max(p_values) > 0.3


def test_two_boxes_of_one_recipe_have_nothing_in_common(seal: Seal) -> None:
    (one, _, first), (two, _, second) = seal("one"), seal("two")
    assert first.signal_rows != second.signal_rows
    assert not np.isin(pd.read_hdf(one).to_numpy(), pd.read_hdf(two).to_numpy()).any()


def test_the_secret_of_a_key_makes_the_same_box_again(seal: Seal, tmp_path: Path) -> None:
    box, _, key = seal()
    folder = tmp_path / "again"
    folder.mkdir()
    again, path = folder / "box.h5", folder / "key.json"
    made = make_box(
        Recipe.from_dict(key.recipe), again, path, simulate=drawn_events, secret=key.secret
    )
    assert made == key
    assert again.read_bytes() == box.read_bytes()


@pytest.mark.slow(seconds=15)
def test_a_simulated_box_is_the_same_bit_for_bit_on_another_number_of_workers(
    tmp_path: Path,
) -> None:
    recipe = dataclasses.replace(recipe_of_box(30, 30), chunk_events=15)
    made, files = [], []
    for workers in (1, 3):
        folder = tmp_path / f"{workers}"
        folder.mkdir()
        numbers: list[int] = []

        def simulated(
            recipe: Recipe, path: Path, seed: int, workers: int = workers, numbers=numbers
        ) -> None:
            report = simulate_recipe(recipe, path, seed=seed, key_file=True, workers=workers)
            numbers.extend(each.chunks for each in report.processes.values())

        secret = made[0].secret if made else None
        key = make_box(
            recipe, folder / "box.h5", folder / "key.json", simulate=simulated, secret=secret
        )
        assert min(numbers) > 1  # more than one chunk of each process, for several workers
        made.append(key)
        files.append([(folder / name).read_bytes() for name in ("box.h5", "key.json")])
    assert made[0] == made[1]
    assert files[0] == files[1]


def test_an_interrupted_box_goes_on_with_the_same_secret(tmp_path: Path) -> None:
    recipe, box, path = recipe_of_box(90, 10), tmp_path / "box.h5", tmp_path / "key.json"
    seeds: list[int] = []

    def interrupted(recipe: Recipe, events: Path, seed: int) -> None:
        seeds.append(seed)
        if len(seeds) == 1:
            raise KeyboardInterrupt
        drawn_events(recipe, events, seed)

    with pytest.raises(KeyboardInterrupt):
        make_box(recipe, box, path, simulate=interrupted)
    (workshop,) = tmp_path.iterdir()
    assert workshop.stat().st_mode & 0o077 == 0
    make_box(recipe, box, path, simulate=interrupted)
    assert seeds[0] == seeds[1]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["box.h5", "key.json"]


@pytest.mark.parametrize("begun", [False, True])
def test_what_is_refused_at_once_leaves_nothing_behind(begun: bool, tmp_path: Path) -> None:
    def refused(_: Recipe, events: Path, __: int) -> None:
        if begun:
            events.with_name("events.h5.parts").mkdir()
        msg = "Pythia refuses the setting"
        raise InputError(msg)

    with pytest.raises(InputError, match="Pythia refuses"):
        make_box(recipe_of_box(90, 10), tmp_path / "b.h5", tmp_path / "k.json", simulate=refused)
    assert [each.name for each in tmp_path.iterdir()] == [".b.h5.making"] * begun


def test_another_recipe_does_not_go_on_with_an_interrupted_one(tmp_path: Path) -> None:
    box, path, seeds = tmp_path / "box.h5", tmp_path / "key.json", []

    def interrupted(_: Recipe, __: Path, seed: int) -> None:
        seeds.append(seed)
        raise KeyboardInterrupt

    for recipe in (recipe_of_box(90, 10), recipe_of_box(80, 20)):
        with pytest.raises(KeyboardInterrupt):
            make_box(recipe, box, path, simulate=interrupted)
    assert seeds[0] != seeds[1]


def test_nothing_is_written_over_and_nothing_simulated_in_vain(seal: Seal, tmp_path: Path) -> None:
    box, path, _ = seal()
    kept = path.read_bytes()

    def never(*_: object) -> None:
        pytest.fail("simulated although there is no place for it")

    recipe = recipe_of_box(90, 10)
    for out, key, says in (
        (box, tmp_path / "k.json", "box.h5 exists already"),
        (tmp_path / "b.h5", path, "box.key.json exists already"),
        (tmp_path / "b.root", tmp_path / "k.json", r"b\.root: a box is a file of the LHC Olympics"),
        (tmp_path / "b.h5", tmp_path / "none" / "k.json", "none: no such folder"),
        (tmp_path / "none" / "b.h5", tmp_path / "k.json", "none: no such folder"),
    ):
        with pytest.raises(InputError, match=says):
            make_box(recipe, out, key, simulate=never)
    assert path.read_bytes() == kept


def test_columns_are_sealed_in_their_metadata(tmp_path: Path) -> None:
    table = pa.table({"mjj": np.arange(3.0), "n": np.arange(3, dtype=np.int16)})
    box, path = tmp_path / "box.parquet", tmp_path / "box.key.json"
    of_box = {"secret": Secret(1, "00"), "recipe": {}, "processes": ()}
    path.write_text("of an interrupted call")
    key = seal_columns(table, box, path, signal_rows=np.array([2]), **of_box)
    assert (key.box, key.n_events, key.signal_rows) == ("box", 3, (2,))
    assert pq.read_table(box).equals(table)
    assert commitment_in(box) == key.commitment
    verify_box(box, read_key(path))
    for changed in (
        table.set_column(0, "mjj", pa.array([0.0, 1.0, 2.5])),
        table.rename_columns(["mjj", "m"]),
        table.take([0, 2, 1]),
    ):
        metadata = {COMMITMENT: key.commitment}
        pq.write_table(changed.replace_schema_metadata(metadata), box)
        with pytest.raises(InputError, match="not those it was sealed with"):
            verify_box(box, key)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("none.h5", "no such file"),
        ("none.parquet", "no such file"),
        ("text.parquet", "not a Parquet file"),
        ("plain.parquet", "not a sealed box, since its metadata have no overdensity_commitment"),
        ("text.h5", "not an HDF5 file"),
        ("folder.h5", "a folder, not a file"),
        ("plain.h5", "not a sealed box"),
    ],
)
def test_what_is_no_box_is_refused(name: str, says: str, seal: Seal, tmp_path: Path) -> None:
    for suffix in ("h5", "parquet"):
        (tmp_path / f"text.{suffix}").write_text("events")
    pq.write_table(pa.table({"mjj": [1.0]}), tmp_path / "plain.parquet")
    (tmp_path / "folder.h5").mkdir()
    shutil.copy(seal()[0], tmp_path / "plain.h5")
    with h5py.File(tmp_path / "plain.h5", "r+") as file:
        del file.attrs[COMMITMENT]
    with pytest.raises(InputError, match=f"{name}: {says}"):
        commitment_in(tmp_path / name)


def test_the_number_of_events_is_round_whatever_the_signal() -> None:
    assert round_recipe(recipe_of_box(999_166, 834)).facts[0].events == 999_166
    with pytest.raises(InputError, match=r"250417 events.*--total 250000"):
        round_recipe(recipe_of_box(250_000, 417))
    made = round_recipe(recipe_of_box(250_000, 417), 250_000)
    assert [each.events for each in made.facts] == [249_583, 417]
    with pytest.raises(InputError, match="too few"):
        round_recipe(recipe_of_box(100, 50), 50)
