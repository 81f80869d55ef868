"""ParticleNet's edge convolution, against loops over particles and their neighbors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from overdensity.ml.networks.point_clouds import NearestEdges, ParticleNetwork, nearest
from overdensity.ml.training.engine import seeded


@pytest.fixture(scope="module")
def jets():
    rng = np.random.default_rng(0)
    points = torch.as_tensor(rng.normal(size=(3, 6, 4)))
    mask = torch.ones(3, 6, dtype=torch.bool)
    mask[0, 4:] = mask[1, 2:] = False
    return points, mask


def test_neighbors_are_the_nearest_that_are_there(jets):
    points, mask = jets
    neighbors, there = nearest(points, mask, 3)
    for jet in range(3):
        for i in range(6):
            others = [j for j in range(6) if j != i and mask[jet, j] and mask[jet, i]]
            expected = sorted(others, key=lambda j: float((points[jet, i] - points[jet, j]).norm()))
            assert neighbors[jet, i][there[jet, i]].tolist() == expected[:3]


def test_a_particle_gets_the_mean_of_what_its_neighbors_send(jets):
    points, mask = jets
    with seeded(0):
        convolution = NearestEdges(4, (8, 5)).double().eval()
    found = convolution(points, mask, *nearest(points, mask, 2))
    norms, scale = convolution.norms, np.sqrt(1 + 1e-5)  # of an untrained normalisation
    assert len(norms) == 2
    p = points[0]
    for i in range(4):
        near = sorted((j for j in range(4) if j != i), key=lambda j: float((p[i] - p[j]).norm()))
        first = [convolution.of_one(p[i]) + convolution.of_other(p[j] - p[i]) for j in near[:2]]
        sent = [torch.relu(convolution.layers[0](torch.relu(x / scale)) / scale) for x in first]
        expected = torch.relu(convolution.shortcut(p[i]) / scale + torch.stack(sent).mean(0))
        torch.testing.assert_close(found[0, i], expected)
    assert not found[0, 4:].any()


def test_size_is_the_published_one():
    """366 thousand (arXiv:1902.08570, table 6): two classes and seven inputs there, one and five here."""
    network = ParticleNetwork(0, 1, edges=(64, 128, 256), neighbors=16, dense=256, dropout=0.1)
    assert sum(each.numel() for each in network.parameters()) == pytest.approx(366e3, rel=5e-3)
