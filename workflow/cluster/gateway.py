"""Workers that a Dask gateway starts, as analysis facilities offer them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import dask.config

from ...core import ConfigError, require
from ..config.cluster import ClusterConfig, Started, check_options

__all__ = ["gateway_cluster", "gateway_request"]

_OF_THE_SERVER = ("proxy_address", "public_address", "auth")
_AUTHENTICATION = ("basic", "jupyterhub", "kerberos")


@contextmanager
def gateway_cluster(config: ClusterConfig) -> Iterator[Started]:
    """Ask a gateway for a cluster, for as long as the context lasts.

    Parameters
    ----------
    config : ClusterConfig
        Of the kind ``gateway``. Its options are those of the gateway, as `Gateway.cluster_options`
        lists them, beside ``proxy_address``, ``public_address`` and ``auth`` of the server; names
        and passwords stand in Dask's configuration or its environment variables, not here.

    Raises
    ------
    ConfigError
        If the gateway does not answer, refuses the login, or does not know an option.
    """
    config.check_size()
    package = _package()
    server, options = _split(config)
    address = _address(config)
    with ExitStack() as stack:
        try:
            gateway = package.Gateway(address, **server)
            stack.callback(_forget_loop, gateway)
            stack.enter_context(gateway)
            check_options(config.kind, options, set(gateway.cluster_options()))
            cluster = gateway.new_cluster(**options)
            stack.callback(_forget_loop, cluster.gateway)
            stack.enter_context(cluster)
            if config.maximum:
                cluster.adapt(minimum=config.minimum or 1, maximum=config.maximum)
            else:
                cluster.scale(config.workers)
        except package.GatewayClusterError as error:
            msg = f"cluster: the gateway at {address} could not start a cluster: {error}"
            raise ConfigError(msg) from None
        except (OSError, TimeoutError, ValueError, package.GatewayServerError) as error:
            msg = f"cluster: no Dask gateway answers at {address} ({error})"
            raise ConfigError(msg) from None
        yield Started(cluster, wanted=config.workers or config.minimum or 1)


def gateway_request(config: ClusterConfig) -> str:
    """Return what would be asked of the gateway; nothing is sent.

    Raises
    ------
    ConfigError
        If there is no address.
    """
    config.check_size()
    _package()
    _, options = _split(config)
    size = (
        f"{config.workers} workers"
        if config.workers
        else f"{config.minimum or 1} to {config.maximum} workers"
    )
    listed = "".join(f"\n  {name}: {value}" for name, value in options.items()) or " none"
    return f"a cluster of {size} from the gateway at {_address(config)}, with the options{listed}"


def _forget_loop(gateway: Any) -> None:
    """Keep a closed gateway from closing again when it is collected.

    dask-gateway 2026.3 would then look for its event loop, which has ended: "Exception ignored".
    """
    vars(gateway).pop("_loop_runner", None)


def _package() -> Any:
    return require("dask_gateway", by="cluster: gateway")


def _address(config: ClusterConfig) -> str:
    address = config.address or dask.config.get("gateway.address", None)
    if address is None:
        msg = "cluster: gateway needs the address of its server, here or in Dask's configuration"
        raise ConfigError(msg)
    return address


def _split(config: ClusterConfig) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part the options of the server from those of the cluster."""
    server = {key: value for key, value in config.options.items() if key in _OF_THE_SERVER}
    auth = server.get("auth")
    if auth is not None and auth not in _AUTHENTICATION:  # dask-gateway would import any object
        msg = f"cluster.options.auth is one of {', '.join(_AUTHENTICATION)}, not {auth!r}"
        raise ConfigError(msg)
    return server, {key: value for key, value in config.options.items() if key not in server}
