"""Patch sets obey the schema, give back every signal, and run in pyhf's command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyhf
import pytest

from overdensity.core import InputError
from overdensity.stats.limits.cls import asymptotic_limit
from overdensity.stats.workspaces.patchset import background_only, signal_patchset
from overdensity.stats.workspaces.pieces import Channel, Sample, normalisation, signal, workspace

pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")  # pyhf

PYHF = Path(sys.executable).with_name("pyhf")


def model(place, *, background=50.0):
    """Return a workspace of two channels with a signal in one bin of each."""
    data = [1.0] * 4
    data[place] = 10.0
    smooth = Sample("background", (background,) * 4, (normalisation("size", 0.1),))
    return workspace(
        [
            Channel("mjj", (51.0, 48.0, 55.0, 40.0), (signal(data), smooth)),
            Channel("mjjj", (45.0, 50.0, 60.0, 52.0), (signal(data), smooth)),
        ]
    )


MODELS = {(2500.0 + 500 * k,): model(k) for k in range(4)}


def test_every_patch_gives_its_workspace_back():
    background, patches = signal_patchset(MODELS)
    opened = pyhf.PatchSet(patches)
    opened.verify(background)
    assert opened.labels == ["mass"]
    for values, full in MODELS.items():
        assert dict(opened.apply(background, values)) == full
        assert dict(opened.apply(background, f"signal_{values[0]:.0f}")) == full


def test_the_digest_notices_another_background():
    _, patches = signal_patchset(MODELS)
    with pytest.raises(pyhf.exceptions.PatchSetVerificationError):
        pyhf.PatchSet(patches).verify(background_only(model(0, background=51.0)))


def test_the_background_holds_no_signal():
    background, _ = signal_patchset(MODELS)
    names = {sample["name"] for channel in background["channels"] for sample in channel["samples"]}
    assert names == {"background"}


@pytest.mark.slow
def test_pyhf_extracts_a_patch_and_sets_the_limit_of_the_full_model(tmp_path):
    background, patches = signal_patchset(MODELS)
    (tmp_path / "background.json").write_text(json.dumps(background))
    (tmp_path / "patchset.json").write_text(json.dumps(patches))
    for command in (
        "patchset verify background.json patchset.json",
        "patchset apply background.json patchset.json --name signal_3000 --output-file full.json",
        "cls full.json --output-file cls.json",
    ):
        subprocess.run(
            [str(PYHF), *command.split()],
            cwd=tmp_path,
            check=True,
            capture_output=True,
            timeout=120,
        )
    assert json.loads((tmp_path / "full.json").read_text()) == MODELS[3000.0,]
    excluded = json.loads((tmp_path / "cls.json").read_text())["CLs_obs"] < 0.05
    assert excluded == (asymptotic_limit(MODELS[3000.0,]).observed < 1.0)


@pytest.mark.parametrize(
    ("models", "options", "words"),
    [
        ({}, {}, "no workspaces"),
        ({(1.0,): model(0), (2.0,): model(1, background=40.0)}, {}, "another background"),
        ({(1.0, 2.0): model(0)}, {}, "2 values"),
        ({(1.0,): model(0), (1.0000001,): model(1)}, {}, "two signals"),
        ({(1.0,): model(0)}, {"labels": ["m jj"]}, "label"),
        ({(1.0,): model(0)}, {"inspire": "12345"}, "INSPIRE"),
    ],
)
def test_what_makes_no_patch_set_is_refused(models, options, words):
    with pytest.raises(InputError, match=words):
        signal_patchset(models, **options)


def test_a_channel_of_nothing_but_signal_is_refused():
    with pytest.raises(InputError, match="nothing but signal"):
        background_only(workspace([Channel("a", (1.0,), (signal([1.0]),))]))
