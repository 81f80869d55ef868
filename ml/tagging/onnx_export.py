"""Taggers as ONNX files, which say what they read: for processors, and programs without torch."""

from __future__ import annotations

import io
import json
import math
import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torch.onnx import symbolic_helper

from ...core import InputError
from ...core.records import atomic_path
from .tagger import Tagger

__all__ = ["DECLARATION", "SCHEMA", "WholeTagger", "export_tagger"]

DECLARATION, SCHEMA = "overdensity", 1
"""Key of the declaration among an ONNX file's properties, and its schema."""

_OPSET = 17
_LEAST = 16  # constituents, with padding; as many as any network looks for neighbors
_OF_JET = re.compile(r"j\d+_")  # before the features of one jet of an event


class WholeTagger(nn.Module):
    """The networks of a tagger with all that is done before and after: constituents in, score out.

    Parameters
    ----------
    networks : sequence of Module
        They give log-odds.
    particles : int
        Constituents that they read: the first.

    Examples
    --------
    >>> from overdensity.ml.networks.sets import ParticleFlowNetwork
    >>> network = ParticleFlowNetwork(0, 1, phi=(8,), f=(8,)).eval()
    >>> jet = torch.tensor([[[60.0, 0.1, 3.1], [40.0, 0.2, -3.1]]])
    >>> WholeTagger([network], 30)(torch.empty(1, 0), jet).shape
    torch.Size([1])
    """

    def __init__(self, networks: Any, particles: int) -> None:
        super().__init__()
        self.networks, self.particles = nn.ModuleList(networks), particles

    def forward(self, numbers: Tensor, constituents: Tensor) -> Tensor:
        """Return the mean probability of each jet, shape (n_jets,).

        Parameters
        ----------
        numbers : Tensor, shape (n_jets, n_numbers)
            Standardised.
        constituents : Tensor, shape (n_jets, longest, 3)
            pT in GeV, eta and phi, relative to the jet or of the detector; zeros are padding. They
            are normalised as :meth:`~overdensity.ml.blocks.constituents.Constituents.normalised` does.
        """
        pt, eta, phi = constituents.unbind(dim=2)
        share = pt / pt.sum(dim=1, keepdim=True)
        sine, cosine = ((pt * of(phi)).sum(dim=1, keepdim=True) for of in (torch.sin, torch.cos))
        deta = eta - (share * eta).sum(dim=1, keepdim=True)
        dphi = torch.remainder(phi - torch.atan2(sine, cosine) + math.pi, 2 * math.pi) - math.pi
        jet = torch.stack([share, deta, dphi], dim=2) * (pt > 0)[..., None]
        jet = jet[:, : self.particles]
        found = [torch.sigmoid(network(numbers, jet)) for network in self.networks]
        return torch.stack(found).mean(dim=0)


class _JetsAlone(nn.Module):
    """The same without numbers of the jet."""

    def __init__(self, whole: WholeTagger) -> None:
        super().__init__()
        self.whole = whole

    def forward(self, constituents: Tensor) -> Tensor:
        return self.whole(constituents[:, 0, :0], constituents)


