"""Workers that are jobs of a batch system: SLURM, HTCondor, PBS or LSF, through dask-jobqueue."""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dask.config
import psutil
from distributed.core import Status

from ...core import ConfigError, require
from ..config.cluster import ClusterConfig, Started, check_options

__all__ = ["batch_cluster", "job_script", "jobqueue_options"]

logger = logging.getLogger(__name__)

_CLASSES = {
    "slurm": "SLURMCluster",
    "htcondor": "HTCondorCluster",
    "pbs": "PBSCluster",
    "lsf": "LSFCluster",
}
# What dask-jobqueue's constructors take beside options of a user: set here, or of no use in YAML.
_NOT_OPTIONS = {
    "self", "scheduler", "name", "n_workers", "job_cls", "loop", "asynchronous", "scheduler_cls",
    "dashboard_address", "host", "base_class_kwargs", "job_kwargs", "kwargs", "config_name",
    "protocol",
}  # fmt: skip
_PAUSES = (1.0, 5.0)  # seconds before submitting again: a busy batch system may answer late


@contextmanager
def batch_cluster(config: ClusterConfig) -> Iterator[Started]:
    """Start a scheduler here and workers as batch jobs, for as long as the context lasts.

    The number of jobs is kept up: one that is killed, or runs into its wall time, is replaced.

    Parameters
    ----------
    config : ClusterConfig
        Of a kind of batch system.

    Raises
    ------
    ConfigError
        If options are wrong or missing, or this machine cannot submit jobs.
    """
    config.check_size()
    options = jobqueue_options(config)
    cluster_class = _cluster_class(config.kind)
    complaints: list[str] = []
    command = shlex.split(cluster_class.job_cls.submit_command)[0]
    if shutil.which(command) is None:
        msg = (
            f"cluster: {config.kind} submits jobs with {command}, which is not on this machine; "
            "run where jobs are submitted, or see the job script with --dry-run"
        )
        raise ConfigError(msg)
    try:
        cluster = cluster_class(
            job_cls=_persistent(cluster_class.job_cls, complaints), name="overdensity", **options
        )
    except (ValueError, TypeError, RuntimeError, ImportError, OSError) as error:
        raise ConfigError(_sentence(config.kind, error)) from None
    with cluster:
        processes = options["processes"]
        least, most = _jobs(config, processes)
        cluster.adapt(minimum_jobs=least, maximum_jobs=most)
        yield Started(
            cluster,
            wanted=least * processes,
            trouble=lambda: complaints[-1] if complaints else None,
        )


def job_script(config: ClusterConfig) -> str:
    """Return the job script and the number of jobs; nothing is started.

    Raises
    ------
    ConfigError
        If options are wrong or missing.
    """
    config.check_size()
    options = jobqueue_options(config)
    cluster_class = _cluster_class(config.kind)
    processes = options["processes"]
    least, most = _jobs(config, processes)
    number = f"{least}" if least == most else f"{least} to {most}"
    command = cluster_class.job_cls.submit_command

    async def write() -> str:
        cluster = cluster_class(asynchronous=True, name="overdensity", **options)  # not started
        try:
            return cluster.job_script()
        finally:
            await cluster.close()

    try:
        script = asyncio.run(write())
    except (ValueError, TypeError, ImportError, OSError) as error:
        raise ConfigError(_sentence(config.kind, error)) from None
    return (
        f"{number} jobs of {processes} workers, each submitted by {command} with this script:\n\n"
        f"{script}"
    )


def jobqueue_options(config: ClusterConfig) -> dict[str, Any]:
    """Return the options of dask-jobqueue's class: the user's, with what they leave open.

    A job gets one process per core, since FastJet holds the interpreter lock. The scheduler
    listens on the interface that the user names, dashboards on loopback alone.

    Raises
    ------
    ConfigError
        If an option is not known, or no interface is named.
    """
    cluster_class = _cluster_class(config.kind)
    check_options(config.kind, config.options, _option_names(cluster_class))
    options = dict(config.options)
    scheduler = dict(options.get("scheduler_options") or {})
    if not (_option_of(config, "interface") or {"host", "interface"} & set(scheduler)):
        names = ", ".join(sorted(psutil.net_if_addrs()))
        msg = (
            f"cluster.options: {config.kind} needs the network interface on which workers reach "
            f"this machine, interface: NAME; here there are {names}"
        )
        raise ConfigError(msg)
    missing = [name for name in ("cores", "memory") if not _option_of(config, name)]
    if missing:
        msg = (
            f"cluster.options: {config.kind} needs {' and '.join(missing)} of a job, such as "
            "cores: 4 and memory: 8GB"
        )
        raise ConfigError(msg)
    options.setdefault(
        "processes", _option_of(config, "processes") or int(_option_of(config, "cores"))
    )
    scheduler.setdefault("dashboard", config.wants_dashboard)
    address = config.dashboard_address or f"127.0.0.1:{8787 if config.wants_dashboard else 0}"
    scheduler.setdefault("dashboard_address", address)
    options["scheduler_options"] = scheduler
    # A worker's own dashboard listens on all interfaces unless told otherwise.
    quiet = ["--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
    options["worker_extra_args"] = [*quiet, *(_option_of(config, "worker_extra_args") or [])]
    return options


def _option_of(config: ClusterConfig, name: str) -> Any:
    """Return an option of the user, from our configuration or from dask-jobqueue's own."""
    default = dask.config.get(f"jobqueue.{config.kind}.{name.replace('_', '-')}", None)
    return config.options.get(name, default)


def _jobs(config: ClusterConfig, processes: int) -> tuple[int, int]:
    """Return the smallest and the largest number of jobs; whole jobs hold all workers asked for."""
    if config.jobs:
        return config.jobs, config.jobs
    most = math.ceil((config.workers or config.maximum or 1) / processes)
    if config.workers:
        return most, most
    return math.ceil((config.minimum or 1) / processes), most


def _cluster_class(kind: str) -> Any:
    return getattr(require("dask_jobqueue", by=f"cluster: {kind}"), _CLASSES[kind])


def _option_names(cluster_class: Any) -> set[str]:
    """Names that the constructors of a cluster and of its jobs take."""
    classes = [*cluster_class.__mro__, *cluster_class.job_cls.__mro__]
    names = {
        name
        for class_ in classes
        if class_.__module__.startswith("dask_jobqueue") and "__init__" in vars(class_)
        for name in inspect.signature(class_.__init__).parameters
    }
    return names - _NOT_OPTIONS


def _persistent(job_class: Any, complaints: list[str]) -> Any:
    """Return a job class that submits again when refused, and says why it was in the end."""

    class PersistentJob(job_class):
        async def _submit_job(self, script_filename: str) -> str:
            for pause in (*_PAUSES, None):
                try:
                    submitted = await super()._submit_job(script_filename)
                except (RuntimeError, OSError) as error:
                    if pause is None:
                        complaints.append(_refusal(job_class.submit_command, str(error)))
                        logger.warning("%s", complaints[-1])
                        self.status = Status.failed  # else the cluster cannot be closed
                        raise
                    await asyncio.sleep(pause)
                else:
                    complaints.clear()
                    return submitted
            raise AssertionError  # the last pause is None

    return PersistentJob


def _refusal(command: str, text: str) -> str:
    """Return the batch system's own message out of dask-jobqueue's many lines."""
    said = text.partition("stderr:\n")[2] or text
    return f"cluster: {command} refused the job: {' '.join(said.split())}"


def _sentence(kind: str, error: Exception) -> str:
    return f"cluster: {kind}: {' '.join(str(error).split())}"
