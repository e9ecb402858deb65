import re
from collections import OrderedDict

import pytest
import torch
from torch import nn

from mixgan_lightning.features import checksum


def features():
    """Parameters, and buffers of two types."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


class Other(nn.Sequential):
    pass


def test_the_same_weights_have_the_same_sum():
    assert checksum(features()) == checksum(features())
    assert re.fullmatch("[0-9a-f]{64}", checksum(features()))


def test_the_sum_is_of_the_weights_and_not_of_their_layout_or_use():
    module = features()
    whole = checksum(module)
    module[0].weight = nn.Parameter(module[0].weight.detach().T.contiguous().T, requires_grad=False)
    module[0].bias = nn.Parameter(torch.stack([module[0].bias.detach()] * 2, dim=1)[:, 0])
    assert not module[0].weight.is_contiguous()
    assert not module[0].bias.is_contiguous()
    assert checksum(module.eval()) == whole


def with_value(module):
    module[0].weight.data[1, 2] = torch.nextafter(module[0].weight.data[1, 2], torch.tensor(torch.inf))
    return module


def with_buffer(module):
    module[1].num_batches_tracked += 1
    return module


def with_dtype(module):
    module[1].running_mean = module[1].running_mean.to(torch.int32)  # zeros: the same bytes
    return module


def with_shape(module):
    module[0].weight = nn.Parameter(module[0].weight.view(4, 1, 3))
    return module


def renamed(module):
    return nn.Sequential(OrderedDict({"0": module[0], "2": module[1]}))


def swapped(module):
    bias, shift = module[0].bias, module[1].bias
    module[0].bias, module[1].bias = shift, bias
    return module


def of_another_class(module):
    return Other(*module)


@pytest.mark.parametrize(
    "changed", [with_value, with_buffer, with_dtype, with_shape, renamed, swapped, of_another_class]
)
def test_one_changed_value_type_shape_name_place_or_class_changes_the_sum(changed):
    before = checksum(features())
    assert checksum(changed(features())) != before
