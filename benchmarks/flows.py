"""Speed of conditional flows with each backend, and the density of each family at equal time.

    python -P benchmarks/flows.py [speed] [density] [mflow] [--seconds 60] [--quick]

speed    a training step, densities and samples: our element-wise maps on nflows beside nflows
         alone, and zuko where it is installed, measured in turns
density  each family fitted for the same CPU time on the benchmark split of DATA.md: held-out
         log-likelihood, and closure of samples in the signal region
mflow    regularised likelihood on that split, with 4 and with the 12 published features
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
import torch
from scipy.stats import spearmanr

from overdensity.ml import Sample, Window, performance
from overdensity.ml.anomaly.outliers.mflow import ManifoldFlow
from overdensity.ml.evaluation.generated import closure
from overdensity.ml.flows.conditional import ConditionalFlow, FlowHyper, fit_flow
from overdensity.ml.flows.flow_shape import FAMILIES, Family
from overdensity.ml.flows.transforms import build_transform
from overdensity.ml.inputs.jet_columns import mass_difference, sort_jets

REFERENCE = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "reference"
FEATURES = ("j1_mass", "j2_mass", "j1_tau21", "j2_tau21")
WINDOW = Window(3500.0, 3300.0, 3700.0, 2900.0, 4200.0)
FLOW = FlowHyper()
SHAPE: dict[str, Any] = {key: getattr(FLOW, key) for key in ("layers", "width", "depth", "bins")}


def table(header: str, rows: list[str]) -> None:
    """Print a Markdown table."""
    print(f"| {header} |\n|{' --- |' * (header.count('|') + 1)}")
    print("\n".join(f"| {row} |" for row in rows), flush=True)
    print()


# --- backends ------------------------------------------------------------------------------------


def speed(*, quick: bool) -> None:
    """Time the backends at one shape."""
    rows = []
    for family in FAMILIES:
        candidates = {"ours on nflows": _ours(family), "nflows": _theirs(family)}
        if find_spec("zuko"):
            candidates["zuko"] = _zuko(family)
        timings = _speeds(candidates, repeats=3 if quick else 9)
        rows += [f"{family} | {name} | {cells}" for name, cells in timings.items()]
    print(f"4 features and a mass; {SHAPE}; float32; CPU time of one thread\n")
    table(
        "family | backend | ms a step of 1024, the fastest | times that of ours: step | densities "
        "| samples",
        rows,
    )


class _Backend(NamedTuple):
    """A flow of some library: its parameters, log p(x | c), and x of noise."""

    parameters: list[torch.nn.Parameter]
    log_prob: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    inverse: Callable[[torch.Tensor, torch.Tensor], Any]


def _ours(family: Family) -> _Backend:
    return _on_nflows(build_transform(family, 4, tail=FLOW.tail, **SHAPE))


def _theirs(family: Family) -> _Backend:
    """Return a flow made of what nflows brings, with the same networks' sizes."""
    from nflows import transforms
    from nflows.nn.nets import MLP

    class Network(MLP):
        hidden_features = FLOW.width  # the splines look for it

        def __init__(self, n_in: int, n_out: int) -> None:
            super().__init__([n_in + 1], [n_out], [FLOW.width] * FLOW.depth)

        def forward(self, inputs: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
            return super().forward(torch.cat([context, inputs], dim=1))

    made = {
        "features": 4,
        "hidden_features": FLOW.width,
        "context_features": 1,
        "num_blocks": FLOW.depth - 1,
        "use_residual_blocks": False,
    }
    spline = {"num_bins": FLOW.bins, "tails": "linear", "tail_bound": FLOW.tail}
    chain: list[Any] = []
    for i in range(FLOW.layers):
        mask = (torch.arange(4) >> (i // 2 % 2) & 1) ^ (i % 2)
        if family == "realnvp":
            chain.append(transforms.AffineCouplingTransform(mask, Network))
        elif family == "rqs_coupling":
            chain.append(
                transforms.PiecewiseRationalQuadraticCouplingTransform(mask, Network, **spline)
            )
        elif family == "maf":
            chain.append(transforms.MaskedAffineAutoregressiveTransform(**made))
        else:
            chain.append(
                transforms.MaskedPiecewiseRationalQuadraticAutoregressiveTransform(**made, **spline)
            )
        if family in ("maf", "rqs_autoregressive"):
            chain.append(transforms.ReversePermutation(4))
    return _on_nflows(transforms.CompositeTransform(chain))


def _on_nflows(transform: Any) -> _Backend:
    def log_prob(x: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        u, log_jacobian = transform(x, c)
        return log_jacobian - 0.5 * u.square().sum(dim=1)

    return _Backend(list(transform.parameters()), log_prob, transform.inverse)


def _zuko(family: Family) -> _Backend:
    import zuko

    shape: dict[str, Any] = {
        "features": 4,
        "context": 1,
        "transforms": FLOW.layers,
        "hidden_features": [FLOW.width] * FLOW.depth,
    }
    if family in ("realnvp", "rqs_coupling"):
        shape["passes"] = 2
    if family in ("realnvp", "maf"):
        flow = zuko.flows.MAF(**shape)
    else:
        flow = zuko.flows.NSF(bins=FLOW.bins, **shape)
    return _Backend(
        list(flow.parameters()),
        lambda x, c: flow(c).log_prob(x),
        lambda u, c: flow(c).transform.inv(u),
    )


def _speeds(backends: dict[str, _Backend], repeats: int) -> dict[str, str]:
    """Return the time of a step, and times relative to ours: medians (ranges) of the turns."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(16_384, 4, generator=generator)
    c = torch.randn(16_384, 1, generator=generator)
    times: dict[str, list[tuple[float, ...]]] = {name: [] for name in backends}
    optimizers = {
        name: torch.optim.Adam(each.parameters, fused=True) for name, each in backends.items()
    }

    def step(name: str) -> None:
        loss = -backends[name].log_prob(x[:1024], c[:1024]).mean()
        optimizers[name].zero_grad()
        loss.backward()
        optimizers[name].step()

    for _ in range(repeats):
        for name, backend in backends.items():
            steps = min(_seconds(lambda name=name: step(name)) for _ in range(5))
            with torch.no_grad():
                densities = _seconds(lambda b=backend: b.log_prob(x, c))
                samples = _seconds(lambda b=backend: b.inverse(x / 2, c))
            times[name].append((steps, densities, samples))
    ours = np.array(times["ours on nflows"])
    cells = {}
    for name, each in times.items():
        ratio = np.sort(np.array(each) / ours, axis=0)
        middle = np.median(ratio, axis=0)
        columns = zip(middle, ratio[0], ratio[-1], strict=True)
        relative = [f"{mid:.2f} ({low:.2f} to {high:.2f})" for mid, low, high in columns]
        cells[name] = " | ".join([f"{1e3 * min(each)[0]:.1f}", *relative])
    return cells


def _seconds(function: Callable[[], Any]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


# --- densities -----------------------------------------------------------------------------------


def density(*, seconds: float) -> None:
    """Fit each family for the same CPU time."""
    rows = [_density(family, seconds) for family in FAMILIES]
    print("Split of DATA.md without the SR; held-out background outside of it and in it\n")
    table("family | CPU s | epochs | log p, sidebands | log p, SR | closure AUC in the SR", rows)


def _density(family: Family, seconds: float) -> str:
    background, signal = _read("background"), _read("signal")
    learnt = [background.take(np.arange(250_000)), signal.take(np.arange(565))]
    learnt = [sample.take(~WINDOW.signal(sample.mass)) for sample in learnt]
    x = np.concatenate([sample.features for sample in learnt])
    m = np.concatenate([sample.mass for sample in learnt])
    rest = background.take(np.arange(250_000, 500_000))
    inside = rest.take(WINDOW.signal(rest.mass))
    outside = rest.take(~WINDOW.signal(rest.mass))

    def fit(epochs: int) -> tuple[ConditionalFlow, float]:
        start = time.process_time()
        flow = fit_flow(x, m, hyper=FlowHyper(family=family, epochs=epochs), seed=1)
        return flow, time.process_time() - start

    fit(1)  # warm
    epochs = max(1, round(seconds / fit(1)[1]))
    flow, spent = fit(epochs)
    logs = [flow.log_density(sample.features, sample.mass) for sample in (outside, inside)]
    held_out = " | ".join(f"{log[np.isfinite(log)].mean():.4f}" for log in logs)
    drawn = flow.sample(np.tile(inside.mass, 4), seed=2)
    found = closure(inside.features, drawn, seed=1)
    return f"{family} | {spent:.0f} | {epochs} | {held_out} | {found.auc:.4f} ± {found.error:.4f}"


def _read(name: str) -> Sample:
    """Return a file of the reference sample, with the baseline features of the LHC Olympics."""
    columns = pq.read_table(REFERENCE / f"rnd_{name}.parquet", columns=["mjj", *FEATURES])
    features = np.stack([columns[feature].to_numpy() for feature in FEATURES], axis=1)
    return mass_difference(sort_jets(Sample.from_arrays(columns["mjj"], features, FEATURES)))


# --- regularised likelihood ----------------------------------------------------------------------

PUBLISHED = ("pt", "eta", "energy", "mass", "tau32", "tau21")  # of both jets


def mflow(*, quick: bool) -> None:
    """Fit the manifold with both sets of features; SIC and AUC of the score and its parts."""
    rows = []
    for names in (FEATURES, tuple(f"{jet}_{name}" for jet in ("j1", "j2") for name in PUBLISHED)):
        background, signal = (_columns(name, names) for name in ("background", "signal"))
        data = _join(background.take(np.arange(250_000)), signal.take(np.arange(565)))
        test = _join(
            background.take(np.arange(250_000, 500_000)), signal.take(np.arange(20_000, 50_000))
        )
        test = test.take(WINDOW.signal(test.mass))
        method = ManifoldFlow()
        if quick:
            method = ManifoldFlow(replace(method.hyper, flow=replace(method.hyper.flow, epochs=2)))
        start = time.process_time()
        method.fit(data.without_label(), WINDOW, seed=1)
        spent = time.process_time() - start
        distance, log_density = method.parts(test)
        scores = {
            "equation 3.15": method.score(test),
            "equation 3.14": np.log(distance) - np.logaddexp(0, log_density),
            "distance alone": distance,
            "density alone": -log_density,
        }
        for name, score in scores.items():
            assert test.label is not None
            found = performance(score, test.label)
            points = [*found.sic, found.max_sic]
            cells = " | ".join(f"{point.sic:.2f} ± {point.sic_error:.2f}" for point in points)
            correlation = spearmanr(score[test.label == 0], test.mass[test.label == 0]).statistic
            rows.append(
                f"{len(names)} | {name} | {cells} | {found.auc:.3f} | {correlation:+.2f} | {spent:.0f}"
            )
    print("Split of DATA.md, all events used for training; one seed\n")
    table(
        "features | score | SIC(1e-2) | SIC(1e-3) | max SIC | AUC | rank correlation with mjj in the "
        "SR | CPU s",
        rows,
    )


def _columns(name: str, features: tuple[str, ...]) -> Sample:
    path = REFERENCE / f"rnd_{name}.parquet"
    columns = pq.read_table(path)
    found = []
    for feature in features:
        jet, _, quantity = feature.partition("_")
        if quantity == "energy":
            pt, eta, mass = (columns[f"{jet}_{key}"].to_numpy() for key in ("pt", "eta", "mass"))
            found.append(np.sqrt((pt * np.cosh(eta)) ** 2 + mass**2))
        else:
            found.append(columns[feature].to_numpy())
    return Sample.from_arrays(
        columns["mjj"], np.stack(found, axis=1), features, label=columns["label"]
    )


def _join(background: Sample, signal: Sample) -> Sample:
    assert background.label is not None
    assert signal.label is not None
    return Sample.from_arrays(
        np.concatenate([background.mass, signal.mass]),
        np.concatenate([background.features, signal.features]),
        background.names,
        label=np.concatenate([background.label, signal.label]),
    )


PARTS = ("speed", "density", "mflow")


def main() -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help=", ".join(PARTS))
    parser.add_argument("--seconds", type=float, default=60.0, help="of CPU, for a fit of density")
    parser.add_argument("--quick", action="store_true", help="fewer repeats and epochs")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for part in arguments.parts or PARTS:
        print(f"### {part}\n")
        if part == "density":
            density(seconds=arguments.seconds)
        else:
            {"speed": speed, "mflow": mflow}[part](quick=arguments.quick)


if __name__ == "__main__":
    main()
