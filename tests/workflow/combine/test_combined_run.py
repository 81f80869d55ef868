"""Searches in several channels, put together."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyhf
import pytest
import yaml

from overdensity.core import ConfigError, InputError
from overdensity.workflow import load_config
from overdensity.workflow.combine.combined_run import (
    CombinedSearch,
    _channel,
    combine_searches,
    search_flags,
)
from overdensity.workflow.commands import command_line
from overdensity.workflow.search_run import score_search
from overdensity.workflow.stages.background_function import all_counts, fabricated_fraction
from overdensity.workflow.stages.run import Run
from overdensity.workflow.stages.scores import read_scores

LOW, HIGH = 3000.0, 5000.0
N_DIJET, N_TRIJET = 3000, 3000


def _falling(rng, n):
    power = -5.0  # dN/dm ~ m^-6 between the edges
    return (LOW**power + rng.uniform(size=n) * (HIGH**power - LOW**power)) ** (1 / power)


def write_events(folder: Path) -> dict[str, Path]:
    """Write events with two jets, and events with three, all of which have mjj."""
    rng = np.random.default_rng(3)
    n = N_DIJET + N_TRIJET
    three = np.arange(n) >= N_DIJET
    mjj = _falling(rng, n)
    mjjj = np.where(three, _falling(rng, n), 0.0)
    jet_mass, tau21 = rng.gamma(3.0, 60.0, n), rng.beta(5, 4, n)
    signal = np.zeros(n, dtype=bool)
    signal[[*range(70), *range(N_DIJET, N_DIJET + 70)]] = True
    mjj[signal & ~three] = rng.normal(3800, 80, 70)
    mjjj[signal & three] = rng.normal(3800, 80, 70)
    jet_mass[signal], tau21[signal] = rng.normal(500, 30, 140), rng.beta(3, 12, 140)
    order = rng.permutation(n)
    values = {"mjj": mjj, "mjjj": mjjj, "j1_mass": jet_mass, "j1_tau21": tau21}
    table = pa.table(
        {
            "event": rng.permutation(n).astype(np.uint64),
            **{name: column[order].astype(np.float32) for name, column in values.items()},
        }
    )
    paths = {"all": folder / "all.parquet", "three": folder / "three.parquet"}
    pq.write_table(table, paths["all"])
    pq.write_table(table.filter(pa.array(three[order])), paths["three"])
    return paths


def write_search(path: Path, events: Path, mass: str, **changes) -> Path:
    values = {
        "events": {"format": "columns", "files": [str(events)]},
        "mass": mass,
        "features": ["j1_mass", "j1_tau21"],
        "method": {"name": "cwola", "classifier": {"members": 1}},
        "scan": {"low": LOW, "high": HIGH, "bins": 9},
        "selections": [1, 0.1, 0.02],
        "folds": 3,
        "repeats": 2,
        "fit": {"function": "dijet3"},
        "pseudo_experiments": 500,
        "cluster": "threads",
        "out": str(path.with_suffix("")),
    }
    path.write_text(yaml.safe_dump(values | changes))
    return path


@pytest.fixture(scope="module")
def searches(tmp_path_factory) -> dict[str, Path]:
    """Two scored searches; all events of ``trijet`` are in ``dijet`` too."""
    folder = tmp_path_factory.mktemp("channels")
    events = write_events(folder)
    files = {
        "trijet": write_search(folder / "trijet.yaml", events["three"], "mjjj"),
        "dijet": write_search(folder / "dijet.yaml", events["all"], "mjj"),
    }
    for path in files.values():
        score_search(load_config(path), process=False)
    return files


@pytest.fixture(scope="module")
def combined(searches, tmp_path_factory) -> tuple[CombinedSearch, Path]:
    out = tmp_path_factory.mktemp("combined")
    return combine_searches({name: load_config(path) for name, path in searches.items()}, out), out


def test_every_event_counts_once(combined):
    found, _ = combined
    trijet, dijet = found.events
    assert trijet.removed == 0
    assert dijet.scored - dijet.removed == N_DIJET
    assert dijet.removed > 0.9 * N_TRIJET
    by_name = {one.name: one for one in found.result.channels}
    assert by_name["dijet"].n_events == N_DIJET
    assert by_name["trijet"].n_events == trijet.scored


def test_the_resonance_is_found_in_both_channels(combined):
    found, _ = combined
    best = found.result.hypotheses[found.result.best]
    assert best.low < 3800 < best.high
    assert found.result.global_p.p_global < 0.01
    assert all(point is not None and point.z_local > 1 for point in best.channels)


def test_the_result_is_written_whole(combined):
    found, out = combined
    assert {path.name for path in out.iterdir()} == {
        "combination.json",
        "combination.png",
        "workspace.json",
    }
    assert CombinedSearch.from_json(out / "combination.json") == found
    workspace = pyhf.Workspace(json.loads((out / "workspace.json").read_text()))
    assert workspace.channels == ["dijet_mass", "trijet_mass"]
    assert workspace.model(measurement_name="dijet").config.poi_name == "mu_dijet"
    assert set(found.provenance.configuration) == {"trijet", "dijet"}


def test_all_partitions_of_the_channels_are_combined(combined, searches, tmp_path):
    found, _ = combined
    first = combine_searches(
        {name: load_config(path, ["repeats=1"]) for name, path in searches.items()}, tmp_path
    )
    for one, both in zip(first.result.channels, found.result.channels, strict=True):
        assert one.repeats is None
        assert len(both.repeats.z_local) == 2
    best = found.result.best
    for c, row in enumerate(found.result.hypotheses[best].channels):
        of_first, of_both = (
            each.hypotheses[best].channels[c] for each in (first.result, found.result)
        )
        assert of_first.z_local != of_both.z_local == row.z_local
    assert first.key != found.key
    assert not any("partition" in flag for flag in found.flags)


def test_an_unchanged_combination_is_not_made_again(combined, searches):
    found, out = combined
    before = (out / "combination.json").stat().st_mtime_ns
    assert combine_searches({n: load_config(p) for n, p in searches.items()}, out) == found
    assert (out / "combination.json").stat().st_mtime_ns == before


def test_a_combination_of_another_version_is_made_again(combined, searches, tmp_path):
    found, out = combined
    shutil.copytree(out, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "combination.json"
    path.write_text(path.read_text().replace('"schema": 3', '"schema": 2'))
    again = combine_searches({n: load_config(p) for n, p in searches.items()}, tmp_path)
    assert again.result == found.result
    assert CombinedSearch.from_json(path) == again


def test_a_channel_that_keeps_nothing_is_an_error(searches, tmp_path):
    turned = {name: load_config(searches[name]) for name in ("dijet", "trijet")}
    with pytest.raises(
        InputError, match=r"trijet: all its \d+ events belong to channels before it"
    ):
        combine_searches(turned, tmp_path)


def test_other_windows_are_refused(searches, tmp_path):
    configs = {name: load_config(path) for name, path in searches.items()}
    configs["dijet"] = load_config(searches["dijet"], ["scan.bins=8"])
    with pytest.raises(ConfigError, match=r"trijet and dijet .*scan\.bins: 9 and 8"):
        combine_searches(configs, tmp_path)


def test_one_search_is_no_combination(searches, tmp_path):
    with pytest.raises(ConfigError, match="at least two searches"):
        combine_searches({"dijet": load_config(searches["dijet"])}, tmp_path)


def test_missing_scores_are_said(searches, tmp_path):
    configs = {name: load_config(path) for name, path in searches.items()}
    configs["dijet"] = load_config(searches["dijet"], out=str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="run 'overdensity score' first"):
        combine_searches(configs, tmp_path)


def test_events_without_ids_are_refused(searches, tmp_path):
    config = load_config(searches["dijet"])
    (path,) = config.events.files
    anonymous = tmp_path / "anonymous.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["event"]), anonymous)
    configs = {
        "trijet": load_config(searches["trijet"]),
        "dijet": load_config(searches["dijet"], [f"events.files=[{anonymous}]"]),
    }
    with pytest.raises(InputError, match=r"anonymous\.parquet: no column 'event'"):
        combine_searches(configs, tmp_path)


def test_folds_that_may_teach_each_other_are_flagged(searches):
    configs = {name: load_config(path) for name, path in searches.items()}
    assert search_flags(configs, shared=True) == ()
    configs["dijet"] = load_config(searches["dijet"], ["seed=2"])
    (flag,) = search_flags(configs, shared=True)
    assert "same folds and seed" in flag
    assert search_flags(configs, shared=False) == ()
    configs["dijet"] = load_config(searches["dijet"], ["cross_fitting=all"])
    (flag,) = search_flags(configs, shared=False)
    assert flag.startswith("dijet: cross_fitting: all")
    configs["dijet"] = load_config(searches["dijet"], ["fit.spurious=data"])
    (flag,) = search_flags(configs, shared=False)
    assert flag.startswith("dijet: fit.spurious: data")


def test_the_command_prints_every_channel_and_the_combination(
    combined, searches, monkeypatch, capsys, tmp_path
):
    found, _ = combined
    monkeypatch.setattr(command_line, "_set_up", lambda *, quiet: None)
    monkeypatch.setenv("COLUMNS", "200")
    words = ["combine", *map(str, searches.values()), "--out", str(tmp_path / "both")]
    with pytest.raises(SystemExit) as stopped:
        command_line.main(words)
    assert not stopped.value.code
    printed = capsys.readouterr().out
    last = printed.strip().splitlines()[-1]
    assert "combination" in last
    assert "global significance" in last
    assert f"{found.events[1].removed} of" in printed
    assert (tmp_path / "both" / "combination.json").is_file()


def test_a_window_too_thin_for_one_channel_is_searched_in_the_other(combined):
    found, _ = combined
    last = found.result.hypotheses[-1]
    trijet, dijet = last.channels
    assert trijet is None
    assert dijet is not None
    assert f"trijet: window {last.low:.0f}-{last.high:.0f} GeV is not searched" in str(found.flags)
    assert "fabricates" not in str(found.flags)


def test_what_other_functions_say_of_the_background_is_in_a_channel_too(combined, searches):
    run = Run(load_config(searches["dijet"], ["uncertainties.functions=[dijet4, dijet5]"]))
    scores = read_scores(run)
    fraction = fabricated_fraction(run, all_counts(run, scores), None)
    assert (fraction > 0).any()
    other = read_scores(run.partition(1))
    np.testing.assert_array_equal(_channel(run, [scores, other], run.regions).spurious, fraction)


def test_a_start_that_a_search_chooses_is_refused(searches, tmp_path):
    configs = {name: load_config(path, ["fit.start=auto"]) for name, path in searches.items()}
    with pytest.raises(ConfigError, match=r"fit\.start: auto is chosen by a search alone"):
        combine_searches(configs, tmp_path / "none")
    assert not (tmp_path / "none").exists()
