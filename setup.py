"""Which folders are packages; everything else about the distribution is in pyproject.toml.

setuptools finds packages by itself, but not where ``core/`` is to be ``overdensity.core``.
"""

from setuptools import find_packages, setup

ROOMS = ("core", "processors", "ml", "stats", "simulation", "workflow")

setup(
    packages=[
        "overdensity",
        *(f"overdensity.{name}" for name in find_packages() if name.split(".")[0] in ROOMS),
    ],
)
