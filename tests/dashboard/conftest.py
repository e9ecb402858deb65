import inspect
import itertools
import re

import pytest

from mixgan_lightning import log_names

VALUES = {"player": ("generator", "discriminator"), "i": ("{i}",), "name": tuple(log_names.TITLES)}
NO_KEYS = (log_names.title, log_names.said)  # of the module's functions: what makes text for people


@pytest.fixture(scope="session")
def known():
    """Every key that log_names defines, its constants' and its functions'; ``{i}`` stands for any component."""
    found = [value for name, value in vars(log_names).items() if name.isupper() and isinstance(value, str)]
    for function in vars(log_names).values():
        if inspect.isfunction(function) and function not in NO_KEYS:
            choices = [VALUES[parameter] for parameter in inspect.signature(function).parameters]
            found += [function(*chosen) for chosen in itertools.product(*choices)]
    assert len(found) == len(set(found)) > 40
    return set(found)


@pytest.fixture(scope="session")
def as_known():
    """``as_known(key)``: samples/component/3 -> samples/component/{i}."""
    return lambda key: re.sub(r"/\d+(?=/|$)", "/{i}", key)
