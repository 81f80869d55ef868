"""A simulation from its configuration: the recipe, on the cluster that it names."""

from __future__ import annotations

from distributed import Client

from ..core.files.locks import locked
from ..simulation import SimulationReport, simulate_recipe
from .cluster.connecting import connect
from .cluster.executing import ClusterExecutor
from .config.cluster import ClusterConfig
from .config.recipe import SimulationConfig

__all__ = ["run_simulation"]


def run_simulation(
    config: SimulationConfig, *, key_file: bool = False, seed: int | None = None
) -> SimulationReport:
    """Simulate the events of a recipe.

    Processes of this machine are started without Dask, unless a dashboard or a report is asked for.

    Parameters
    ----------
    config : SimulationConfig
        What is simulated, and where.
    key_file : bool
        The truth in a file of its own, see `overdensity.simulation.simulate_recipe`.
    seed : int, optional
        In place of the recipe's.

    Returns
    -------
    SimulationReport
        Numbers of events, efficiencies, cross sections, versions.

    Raises
    ------
    OverdensityError
        If something cannot be used, or workers are gone; finished chunks are kept.
    """
    lock = config.out.with_name(f".{config.out.name}.lock")
    with locked(lock, what=str(config.out)):
        return _simulated(config, seed=seed, key_file=key_file)


def _simulated(config: SimulationConfig, *, seed: int | None, key_file: bool) -> SimulationReport:
    cluster = config.cluster
    workers = config.workers or cluster.workers
    if cluster == ClusterConfig(kind="local", workers=cluster.workers):
        return simulate_recipe(
            config.recipe, config.out, seed=seed, key_file=key_file, workers=workers
        )
    with connect(cluster, config.workers) as client:
        return simulate_recipe(
            config.recipe,
            config.out,
            seed=seed,
            key_file=key_file,
            workers=_places(client, cluster, workers),
            executor=ClusterExecutor(client, "simulating"),
        )


def _places(client: Client, cluster: ClusterConfig, workers: int | None) -> int:
    """Return how many chunks may run at a time, also once all workers have come."""
    workers_here = client.scheduler_info(n_workers=-1)["workers"]
    here = sum(each["nthreads"] for each in workers_here.values())
    processes = int(cluster.options.get("processes", 1)) * (cluster.jobs or 0)
    return max(here, workers or 0, cluster.maximum or 0, processes, 1)
