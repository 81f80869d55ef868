"""Jobs of batch systems: their options, numbers and scripts; nothing is submitted."""

from __future__ import annotations

from typing import Any

import pytest

from overdensity.core import ConfigError
from overdensity.workflow.cluster.batch import batch_cluster, job_script, jobqueue_options
from overdensity.workflow.config.cluster import ClusterConfig

JOB = {"cores": 4, "memory": "8GB", "interface": "lo"}


def described(**values: Any) -> ClusterConfig:
    return ClusterConfig.model_validate(values)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"options": JOB}, "slurm needs a size"),
        ({"jobs": 1, "options": JOB | {"walltim": 1}}, "no option 'walltim': did you mean"),
        ({"jobs": 1, "options": {"cores": 4, "memory": "8GB"}}, "interface: NAME; here .*lo"),
        ({"jobs": 1, "options": {"interface": "lo"}}, "needs cores and memory"),
    ],
)
def test_what_a_batch_system_lacks_is_said(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        job_script(described(kind="slurm", **values))


@pytest.mark.parametrize(
    ("kind", "options", "line"),
    [
        ("slurm", {"queue": "long"}, "#SBATCH -p long"),
        ("pbs", {"queue": "long"}, "#PBS -q long"),
        ("lsf", {"queue": "long"}, "#BSUB -q long"),
        ("htcondor", {"disk": "1GB"}, "RequestDisk"),
    ],
)
def test_job_script_is_shown_without_submitting(
    kind: str, options: dict[str, str], line: str
) -> None:
    script = job_script(described(kind=kind, workers=10, options=JOB | options))
    assert script.startswith("3 jobs of 4 workers")
    assert line in script
    assert "--nthreads 1 " in script  # FastJet holds the interpreter lock
    assert "--dashboard-address 127.0.0.1:0" in script


@pytest.mark.parametrize(
    ("size", "beginning"),
    [
        ({"jobs": 5}, "5 jobs of 4 workers"),
        ({"workers": 9}, "3 jobs of 4 workers"),
        ({"minimum": 2, "maximum": 16}, "1 to 4 jobs of 4 workers"),
    ],
)
def test_whole_jobs_hold_all_workers(size: dict[str, int], beginning: str) -> None:
    assert job_script(described(kind="slurm", options=JOB, **size)).startswith(beginning)


def test_a_job_has_a_process_for_each_core_unless_told() -> None:
    config = described(kind="slurm", jobs=1, options=JOB)
    assert jobqueue_options(config)["processes"] == 4
    fewer = described(kind="slurm", jobs=1, options=JOB | {"processes": 2})
    assert jobqueue_options(fewer)["processes"] == 2


def test_dashboards_listen_on_loopback_alone() -> None:
    options = jobqueue_options(described(kind="slurm", jobs=1, options=JOB, dashboard=True))
    assert options["scheduler_options"]["dashboard_address"] == "127.0.0.1:8787"
    assert options["worker_extra_args"][:3] == [
        "--no-dashboard",
        "--dashboard-address",
        "127.0.0.1:0",
    ]


def test_a_machine_that_cannot_submit_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    config = described(kind="slurm", jobs=1, options=JOB)
    with (
        pytest.raises(ConfigError, match="slurm submits jobs with sbatch, which is not on this"),
        batch_cluster(config),
    ):
        pass
