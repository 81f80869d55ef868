"""A datacard read as combine reads it, for the tests of what is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import uproot

from overdensity.stats.limits.likelihood import LEAST, Likelihood


class Card(Likelihood):
    """The likelihood of a datacard and its histograms: lnN, rateParam and shape."""

    def expected(self, theta):
        value = {name: theta[:, k] for k, name in enumerate(self.names)}
        n_bins = next(iter(self.spec["nominal"].values())).size
        mean = {channel: np.zeros((len(theta), n_bins)) for channel in self.spec["channels"]}
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


def read_card(path: Path) -> Card:
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
