"""``device=`` of the commands."""

from __future__ import annotations

import torch

from mixgan_lightning.errors import ConfigurationError


def device_of(name: str | None) -> torch.device:
    """The device of that name; else a GPU where there is one.

    Raises:
        ConfigurationError: where there is no such device.
    """
    try:
        device = torch.device(name or torch.accelerator.current_accelerator(check_available=True) or "cpu")
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # no such name, or no such device here
        raise ConfigurationError(f"device={name}: {str(error).splitlines()[0]}; leave it out, or use cpu") from error
    return device
