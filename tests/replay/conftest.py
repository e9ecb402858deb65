"""The zoo of users' GANs, importable by the tests of this folder; random streams in order."""

import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))  # zoo.py, runs.py, reference.py: plain modules, as a user's are


@pytest.fixture(autouse=True)
def seed_all():
    """Users' modules draw from all three streams."""
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    random.seed(0)


@pytest.fixture
def float64():
    """Networks, data and noise in double precision."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
