"""An ONNX model that scores jets inside a processor."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import awkward as ak
import numpy as np
from coffea.ml_tools.helper import nonserializable_attribute, numpy_call_wrapper
from numpy.typing import NDArray

from ...core import ConfigError, InputError, extra_for, first_line
from ...core.files.json_values import json_value
from .declaration import Declaration, ModelInput

__all__ = ["OnnxTagger"]

_DECLARED = "overdensity"  # the key of the declaration among the file's properties
_TORCH = b"PK"  # how archives begin that torch.save writes
_WIDTHS = 1000.0  # from the mean of the training, beyond which a column is in other units


class OnnxTagger(nonserializable_attribute, numpy_call_wrapper):
    """A model on onnxruntime: called with features of jets by name, it returns a score of each.

    The model travels with the processor, so that workers need no file. Each process opens it once.

    Parameters
    ----------
    name : str
        Of the column of scores.
    file : str
        Where it was read, for messages.
    model : bytes
        The content of the file.
    given : mapping
        What the configuration says of it, in place of what the file says of itself.

    Raises
    ------
    ConfigError
        If it is no ONNX model, or its inputs are not those declared.
    MissingExtraError
        If onnxruntime is not installed.
    """

    def __init__(self, name: str, file: str, model: bytes, given: Mapping[str, Any]) -> None:
        super().__init__(["session"])
        self.name, self.file, self._model = name, file, model
        with extra_for(f"the tagger {file}"):
            _refuse_other_files(model, file)
            stored = self.session.get_modelmeta().custom_metadata_map.get(_DECLARED)
        self._declared: dict[str, Any] = {**(_json(stored, file) if stored else {}), **given}
        self.declaration = Declaration.of(self._declared, origin=file)
        self._check_inputs()
        self._check_output()

    def settings(self) -> dict[str, Any]:
        """Return what its scores depend on beside the features, as plain JSON values."""
        digest = hashlib.sha256(self._model).hexdigest()
        return {"tag": self.name, "sha256": digest, "declared": self._declared}

    def _create_session(self) -> Any:
        import onnxruntime  # noqa: PLC0415 - an extra, opened where it is used

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # each core has its worker
        options.log_severity_level = 4
        try:
            return onnxruntime.InferenceSession(
                self._model, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # noqa: BLE001 - its errors have no class in common
            msg = f"{self.file}: not an ONNX model that onnxruntime can run ({first_line(error)})"
            if self._model.startswith(_TORCH):
                msg = (
                    f"{self.file}: a file of torch, and no ONNX model; 'overdensity tag export' makes one "
                    "of a tagger of 'overdensity tag train', torch.onnx.export of others"
                )
            raise ConfigError(msg) from None

    def prepare_awkward(self, **columns: Any) -> tuple[tuple[()], dict[str, Any]]:
        """Return the inputs of the model, made of features of jets by name."""
        inputs = self.declaration.inputs.items()
        return (), {name: self._input(name, each, columns) for name, each in inputs}

    def validate_numpy_input(self, **inputs: NDArray[np.float32]) -> None:
        """Refuse numbers that are not finite."""
        for name, values in inputs.items():
            bad = len(values) - int(np.count_nonzero(np.isfinite(values).all(axis=tuple(range(1, values.ndim)))))  # fmt: skip
            if bad:
                needs = ", ".join(self.declaration.inputs[name].needs)
                msg = f"{self.file}: {bad} of {len(values)} jets have a {needs} that is not finite"
                raise InputError(msg)

    def numpy_call(self, **inputs: NDArray[np.float32]) -> NDArray[np.float32]:  # pyright: ignore[reportIncompatibleMethodOverride] - coffea annotates nothing
        """Return the score of each jet, shape (n_jets,)."""
        output = self.declaration.output or self.session.get_outputs()[0].name
        n, fixed = len(next(iter(inputs.values()))), self._fixed_rows()
        rows = fixed or self.declaration.rows
        score = np.empty(n, np.float32)
        for start in range(0, n, rows):
            which = np.arange(start, start + rows if fixed else min(start + rows, n))
            some = {name: values[which.clip(max=n - 1)] for name, values in inputs.items()}
            try:
                (found,) = self.session.run([output], some)
                found = np.reshape(found, (len(found), -1))
                score[start : start + rows] = found[: n - start, self.declaration.column]
            except Exception as error:  # noqa: BLE001 - its errors have no class in common
                msg = f"{self.file}: the model fails on {min(rows, n - start)} jets ({first_line(error)})"
                raise ConfigError(msg) from None
        if bad := int(np.count_nonzero(~np.isfinite(score))):
            msg = (
                f"{self.file}: the scores of {bad} of {n} jets are NaN or infinite; mend the model"
            )
            raise InputError(msg)
        if self.declaration.logit:
            with np.errstate(over="ignore"):  # e to more than 709 is infinite, and the score 0
                score = (1 / (1 + np.exp(-score.astype(np.float64)))).astype(np.float32)
        return score

    def score(self, columns: Mapping[str, Any]) -> NDArray[np.float32]:
        """Return the score of each jet, shape (n_jets,), of its features by name."""
        arrays = {name: ak.Array(columns[name]) for name in self.declaration.needs}
        return ak.to_numpy(self(**arrays))

    def _input(
        self, name: str, each: ModelInput, columns: Mapping[str, Any]
    ) -> NDArray[np.float32]:
        if each.features:
            values = np.stack([ak.to_numpy(columns[n]) for n in each.features], axis=1)
            values = each.standardised(values.astype(np.float32, copy=False), 1)
            far = np.median(np.abs(values), axis=0, keepdims=False) if len(values) else np.zeros(1)
            if each.mean and np.any(far > _WIDTHS):
                column = each.features[int(np.argmax(far))]
                msg = (
                    f"{self.file}: the feature {column!r} lies {far.max():.0f} widths from what the "
                    "tagger was trained on; is it in other units?"
                )
                raise InputError(msg)
            return values
        return self._constituents(name, each, columns[each.constituents])

    def _constituents(self, name: str, each: ModelInput, jets: ak.Array) -> NDArray[np.float32]:
        """Return constituents with padding, shape (n_jets, n_particles, n_variables) or turned."""
        missing = {"pt", "eta", "phi"}.difference(ak.fields(jets))
        if missing:
            msg = f"{self.file}: {each.constituents!r} is no list of {{pt, eta, phi}}"
            raise InputError(msg)
        counts = ak.to_numpy(ak.num(jets, axis=1))
        if np.any(counts == 0):
            msg = (
                f"{self.file}: {np.count_nonzero(counts == 0)} of {len(counts)} jets have no "
                "constituents, of which there is no score"
            )
            raise InputError(msg)
        axis = 2 if each.channels_first else 1
        fixed = self._shape(name)[axis]
        longest = each.particles or (fixed if isinstance(fixed, int) else 0)
        longest = longest or max(each.least, int(counts.max(initial=0)))
        lists = (ak.pad_none(jets[x], longest, axis=1, clip=True) for x in ("pt", "eta", "phi"))
        pt, eta, phi = (ak.to_numpy(ak.fill_none(x, 0.0)).astype(np.float32) for x in lists)
        total = ak.to_numpy(ak.sum(jets.pt, axis=1)).astype(np.float32)[:, None]
        there = np.arange(longest) < counts[:, None]
        made: dict[str, NDArray[Any]] = {"pt": pt, "eta": eta, "phi": phi}
        with np.errstate(divide="ignore"):
            made |= {"share": pt / total, "log_pt": np.log(pt), "log_share": np.log(pt / total)}
        made |= {"delta_r": np.hypot(eta, phi), "mask": there.astype(np.float32)}
        stacked = np.stack([made[v] for v in each.variables], axis=2).astype(np.float32)
        stacked = each.standardised(stacked, 2)
        stacked[~there] = 0.0
        return np.ascontiguousarray(stacked.swapaxes(1, 2) if each.channels_first else stacked)

    def _fixed_rows(self) -> int:
        """Return how many jets a model takes that was exported for so many; 0 of others."""
        first = (each.shape[0] for each in self.session.get_inputs() if each.shape)
        return next((size for size in first if isinstance(size, int)), 0)

    def _shape(self, name: str) -> list[Any]:
        return next(each.shape for each in self.session.get_inputs() if each.name == name)

    def _check_inputs(self) -> None:
        """Refuse a model with other inputs than those declared."""
        found = {each.name: each.shape for each in self.session.get_inputs()}
        words = ", ".join(f"{name} {tuple(shape)}" for name, shape in found.items())
        declared = self.declaration.inputs
        if not declared:
            msg = (
                f"{self.file} does not say what it reads; say it: {{tag: {self.file}, inputs: …}} with "
                f"'constituents' or 'features' for each of its inputs: {words}"
            )
            raise ConfigError(msg)
        if set(declared) != set(found):
            msg = f"{self.file}: its inputs are {words}, and {', '.join(declared)} are declared"
            raise ConfigError(msg)
        for name, each in declared.items():
            rank, axis = (3, 1 if each.channels_first else 2) if each.constituents else (2, 1)
            shape = found[name]
            if len(shape) != rank or (isinstance(shape[axis], int) and shape[axis] != each.width):
                msg = (
                    f"{self.file}: its input {name!r} has the shape {tuple(shape)}, and what is "
                    f"declared for it has {rank} dimensions with {each.width} numbers: "
                    f"{', '.join(each.variables if each.constituents else each.features)}"
                )
                raise ConfigError(msg)

    def _check_output(self) -> None:
        outputs = {each.name: each.shape for each in self.session.get_outputs()}
        wanted = self.declaration.output
        if wanted and wanted not in outputs:
            msg = f"{self.file}: it has no output {wanted!r}, but {', '.join(outputs)}"
            raise ConfigError(msg)
        shape = outputs[wanted] if wanted else next(iter(outputs.values()))
        last = shape[-1] if len(shape) > 1 else 1
        if isinstance(last, int) and not 0 <= self.declaration.column < last:
            msg = f"{self.file}: its output has {last} numbers for a jet, and no column {self.declaration.column}"
            raise ConfigError(msg)


def _refuse_other_files(model: bytes, file: str) -> None:
    """Refuse weights in other files: no worker has them, and the digest of the model is not theirs."""
    import onnx  # noqa: PLC0415 - an extra, opened where it is used
    from onnx.external_data_helper import uses_external_data  # noqa: PLC0415

    try:
        weights = onnx.load_model_from_string(model).graph.initializer
    except Exception:  # noqa: BLE001 - what is no model is said by onnxruntime
        return
    if any(uses_external_data(each) for each in weights):
        msg = (
            f"{file}: has weights in other files; write it as one file, onnx.save(onnx.load({file!r}), "
            "'one.onnx')"
        )
        raise ConfigError(msg)


def _json(text: str, file: str) -> dict[str, Any]:
    values = json_value(text, origin=f"{file}, its declaration")
    if not isinstance(values, dict):
        msg = f"{file}: what it says of itself under {_DECLARED!r} is no JSON object"
        raise ConfigError(msg)
    return values
