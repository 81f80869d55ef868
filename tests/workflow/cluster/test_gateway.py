"""What is asked of a Dask gateway, and what is refused before."""

from __future__ import annotations

from typing import Any

import dask.config
import pytest

from overdensity.core import ConfigError
from overdensity.workflow.cluster.gateway import gateway_cluster, gateway_request
from overdensity.workflow.config.cluster import ClusterConfig

pytest.importorskip("dask_gateway")


def described(**values: Any) -> ClusterConfig:
    return ClusterConfig.model_validate({"kind": "gateway", "address": "http://h:1", **values})


def test_request_has_the_size_and_the_options_of_the_cluster_alone() -> None:
    options = {"image": "coffea", "auth": "basic", "proxy_address": "tls://h:2"}
    assert gateway_request(described(workers=5, options=options)) == (
        "a cluster of 5 workers from the gateway at http://h:1, with the options\n  image: coffea"
    )
    assert gateway_request(described(maximum=8)).startswith("a cluster of 1 to 8 workers")


def test_a_size_is_needed() -> None:
    with pytest.raises(ConfigError, match="gateway needs a size"):
        gateway_request(described())


def test_address_may_stand_in_dasks_configuration() -> None:
    without = ClusterConfig.model_validate({"kind": "gateway", "workers": 1})
    with dask.config.set({"gateway.address": "http://there:1"}):
        assert "http://there:1" in gateway_request(without)
    with (
        dask.config.set({"gateway.address": None}),
        pytest.raises(ConfigError, match="needs the address of its server"),
    ):
        gateway_request(without)


def test_authentication_is_a_word_and_no_object_to_import() -> None:
    config = described(workers=1, options={"auth": "os.system"})
    with pytest.raises(ConfigError, match="auth is one of basic, jupyterhub, kerberos"):
        gateway_request(config)


def test_a_gateway_that_does_not_answer_is_named() -> None:
    config = described(address="http://127.0.0.1:1", workers=1)
    with (
        pytest.raises(ConfigError, match="no Dask gateway answers at http"),
        gateway_cluster(config),
    ):
        pass