def export_tagger(tagger: Tagger, path: str | os.PathLike[str]) -> dict[str, Any]:
    """Write a tagger as an ONNX file, with its declaration.

    Parameters
    ----------
    tagger : Tagger
        Of one column of constituents: a processor tags one jet at a time.
    path : path-like
        The file.

    Returns
    -------
    dict
        The declaration, which is in the file as JSON, among its properties as `DECLARATION`.

    Raises
    ------
    InputError
        If the tagger reads the constituents of several jets.
    """
    if len(tagger.ensemble.jets) != 1:
        msg = (
            f"an ONNX tagger reads one jet, and this one reads {', '.join(tagger.ensemble.jets)}; "
            "train one on a column of constituents of single jets"
        )
        raise InputError(msg)
    declared = _declaration(tagger)
    whole = WholeTagger(tagger.ensemble.networks, tagger.hyper.particles).eval()
    # All of a jet is there while the network is followed, so that no step depends on this example.
    jets = torch.rand(2, max(_LEAST, tagger.hyper.particles) + 4, 3) + 0.1
    axes = {"constituents": {0: "jets", 1: "particles"}, "score": {0: "jets"}}
    exporter: Any = torch.onnx  # its stubs know the newer exporter alone
    inputs: dict[str, Tensor] = {"constituents": jets}
    if tagger.names:
        inputs = {"numbers": torch.zeros(2, len(tagger.names)), **inputs}
        axes["numbers"] = {0: "jets"}
    written = io.BytesIO()
    with torch.no_grad(), warnings.catch_warnings(), _operators():
        warnings.simplefilter("ignore")  # of the exporter, and of each shape that it follows
        exporter.export(
            whole if tagger.names else _JetsAlone(whole).eval(),
            tuple(inputs.values()),
            written,
            dynamo=False,
            opset_version=_OPSET,
            input_names=list(inputs),
            output_names=["score"],
            dynamic_axes=axes,
        )
    model = onnx.load_model_from_string(written.getvalue())
    onnx.helper.set_model_props(model, {DECLARATION: json.dumps(declared)})
    model.producer_name, model.producer_version = "overdensity", version("overdensity")
    with atomic_path(path) as temporary:
        temporary.write_bytes(model.SerializeToString())
    return declared


def _declaration(tagger: Tagger) -> dict[str, Any]:
    """Return what the file says of itself: the features of jets that it reads, and how."""
    (jet,) = tagger.ensemble.jets
    inputs: dict[str, Any] = {
        "constituents": {"constituents": _OF_JET.sub("", jet), "least": _LEAST}
    }
    if tagger.names:
        inputs["numbers"] = {
            "features": [_OF_JET.sub("", name) for name in tagger.names],
            "mean": tagger.ensemble.mean.tolist(),
            "std": np.where(tagger.ensemble.std > 0, tagger.ensemble.std, 1).tolist(),
        }
    return {
        "schema": SCHEMA,
        "version": version("overdensity"),
        "kind": tagger.kind,
        "inputs": inputs,
        "output": "score",
        "rows": tagger.hyper.score_rows,
    }


def _of_one(name: str) -> Callable[..., Any]:
    return lambda g, x: g.op(name, x)


def _hypot(g: Any, x: Any, y: Any) -> Any:
    return g.op("Sqrt", g.op("Add", g.op("Mul", x, x), g.op("Mul", y, y)))


def _argsort(g: Any, x: Any, _stable: Any, dim: Any, descending: Any) -> Any:
    """Return the order of largest values first; equal ones keep theirs, as ONNX's TopK has it."""
    helper: Any = symbolic_helper
    constant = helper._get_const  # noqa: SLF001 - as the exporter's own operators do
    return helper._sort_helper(  # noqa: SLF001
        g, x, dim=constant(dim, "i", "dim"), descending=constant(descending, "b", "descending")
    )[1]


def _cdist(g: Any, a: Any, b: Any, _p: Any, _mode: Any) -> Any:
    """Return distances as they are; the exporter's own adds 10⁻⁶ to each difference."""
    axes = [g.op("Constant", value_t=torch.tensor([axis])) for axis in (-2, -3)]
    apart = g.op("Sub", g.op("Unsqueeze", a, axes[0]), g.op("Unsqueeze", b, axes[1]))
    return g.op("ReduceL2", apart, axes_i=[-1], keepdims_i=0)


@contextmanager
def _operators() -> Iterator[None]:
    """Tell the exporter of operators that it does not know, and of one that it does otherwise."""
    exporter: Any = torch.onnx
    made = {
        "aten::cosh": _of_one("Cosh"),
        "aten::sinh": _of_one("Sinh"),
        "aten::hypot": _hypot,
        "aten::argsort": _argsort,
        "aten::cdist": _cdist,
    }
    for name, operator in made.items():
        exporter.register_custom_op_symbolic(name, operator, _OPSET)
    try:
        yield
    finally:
        for name in made:
            exporter.unregister_custom_op_symbolic(name, _OPSET)
