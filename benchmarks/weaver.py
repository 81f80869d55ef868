"""ParticleNet and Particle Transformer beside those of weaver-core: jets a second, in one run; Markdown.

    python -m venv runs/weaver
    runs/weaver/bin/pip install -c constraints.txt -e .
    runs/weaver/bin/pip install --no-deps weaver-core==0.5.3
    runs/weaver/bin/python -P benchmarks/weaver.py [--jets 256] [--rounds 5] [--data runs/taggers]

An environment of its own, since weaver-core asks for other libraries than ours (its networks need torch alone, hence
``--no-deps``). The jets are those of ``taggers.py --make``. Both have the published widths, 128 constituents, float32, the same
batches and one thread, and take turns; the ratio is that of a turn. Training is forward, cross entropy, backward and
Adam. weaver-core's networks are as they come, with their random trimming in training; what they read is made
beforehand, ours make it inside.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from overdensity.ml import Sample
from overdensity.ml.blocks.constituents import Constituents
from overdensity.ml.classifiers.kinds import CLASSIFIERS
from overdensity.ml.networks.graphs import four_momenta
from overdensity.ml.networks.jet_taggers import NOMINAL_PT, placed_inputs

COLUMN, PARTICLES, BATCH = "constituents_200", 128, 64

Network = Callable[[slice], Tensor]
"""The log-odds of the jets of a batch."""


def ours(name: str, jets: Tensor) -> tuple[nn.Module, Network]:
    """Return our network at the published widths."""
    network = CLASSIFIERS.find(name).Hyper().network(0, 1)
    return network, lambda rows: network(jets.new_empty(len(jets[rows]), 0), jets[rows])


def theirs(name: str, jets: Tensor) -> tuple[nn.Module, Network]:
    """Return weaver-core's network at the same widths, for two classes, on inputs made here."""
    there = jets[..., 0] > 0
    mask, seen = there[:, None], placed_inputs(jets, there).transpose(1, 2).contiguous()
    if name == "particlenet":
        from weaver.nn.model.ParticleNet import ParticleNet

        edges = [(16, (width,) * 3) for width in (64, 128, 256)]
        network = ParticleNet(seen.shape[1], 2, edges, [(256, 0.1)], use_fusion=False)
        columns = jets[..., 1:].transpose(1, 2).contiguous(), seen, mask
    else:
        from weaver.nn.model.ParticleTransformer import ParticleTransformer

        network = ParticleTransformer(seen.shape[1], 2, pair_input_dim=4)
        energy_first = NOMINAL_PT * four_momenta(jets).transpose(1, 2)
        columns = seen, energy_first.roll(-1, dims=1).contiguous(), mask

    def of(rows: slice) -> Tensor:
        background, top = network(*(column[rows] for column in columns)).unbind(1)
        return top - background

    return network, of


def jets_a_second(network: nn.Module, of: Network, tops: Tensor, *, training: bool) -> float:
    """Return how many jets a CPU second takes, in training or inference."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    network.train(training)
    began = time.process_time()
    for start in range(0, len(tops), BATCH):
        rows = slice(start, start + BATCH)
        if training:
            optimizer.zero_grad(set_to_none=True)
            functional.binary_cross_entropy_with_logits(of(rows), tops[rows]).backward()
            optimizer.step()
        else:
            with torch.inference_mode():
                of(rows)
    return len(tops) / (time.process_time() - began)


def main() -> None:
    """Time both in turns, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jets", type=int, default=256, help=f"in a turn; batches of {BATCH}")
    parser.add_argument("--rounds", type=int, default=5, help="turns, after one to warm up")
    parser.add_argument("--data", type=Path, default=Path("runs/taggers"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    sample = Sample.from_parquet(given.data / "jets" / "columns", features=(COLUMN,))
    sample = sample.take(np.random.default_rng(1).permutation(len(sample))[: given.jets])
    block = sample.blocks[COLUMN]
    assert isinstance(block, Constituents)
    assert sample.label is not None
    jets = torch.from_numpy(block.normalised().padded(PARTICLES)[np.arange(given.jets)])
    tops = torch.from_numpy(sample.label == 1).float()
    rows = []
    for name in ("particlenet", "part"):
        both = [make(name, jets) for make in (ours, theirs)]
        sizes = [sum(each.numel() for each in network.parameters()) for network, _ in both]
        for training in (True, False):
            turn = partial(jets_a_second, tops=tops, training=training)
            turns = np.array([[turn(*each) for each in both] for _ in range(given.rounds + 1)])[1:]
            ratio = turns[:, 0] / turns[:, 1]
            speeds = (f"{speed:.0f}" for speed in np.median(turns, axis=0))
            rows.append(
                (
                    f"`{name}`",
                    "training" if training else "inference",
                    *(f"{size / 1e3:.0f} k" for size in sizes),
                    *speeds,
                    f"{np.median(ratio):.2f} ({ratio.min():.2f} to {ratio.max():.2f})",
                )
            )
    print(f"{given.jets} jets, {given.rounds} turns; jets a CPU second, one thread:\n")
    header = (
        "network",
        "in",
        "parameters",
        "of weaver-core",
        "jets/s",
        "of weaver-core",
        "ratio, median (range)",
    )
    for row in (header, ("---",) * len(header), *rows):
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
