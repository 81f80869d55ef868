"""Boxes follow from their secret, look alike, and hold what their keys say."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from overdensity.core import InputError
from overdensity.workflow.challenge.key import Secret, read_key
from overdensity.workflow.suite.suite_boxes import drawn_box, make_boxes, plan_boxes
from overdensity.workflow.suite.suite_pool import Pool, read_pool

from .conftest import suite_of

SECRET = Secret(12345, "00")


@pytest.fixture
def events(values: dict[str, Any]) -> Pool:
    """The pool in memory."""
    return read_pool(suite_of(values), "mjj", ())


def test_half_of_the_boxes_have_a_signal_in_a_secret_order(
    values: dict[str, Any], events: Pool
) -> None:
    config = suite_of(values, "boxes.number=8", "boxes.strengths=[1, 2]")
    plans = plan_boxes(config, events, SECRET)
    strengths = [plan.strength for plan in plans]
    assert [strengths.count(each) for each in (None, 1.0, 2.0)] == [8, 4, 4]
    others = [plan.strength for plan in plan_boxes(config, events, Secret(7, "00"))]
    assert strengths != others
    assert [plan.name for plan in plans[::15]] == ["box01", "box16"]
    assert all(sum(plan.backgrounds.values()) + plan.n_signal == 4000 for plan in plans)


def test_the_strength_is_s_over_root_b_around_the_signal(
    values: dict[str, Any], events: Pool
) -> None:
    config = suite_of(values, "boxes.strengths=[10]", "boxes.smearing=0", "boxes.masses=null")
    plan = next(each for each in plan_boxes(config, events, SECRET) if each.strength)
    table, rows = drawn_box(config, events, plan, SECRET)
    mass, is_signal = table["mjj"].to_numpy(), np.zeros(len(table), bool)
    is_signal[rows] = True
    assert np.count_nonzero(is_signal) == plan.n_signal
    # The signal is a normal peak of 80 GeV at 3800 GeV: 68 % lie within a standard deviation.
    inside = abs(mass - 3800) < 80
    root_b = np.count_nonzero(inside & ~is_signal) ** 0.5
    assert np.count_nonzero(inside & is_signal) / root_b == pytest.approx(10, rel=0.15)


def test_a_signal_and_its_daughters_are_scaled_together(
    values: dict[str, Any], events: Pool
) -> None:
    config = suite_of(values, "boxes.masses=[4200, 4200]", "boxes.strengths=[12]")
    for plan, key in make_boxes(config, events).values():
        truth = key.truth
        assert truth.n_signal == plan.n_signal == len(key.signal_rows)
        if plan.signal is None:
            assert truth.resonance_mass is None
            continue
        assert truth.resonance_mass == pytest.approx(4200)
        assert truth.heavier is not None
        assert (truth.heavier.mass, truth.heavier.prongs) == (pytest.approx(500 * 4200 / 3800), 2)
        assert truth.lighter is not None
        assert (truth.lighter.name, truth.lighter.prongs) == ("Y", 3)
        box = pq.read_table(config.folder / "boxes" / f"{plan.name}.parquet")
        masses = box["mjj"].to_numpy()[list(key.signal_rows)]
        assert np.median(masses) == pytest.approx(4200, abs=30)


def test_no_event_of_the_pool_is_in_a_box_as_it_was(values: dict[str, Any], events: Pool) -> None:
    config = suite_of(values)
    plan = plan_boxes(config, events, SECRET)[0]
    mass = drawn_box(config, events, plan, SECRET)[0]["mjj"].to_numpy()
    assert len(np.unique(mass)) > 0.99 * len(mass)
    assert np.isin(mass, np.r_[events.backgrounds["qcd"]["mjj"]]).mean() < 0.01


def test_backgrounds_are_mixed_differently_in_each_box(
    values: dict[str, Any], events: Pool, suite_pool: Path
) -> None:
    config = suite_of(values, f"pool.backgrounds.other={suite_pool / 'background.parquet'}")
    both = Pool("mjj", {**events.backgrounds, "other": events.backgrounds["qcd"]}, events.signals)
    others = [plan.backgrounds["other"] for plan in plan_boxes(config, both, SECRET)]
    assert max(others) - min(others) > 1000


def test_boxes_with_and_without_signal_look_alike_and_are_sealed(finished_suite: Path) -> None:
    boxes = [pq.ParquetFile(path) for path in sorted(finished_suite.glob("boxes/*.parquet"))]
    assert len(boxes) == 4
    assert len({str(box.schema_arrow.remove_metadata()) for box in boxes}) == 1
    assert {box.metadata.num_rows for box in boxes} == {4000}
    assert {box.metadata.num_row_groups for box in boxes} == {1}
    assert all(set(box.schema_arrow.metadata) == {b"overdensity_commitment"} for box in boxes)
    assert (finished_suite / "keys").stat().st_mode & 0o077 == 0
    keys = [read_key(path) for path in sorted(finished_suite.glob("keys/*.key.json"))]
    assert [key.box for key in keys] == ["box01", "box02", "box03", "box04"]
    assert len({key.secret.seed for key in keys} | {key.secret.salt for key in keys}) == 8


def test_the_order_of_the_rows_does_not_tell_signal(finished_suite: Path) -> None:
    keys = [read_key(path) for path in sorted(finished_suite.glob("keys/*.key.json"))]
    rows = np.array(max((key.signal_rows for key in keys), key=len))
    assert abs(rows.mean() / 4000 - 0.5) < 4 / np.sqrt(12 * len(rows))


def test_without_a_seed_nobody_makes_the_boxes_again(values: dict[str, Any], events: Pool) -> None:
    first = make_boxes(suite_of(values, "seed=null"), events)
    again = make_boxes(suite_of(values, "seed=null"), events)
    assert again == first  # the secret is kept
    shutil.rmtree(values["out"])
    other = make_boxes(suite_of(values, "seed=null"), events)
    assert {key.commitment for _, key in other.values()}.isdisjoint(
        key.commitment for _, key in first.values()
    )


def test_a_box_that_was_changed_is_refused(values: dict[str, Any], events: Pool) -> None:
    config = suite_of(values)
    make_boxes(config, events)
    path = config.folder / "boxes" / "box01.parquet"
    table = pq.read_table(path)
    pq.write_table(table.take([*range(1, len(table)), 0]), path)
    with pytest.raises(InputError, match=r"box01.parquet: its events are not those it was sealed"):
        make_boxes(config, events)


def test_a_suite_whose_boxes_could_not_be_made_may_be_changed(
    values: dict[str, Any], events: Pool
) -> None:
    with pytest.raises(InputError, match="5000 events of qcd can be drawn"):
        make_boxes(suite_of(values, "boxes.events=6000"), events)
    assert len(make_boxes(suite_of(values), events)) == 4
