"""A datacard says the same as the likelihood it was written from, read as combine reads it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import uproot

from overdensity.stats import log_edges
from overdensity.stats.limits.cls import asymptotic_limit
from overdensity.stats.limits.discoveries import discovery
from overdensity.stats.limits.likelihood import LEAST, Likelihood
from overdensity.stats.workspaces.categories import categories
from overdensity.stats.workspaces.datacard import write_datacard
from overdensity.stats.workspaces.shape import factors_of

from .whole_range import EDGES, MODEL, known


class Card(Likelihood):
    """The likelihood of a datacard and its histograms: lnN, rateParam and shape."""

    def expected(self, theta):
        value = {name: theta[:, k] for k, name in enumerate(self.names)}
        mean = {
            channel: np.zeros((len(theta), EDGES.size - 1)) for channel in self.spec["channels"]
        }
        for (channel, process), nominal in self.spec["nominal"].items():
            size = np.full(len(theta), nominal.sum())
            shape = np.repeat(nominal[None] / nominal.sum(), len(theta), axis=0)
            for name in self.spec["rates"].get((channel, process), ()):
                size = size * value[name]
            for name, (up, down) in self.spec["effects"][channel, process].items():
                alpha = value[name]
                if isinstance(up, float):
                    size = size * np.where(alpha > 0, up, 1 / down) ** alpha
                else:
                    change = np.where(alpha > 0, up.sum(), down.sum()) / nominal.sum()
                    size = size * change ** np.abs(alpha)
                    shape = shape + morphed(alpha[:, None], nominal, up, down)
            strength = value["mu"] if process == "signal" else 1.0
            mean[channel] += (strength * size)[:, None] * np.maximum(shape, 0.0)
        whole = np.concatenate([mean[channel] for channel in self.spec["channels"]], axis=1)
        return np.maximum(whole, LEAST)


def morphed(alpha, nominal, up, down):
    """Change of the shape, as combine interpolates it: of sixth order up to 1 σ, linear beyond."""
    up, down, middle = (each / each.sum() for each in (up, down, nominal))
    smooth = alpha**2 * (3 * alpha**4 - 10 * alpha**2 + 15) / 8
    smooth = np.where(np.abs(alpha) < 1, smooth, np.abs(alpha))
    return alpha / 2 * (up - down) + smooth / 2 * (up + down - 2 * middle)


def read(path: Path) -> Card:
    """Rebuild a likelihood from a datacard."""
    rows = [line.split() for line in path.read_text().splitlines() if line[0] not in "#-"]
    first = [row[1:] for row in rows if row[0] == "bin"]
    channels, at = first[0], first[1]
    process = next(row[1:] for row in rows if row[0] == "process")
    number = [row[1:] for row in rows if row[0] == "process"][1]
    assert all((n == "0") == (p == "signal") for n, p in zip(number, process, strict=True))
    keys = list(zip(at, process, strict=True))
    file = uproot.open(path.with_name(next(row[3] for row in rows if row[0] == "shapes")))
    rates, limits = {}, {}
    for row in (row for row in rows if row[1:2] == ["rateParam"]):
        rates.setdefault((row[2], row[3]), []).append(row[0])
        limits[row[0]] = (float(row[4]), *map(float, row[5].strip("[]").split(",")))
    stated = [float(n) for n in next(row[1:] for row in rows if row[0] == "observation")]
    observed = [file[f"{channel}/data_obs"].values() for channel in channels]
    assert stated == [counts.sum() for counts in observed]
    given = next(row[1:] for row in rows if row[0] == "rate")
    nominal = {key: file["/".join(key)].values() for key in keys}
    assert [float(x) for x in given] == pytest.approx([nominal[key].sum() for key in keys])
    nuisances, effects = [], {key: {} for key in keys}
    for row in rows:
        if row[1:2] in (["lnN"], ["shape"]):
            nuisances.append(row[0])
            for key, effect in zip(keys, row[2:], strict=True):
                if effect == "-":
                    continue
                if row[1] == "lnN":
                    down, _, up = effect.rpartition("/")
                    found = (float(up), float(down) if down else 1 / float(up))
                else:
                    place = f"{key[0]}/{key[1]}_{row[0]}"
                    found = tuple(file[place + sign].values() for sign in ("Up", "Down"))
                effects[key][row[0]] = found
    names = ("mu", *limits, *nuisances)
    bound = [limits.get(name, (0.0, -8.0, 8.0)) for name in names]
    start, low, high = np.array([(1.0, 0.0, 1e12), *bound[1:]]).T
    constrained = np.isin(names, nuisances)
    spec = {"channels": channels, "nominal": nominal, "effects": effects, "rates": rates}
    n = len(names)
    return Card(
        spec, 0, names, start, low, high, np.zeros(n, bool), constrained.astype(float),
        np.zeros(n), np.concatenate(observed), np.zeros(n),
    )  # fmt: skip


@pytest.mark.parametrize("simulated", [False, True])
def test_the_likelihood_is_rebuilt_from_the_datacard(simulated: bool, tmp_path: Path) -> None:
    found = known(simulated=simulated)
    card = read(write_datacard(found, tmp_path / "datacard.txt"))
    assert discovery(card).z == pytest.approx(discovery(found).z, rel=0.01)
    if not simulated:
        return
    theirs, ours = asymptotic_limit(card), asymptotic_limit(found)
    assert theirs.observed == pytest.approx(ours.observed, rel=0.01)
    assert theirs.expected == pytest.approx(ours.expected, rel=0.01)


def test_the_histograms_have_the_edges_of_the_fits(tmp_path: Path) -> None:
    write_datacard(known(), tmp_path / "datacard.txt")
    with uproot.open(tmp_path / "datacard.root") as file:
        observed = file["pass/data_obs"]
        np.testing.assert_allclose(observed.axis().edges(), EDGES)
        np.testing.assert_array_equal(observed.values(), known().observed[:16])


def test_a_card_of_one_category_has_no_ratio(tmp_path: Path) -> None:
    found = known(simulated=True)
    alone = replace(
        found,
        categories=("pass",),
        names=tuple(n for n in found.names if not n.startswith("efficiency")),
        design=found.design[:16, :, :3],
        weights=found.weights[:16],
        signal=found.signal[:1],
        observed=found.observed[:16],
        variations={},
        fabricated={},
        best=found.best[:4],
        precision=found.precision[:4],
    )
    text = write_datacard(alone, tmp_path / "one.txt").read_text()
    assert "efficiency" not in text
    assert "imax 1" in text


def test_more_than_a_hundred_bins_keep_their_factors(tmp_path: Path) -> None:
    edges = log_edges(2632, 6000, 120)
    counts = np.round(2e5 * (edges[:-1] / 2632) ** -7 / 120)
    signal = np.exp(-(((edges[:-1] - 3500) / 140) ** 2) / 2)
    many = categories(edges, counts, None, signal=signal, model=MODEL)
    path = write_datacard(many, tmp_path / "datacard.txt")
    rows = [line.split() for line in path.read_text().splitlines()]
    process = next(row[1:] for row in rows if row[0] == "process")
    written = {row[0]: dict(zip(process, row[2:], strict=True)) for row in rows if "lnN" in row}
    for name, log in factors_of(many).log.items():
        of_bins = [float(written[name][f"background_{i:02d}"]) for i in range(120)]
        np.testing.assert_allclose(of_bins, np.exp(log[0]), rtol=1e-8)
