"""What ``cluster:`` may say: this machine, a running scheduler, a batch system or a gateway."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from ...core import ConfigError, nearest_names
from .complaints import complaints
from .sections import PathText, Section

__all__ = ["BATCH_KINDS", "ClusterConfig", "Kind", "Started", "check_options"]

Kind = Literal["local", "threads", "address", "slurm", "htcondor", "pbs", "lsf", "gateway"]
BATCH_KINDS = ("slurm", "htcondor", "pbs", "lsf")

_NO_FIRST_WORKER_AFTER = {"local": 60.0, "threads": 60.0, "address": 60.0}
_QUEUES_TAKE = 3600.0  # seconds; a batch system that is busy for longer is worth a look


class ClusterConfig(Section):
    """Where tasks run: ``cluster:`` of the configuration, a word or a mapping.

    A word is a kind, or the address of a running scheduler.

    Attributes
    ----------
    kind : str
        ``local`` for processes and ``threads`` for threads of this machine; ``address`` for a
        running scheduler; ``slurm``, ``htcondor``, ``pbs`` and ``lsf`` for workers that are batch
        jobs (dask-jobqueue); ``gateway`` for a Dask gateway.
    address : str, optional
        Of the scheduler, such as ``tcp://10.1.2.3:8786``, or of the gateway's server, such as
        ``https://coffea.example.org/services/dask-gateway``. A gateway's may also stand in Dask's
        own configuration.
    workers : int, optional
        Workers to start: by default one per core of this machine.
    jobs : int, optional
        Batch jobs to keep running, in place of `workers`; a job has ``options.processes`` workers.
    minimum, maximum : int, optional
        Between how many workers the cluster scales itself with the work there is, in place of
        `workers`. At least one is kept.
    options : dict
        Passed on: to the class of dask-jobqueue (``queue``, ``cores``, ``memory``, ``walltime``,
        ``interface``, ...), or to the gateway as its administrators define them.
    patience : float, optional
        Seconds that there may be no worker at all: by default 60, for batch systems and gateways
        an hour.
    dashboard : bool
        Start Dask's dashboard, on this machine's loopback interface, and say where it is.
    dashboard_address : str, optional
        Where else it listens, such as ``127.0.0.1:8790``; asks for the dashboard by itself.
    performance_report : str, optional
        Where Dask's report of the run goes, an HTML file.
    """

    kind: Kind = "local"
    address: str | None = None
    workers: Annotated[int, Field(ge=1, le=10_000)] | None = None
    jobs: Annotated[int, Field(ge=1)] | None = None
    minimum: Annotated[int, Field(ge=1)] | None = None
    maximum: Annotated[int, Field(ge=1)] | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    patience: Annotated[float, Field(gt=0)] | None = None
    dashboard: bool = False
    dashboard_address: str | None = None
    performance_report: PathText | None = None

    @classmethod
    def of(cls, cluster: str | Self, workers: int | None = None) -> Self:
        """Return what a word of the command line says; `workers` stands in where it says none.

        Raises
        ------
        ConfigError
            If the word is not known, or the number of workers is given twice.
        """
        try:
            config = cls.model_validate(cluster)
        except ValidationError as error:
            msg = f"cluster: {'; '.join(complaints(cls, cluster, error))}"
            raise ConfigError(msg) from None
        if workers in (None, config.workers) or config.kind == "address":
            return config
        if given := [key for key in ("workers", "jobs", "maximum") if getattr(config, key)]:
            msg = f"workers: {workers} and cluster.{given[0]} say the size twice; keep one"
            raise ConfigError(msg)
        return config.model_copy(update={"workers": workers})

    @model_validator(mode="before")
    @classmethod
    def _a_word_is_a_kind_or_an_address(cls, value: Any) -> Any:
        if isinstance(value, dict):
            if "kind" not in value and "address" in value:
                return {"kind": "address", **value}
            kind = value.get("kind", "local")
        elif isinstance(value, str):
            kind = "address" if ":" in value else value
            value = {"kind": kind} | ({"address": value} if kind == "address" else {})
        else:
            return value
        kinds = get_args(Kind)
        if kind not in kinds:
            msg = (
                f"{kind!r} is not known; write one of {', '.join(kinds)}, "
                "or the address of a scheduler such as tcp://127.0.0.1:8786; "
                f"{nearest_names(str(kind), kinds)}"
            )
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _keys_suit_the_kind(self) -> Self:
        passed_on = (*BATCH_KINDS, "gateway")
        suits = {
            "address": ("address", "gateway"),
            "workers": ("local", "threads", *passed_on),
            "jobs": BATCH_KINDS,
            "minimum": ("local", *passed_on),
            "maximum": ("local", *passed_on),
            "options": passed_on,
            "dashboard_address": ("local", "threads", *BATCH_KINDS),
        }
        for key, kinds in suits.items():
            if getattr(self, key) and self.kind not in kinds:
                msg = f"{key} means nothing for kind: {self.kind} (only for {', '.join(kinds)})"
                raise ValueError(msg)
        if self.kind == "address" and self.address is None:
            msg = "kind: address needs the address of the scheduler"
            raise ValueError(msg)
        self._sizes_agree()
        return self

    def _sizes_agree(self) -> None:
        sizes = [key for key in ("workers", "jobs", "maximum") if getattr(self, key)]
        if len(sizes) > 1:
            msg = f"{' and '.join(sizes)} say the size twice; keep one"
            raise ValueError(msg)
        if self.minimum and not self.maximum:
            msg = "minimum needs maximum beside it"
            raise ValueError(msg)
        if self.maximum and (self.minimum or 1) > self.maximum:
            msg = f"maximum ({self.maximum}) is below minimum ({self.minimum})"
            raise ValueError(msg)

    @model_serializer(mode="wrap")
    def _as_short_as_it_was_written(self, handler: SerializerFunctionWrapHandler) -> Any:
        values = handler(self)
        said = {
            key: value
            for key, value in values.items()
            if key == "kind"
            or value
            != type(self)
            .model_fields[key]
            .get_default(call_default_factory=True, validated_data={})
        }
        if set(said) == {"kind"}:
            return self.kind
        if self.kind == "address" and set(said) == {"kind", "address"}:
            return self.address
        return said

    @property
    def wants_dashboard(self) -> bool:
        """Whether a dashboard is asked for."""
        return self.dashboard or self.dashboard_address is not None

    @property
    def longest_wait(self) -> float:
        """Seconds that there may be no worker at all."""
        return self.patience or _NO_FIRST_WORKER_AFTER.get(self.kind, _QUEUES_TAKE)

    def check_size(self) -> None:
        """Refuse a batch system or gateway without a number of workers.

        Raises
        ------
        ConfigError
            If there is none.
        """
        if not (self.workers or self.jobs or self.maximum):
            jobs = ", jobs: 10" if self.kind in BATCH_KINDS else ""
            msg = (
                f"cluster: {self.kind} needs a size: workers: 10{jobs}, or minimum: 1 and "
                "maximum: 100 to scale with the work"
            )
            raise ConfigError(msg)


@dataclass(frozen=True)
class Started:
    """A cluster that was started for this run.

    Attributes
    ----------
    cluster : object
        What a `distributed.Client` connects to.
    wanted : int
        The workers asked for to begin with.
    trouble : callable
        Returns why no worker will come, as far as that is known, or None.
    """

    cluster: Any
    wanted: int
    trouble: Callable[[], str | None] = lambda: None


def check_options(kind: str, options: dict[str, Any], valid: set[str]) -> None:
    """Refuse options that would not be understood where they are passed on to.

    Raises
    ------
    ConfigError
        With all wrong names in one sentence, and the nearest valid ones.
    """
    wrong = [name for name in options if name not in valid]
    if not wrong:
        return
    hints = "; ".join(f"{name!r}: {nearest_names(name, valid)}" for name in wrong)
    msg = f"cluster.options: {kind} has no option {hints}"
    raise ConfigError(msg)
