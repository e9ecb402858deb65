"""What one process does alone: nothing. Several are in tests/ddp."""

import pytest
import torch
from torch import nn

from mixgan_lightning.processes import (
    ALL,
    agreed,
    equalise_buffers,
    gathered_rows,
    own_share,
    part_random_streams,
    together,
    with_equal_buffers,
)

CPU = torch.device("cpu")


@pytest.fixture
def module():
    """One with buffers that are not as at the start."""
    module = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    module(torch.randn(8, 2))
    return module


def test_all_is_its_own():
    assert own_share() == ALL == (0, 1)


def test_its_random_streams_stay():
    before = torch.get_rng_state()
    part_random_streams(CPU)
    assert torch.equal(torch.get_rng_state(), before)


def test_its_errors_are_raised_as_they_are():
    error = ValueError("as it is")
    with pytest.raises(ValueError, match="as it is") as raised, together():
        raise error
    assert raised.value is error
    with together():
        pass


@pytest.mark.parametrize("value", [None, 0, 3, (torch.Size([2]), torch.float32)])
def test_it_agrees_with_itself(value):
    assert agreed("value", value) is value


def test_its_rows_are_put_in_order():
    order = torch.randperm(10)
    rows = torch.randn(10, 2, 3, dtype=torch.float64)
    batches = [(rows[index], index) for index in order.split(4)]
    assert torch.equal(gathered_rows(batches, CPU), rows)


def test_its_buffers_are_everybodys(module):
    assert with_equal_buffers(module) is module


def test_its_buffers_stay(module):
    buffers = [(buffer, buffer.clone()) for buffer in module.buffers()]
    equalise_buffers(module)
    after = list(module.buffers())
    assert all(now is held and torch.equal(now, value) for now, (held, value) in zip(after, buffers, strict=True))
