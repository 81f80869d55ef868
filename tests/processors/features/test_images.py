"""What an image of a jet must and must not show."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.processors.features.images import PIXELS, event_images, jet_images
from overdensity.processors.jets.constituents import FlatJets, flat_jets
from overdensity.processors.jets.momentum import cartesian, momenta

N_JETS, N = 12, 30


def particles() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """pT and positions around the middle of jets with two prongs, shape (N_JETS, N)."""
    rng = np.random.default_rng(4)
    prong = np.sign(rng.random((N_JETS, N)) - 0.4)
    x = 0.25 * prong + rng.normal(0, 0.1, (N_JETS, N))
    return rng.exponential(20, (N_JETS, N)), x, rng.normal(0, 0.1, (N_JETS, N))


def jets_of(pt, x, y, *, eta: float = 0.0, phi: float = 0.0) -> FlatJets:
    counts = np.full(len(pt), pt.shape[1])
    azimuth = y.ravel() + phi
    azimuth = np.arctan2(np.sin(azimuth), np.cos(azimuth))
    return flat_jets(cartesian(momenta(pt.ravel(), x.ravel() + eta, azimuth, counts)))


def images_of(pt, x, y, **options: float) -> np.ndarray:
    return jet_images(jets_of(pt, x, y, **options), radius=0.8)


def test_images_add_up_to_one() -> None:
    images = images_of(*particles())
    assert images.shape == (N_JETS, PIXELS, PIXELS)
    assert images.dtype == np.float32
    np.testing.assert_allclose(images.sum(axis=(1, 2)), 1, rtol=1e-6)


@pytest.mark.parametrize("phi", [0.0, 1.0, np.pi, -2.5])
@pytest.mark.parametrize("eta", [0.0, -1.4])
def test_images_do_not_show_where_the_jet_is(eta, phi) -> None:
    pt, x, y = particles()
    moved = images_of(pt, x, y, eta=eta, phi=phi)
    np.testing.assert_allclose(moved, images_of(pt, x, y), atol=1e-6)


@pytest.mark.parametrize("angle", [0.3, np.pi / 2, np.pi, 4.0])
def test_images_do_not_show_how_the_jet_is_turned(angle) -> None:
    pt, x, y = particles()
    cos, sin = np.cos(angle), np.sin(angle)
    turned = images_of(pt, x * cos - y * sin, x * sin + y * cos)
    np.testing.assert_allclose(turned, images_of(pt, x, y), atol=1e-6)


@pytest.mark.parametrize("mirror", [(-1, 1), (1, -1), (-1, -1)])
def test_images_of_mirror_images_are_the_same(mirror) -> None:
    pt, x, y = particles()
    np.testing.assert_allclose(
        images_of(pt, mirror[0] * x, mirror[1] * y), images_of(pt, x, y), atol=1e-6
    )


def test_images_do_not_show_the_scale_of_pt() -> None:
    pt, x, y = particles()
    np.testing.assert_allclose(images_of(7.3 * pt, x, y), images_of(pt, x, y), atol=1e-6)


def test_images_are_centered_upright_and_heavier_above_and_to_the_right() -> None:
    images = images_of(*particles())
    position = (np.arange(PIXELS) + 0.5 - PIXELS / 2) / (PIXELS / 2) * 0.8
    across, up = images.sum(axis=1), images.sum(axis=2)
    pixel = 2 * 0.8 / PIXELS
    np.testing.assert_allclose(across @ position, 0, atol=pixel / 2)
    np.testing.assert_allclose(up @ position, 0, atol=pixel / 2)
    assert (up @ position**2 > across @ position**2).all()
    half = PIXELS // 2
    assert (up[:, half:].sum(axis=1) >= 0.5 - 1e-6).all()
    assert (across[:, half:].sum(axis=1) >= 0.5 - 1e-6).all()


def test_two_particles_are_where_they_belong() -> None:
    # the center divides the distance as 4 : 6, and the harder particle is above it
    pt, x, y = np.array([[40.0, 60]]), np.array([[0.1, 0.4]]), np.array([[0.0, 0.4]])
    image = jet_images(jets_of(pt, x, y), radius=1.0)[0]
    expected = np.zeros((PIXELS, PIXELS))
    expected[int((1 + 0.4 * 0.5) * 20), 20] = 0.6
    expected[int((1 - 0.6 * 0.5) * 20), 20] = 0.4
    np.testing.assert_allclose(image, expected, atol=1e-6)


@pytest.mark.parametrize("phi", [0.0, 2.0, np.pi])
def test_a_lone_particle_is_in_the_middle(phi) -> None:
    image = jet_images(jets_of(np.array([[9.0]]), np.ones((1, 1)), np.full((1, 1), phi)), radius=1)
    assert image[0, PIXELS // 2, PIXELS // 2] == 1
    assert image.sum() == 1


def test_what_is_outside_is_lost_and_the_rest_adds_up_to_one() -> None:
    pt, x = np.array([[100.0, 100, 1]]), np.array([[-0.1, 0.1, 3.0]])
    image = jet_images(jets_of(pt, x, np.zeros((1, 3))), radius=0.4)[0]
    np.testing.assert_allclose(np.sort(image.ravel())[-3:], [0, 0.5, 0.5], atol=1e-6)


def test_an_event_is_turned_about_the_beam_and_its_hardest_particle_is_in_the_middle() -> None:
    rng = np.random.default_rng(1)
    pt, eta, phi = rng.exponential(20, 40), rng.uniform(-5, 5, 40), rng.uniform(-np.pi, np.pi, 40)
    counts = np.array([25, 0, 15])

    def image(turn: float) -> np.ndarray:
        azimuth = np.arctan2(np.sin(phi + turn), np.cos(phi + turn))
        return event_images(flat_jets(cartesian(momenta(pt, eta, azimuth, counts))), pixels=16)

    found = image(0.0)
    np.testing.assert_allclose(image(2.3), found, atol=1e-6)
    assert found.max(axis=(1, 2)).tolist() == [1, 0, 1]
    hardest = np.array([pt[:25].argmax(), 25 + pt[25:].argmax()])
    column = np.floor((eta[hardest] / 5 + 1) * 8).astype(int)
    assert (found[[0, 2], 8, column] > 0).all()
