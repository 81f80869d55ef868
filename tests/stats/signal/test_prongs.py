from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from overdensity.core import InputError
from overdensity.stats.signal.prongs import Prongs, count_prongs

QCD, NOISE = (0.55, 0.70), 0.12  # means of τ21 and τ32, and their spread


def excess(taus: tuple[float, float], *, signal: int, seed: int) -> Prongs:
    """Prongs of a signal of given means of τ21 and τ32 on 200 background events."""
    rng = np.random.default_rng(seed)

    def jets(mean: tuple[float, float], n: int) -> np.ndarray:
        return rng.normal(mean, NOISE, (n, 2))

    inside = np.vstack([jets(QCD, rng.poisson(200)), jets(taus, signal)])
    return count_prongs(
        inside, jets(QCD, rng.poisson(400)), jets(QCD, 3000), transfer=0.5, seed=seed
    )


@pytest.mark.parametrize(
    ("taus", "prongs"), [((0.33, 0.68), 2), ((0.55, 0.5), 3), ((0.56, 0.71), 1)]
)
def test_prongs_are_told_on_top_of_background(taus: tuple[float, float], prongs: int) -> None:
    found = [excess(taus, signal=250, seed=seed) for seed in range(10)]
    assert [each.number for each in found].count(prongs) >= 9
    assert all(each.excess == pytest.approx(250, abs=5 * each.excess_error) for each in found)
    tau21 = np.mean([each.tau21 for each in found if each.tau21 is not None])
    assert tau21 == pytest.approx(taus[0] / QCD[0], abs=0.1)


def test_agreement_says_how_often_another_experiment_would_agree() -> None:
    sure, unsure = excess((0.3, 0.68), signal=300, seed=1), excess((0.47, 0.64), signal=80, seed=1)
    assert sure.agreement is not None
    assert unsure.agreement is not None
    assert unsure.agreement < sure.agreement
    assert sure.agreement > 0.95


def test_without_an_excess_no_number_is_given() -> None:
    found = excess((0.3, 0.7), signal=10, seed=2)
    assert (found.number, found.agreement, found.tau21) == (None, None, None)


def test_values_that_are_not_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="NaN"):
        count_prongs([[np.nan, 0.5]], [[0.5, 0.5]], [[0.5, 0.5]], transfer=1.0, seed=1)


@pytest.mark.parametrize(
    ("file", "prongs"), [("rnd_signal.parquet", 2), ("rnd_signal_3prong.parquet", 3)]
)
def test_signals_of_the_olympics_have_their_prongs(
    file: str, prongs: int, shared_data: Path
) -> None:
    """400 events of X → 500 and Y → 100 GeV in a box of 100 000; the masses are known here."""
    right = {"heavier": 0, "lighter": 0}
    background = _jets(shared_data / "reference" / "rnd_background.parquet", 100_000)
    signal = _jets(shared_data / "reference" / file, 20_000)
    rng = np.random.default_rng(5)
    for seed in range(5):
        chosen = rng.choice(len(signal["mjj"]), 400, replace=False)
        box = {name: np.r_[x, signal[name][chosen]] for name, x in background.items()}
        inside = (box["mjj"] > 3234) & (box["mjj"] < 3774)
        beside = (box["mjj"] > 2918) & (box["mjj"] < 4184) & ~inside
        is_background = np.arange(len(inside)) < len(background["mjj"])
        transfer = np.count_nonzero(inside & is_background) / np.count_nonzero(beside)
        near = {
            "heavier": abs(box["heavier_mass"] - 503) < 44,
            "lighter": abs(box["lighter_mass"] - 105) < 24,
        }
        both = near["heavier"] & near["lighter"]
        for jet, window in near.items():
            taus = np.stack([box[f"{jet}_tau21"], box[f"{jet}_tau32"]], axis=1)
            groups = taus[both & inside], taus[both & beside], taus[window & beside]
            right[jet] += count_prongs(*groups, transfer=transfer, seed=seed).number == prongs
    assert min(right.values()) >= 4


def _jets(path: Path, events: int) -> dict[str, np.ndarray]:
    """Read jets of events, the heavier first."""
    quantities = ("mass", "tau21", "tau32")
    names = ["mjj", *(f"j{rank}_{name}" for rank in (1, 2) for name in quantities)]
    table = pq.ParquetFile(path).read_row_group(0, columns=names)
    columns = {name: table[name].to_numpy()[:events].astype(float) for name in names}
    heavy_first = columns["j1_mass"] >= columns["j2_mass"]
    found = {"mjj": columns["mjj"]}
    for name in quantities:
        first, second = columns[f"j1_{name}"], columns[f"j2_{name}"]
        found[f"heavier_{name}"] = np.where(heavy_first, first, second)
        found[f"lighter_{name}"] = np.where(heavy_first, second, first)
    return found
