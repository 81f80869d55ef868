"""The hard process q qbar → Z' → X Y."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.simulation.settings import ZprimeMasses

pythia8mc = pytest.importorskip("pythia8mc")

from overdensity.simulation.resonances.zprime import (  # noqa: E402 - needs Pythia
    X_ID,
    Y_ID,
    ZPRIME_ID,
    ZprimeToXY,
    particle_lines,
)


@pytest.fixture(scope="module", params=[2, 3])
def particle_data(request: pytest.FixtureRequest) -> tuple[int, object]:
    """Prongs, and what Pythia makes of the lines."""
    pythia = pythia8mc.Pythia("", printBanner=False)
    for line in particle_lines(ZprimeMasses(), (request.param, 2), 0.001, 0.026):
        assert pythia.readString(line), line
    return request.param, pythia.particleData


def test_masses_and_widths_are_those_asked_for(particle_data) -> None:
    _, data = particle_data
    assert [data.m0(pdg_id) for pdg_id in (ZPRIME_ID, X_ID, Y_ID)] == [3500.0, 500.0, 100.0]
    assert data.mWidth(ZPRIME_ID) == pytest.approx(3.5)
    assert data.mWidth(X_ID) == pytest.approx(13.0)


def test_x_and_y_decay_to_two_or_three_quarks_with_equal_probability(particle_data) -> None:
    prongs, data = particle_data
    entry = data.particleDataEntryPtr(X_ID)
    channels = [entry.channel(i) for i in range(entry.sizeChannels())]
    assert {channel.multiplicity() for channel in channels} == {prongs}
    np.testing.assert_allclose([c.bRatio() for c in channels], 1 / len(channels))
    quarks = [[c.product(i) for i in range(prongs)] for c in channels]
    assert all(abs(quark) <= 5 for products in quarks for quark in products)


def test_x_of_three_quarks_is_a_fermion(particle_data) -> None:
    prongs, data = particle_data
    assert data.spinType(X_ID) == {2: 3, 3: 2}[prongs]


def test_the_decay_of_the_zprime_to_scalars_goes_as_sine_squared() -> None:
    process = ZprimeToXY(3500.0, 0.001, polarised=(False, False))
    for theta in (0.0, 0.3, np.pi / 2, 2.0):
        at_rest = pythia8mc.Vec4(0.0, 0.0, 0.0, 3500.0)
        x = pythia8mc.Vec4(1000 * np.sin(theta), 0.0, 1000 * np.cos(theta), 1200.0)

        class Entry:
            def __init__(self, momentum: object) -> None:
                self.momentum = momentum

            def p(self) -> object:
                return self.momentum

        hard = {5: Entry(at_rest), 6: Entry(x)}
        assert process.weightDecay(hard, 5, 5) == pytest.approx(np.sin(theta) ** 2)


def test_without_polarisation_x_and_y_decay_alike_in_all_directions() -> None:
    class Boson:
        def id(self) -> int:
            return X_ID

    process = ZprimeToXY(3500.0, 0.001, polarised=(False, True))
    assert process.weightDecay({6: Boson()}, 6, 6) == 1.0
