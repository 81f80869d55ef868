"""Small pyhf models that the tests of limits share."""

from __future__ import annotations


def workspace(observed, signal, background, modifiers=()):
    """Return one channel with a normfactor on the signal."""
    strength = {"name": "mu", "type": "normfactor", "data": None}
    samples = [
        {"name": "signal", "data": signal, "modifiers": [strength]},
        {"name": "background", "data": background, "modifiers": list(modifiers)},
    ]
    return {
        "channels": [{"name": "a", "samples": samples}],
        "observations": [{"name": "a", "data": observed}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }


def count(n, b, sigma=0.0):
    gamma = [{"name": "scale", "type": "shapesys", "data": [sigma]}] if sigma else []
    return workspace([n], [1.0], [b], gamma)
