"""Where networks run: the GPU if there is one, or what the configuration names."""

from __future__ import annotations

import torch

from ...core import ConfigError

__all__ = ["pick_device"]


def pick_device(name: str) -> torch.device:
    """Return the device of a name; ``auto`` is the CUDA device where there is one.

    Apple's ``mps`` is taken only by name: it has never been tried.

    Raises
    ------
    ConfigError
        If torch knows no such device or cannot use it here.

    Examples
    --------
    >>> pick_device("cpu")
    device(type='cpu')
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:  # which lists all that torch has ever known
        msg = f"no device {name!r}; give auto, cpu, cuda or mps"
        raise ConfigError(msg) from None
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        msg = f"device {name!r} cannot be used here ({str(error).splitlines()[0]}); try 'auto'"
        raise ConfigError(msg) from None
    return device
