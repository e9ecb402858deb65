"""The blocks against their sources' formulas (gan_cifar_resnet.py of WGAN-GP; resblocks.py of SNGAN), written out."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d

from mixgan_lightning.networks.residual import DownBlock, UpBlock, convolution, linear

NO_LABELS = torch.empty(5, 0, dtype=torch.float64)


def as_it_is(layer):
    return layer


def conv(layer, x):
    return conv2d(x, layer.weight, layer.bias, padding=layer.weight.shape[-1] // 2)


def pooled(x):
    return (x[:, :, ::2, ::2] + x[:, :, 1::2, ::2] + x[:, :, ::2, 1::2] + x[:, :, 1::2, 1::2]) / 4


def doubled(x):
    return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def normalised(x):
    mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), unbiased=False, keepdim=True)
    return (x - mean) / (variance + 1e-5).sqrt()


def equal(a, b):
    return a.shape == b.shape and (a - b).abs().max() < 1e-12


@pytest.fixture
def activations():
    return torch.randn(5, 3, 8, 8, dtype=torch.float64)


def test_a_generators_block_doubles_the_side(activations):
    block = UpBlock(3, 4).double()
    found = conv(block.conv1, doubled(normalised(activations).relu()))
    found = conv(block.conv2, normalised(found).relu())
    assert equal(block(activations, NO_LABELS), found + conv(block.shortcut, doubled(activations)))


def test_a_conditional_one_takes_labels_into_both_norms(activations):
    block, rows = UpBlock(3, 4, num_classes=2).double(), torch.eye(2, dtype=torch.float64)[[0, 1, 1, 0, 1]]
    plain = block(activations, rows)
    for norm in (block.norm1, block.norm2):
        with torch.no_grad():
            norm.shifts[1] += 1  # of the second class
        moved = (block(activations, rows) - plain).abs().amax((1, 2, 3))
        assert moved[[1, 2, 4]].min() > 1e-3
        plain = block(activations, rows)


def test_a_discriminators_block_halves_the_side(activations):
    block = DownBlock(3, 4, as_it_is).double()
    found = pooled(conv(block.conv2, conv(block.conv1, activations.relu()).relu()))
    assert equal(block(activations), found + pooled(conv(block.shortcut, activations)))


def test_the_block_that_sees_the_image_begins_without_relu_and_pools_before_the_shortcut(activations):
    block = DownBlock(3, 4, as_it_is, first=True).double()
    found = pooled(conv(block.conv2, conv(block.conv1, activations).relu()))
    assert equal(block(activations), found + conv(block.shortcut, pooled(activations)))


def test_a_block_of_the_same_side_and_width_has_the_identity_beside(activations):
    block = DownBlock(3, 3, as_it_is, halves=False).double()
    assert equal(block(activations), conv(block.conv2, conv(block.conv1, activations.relu()).relu()) + activations)
    assert len(list(block.parameters())) == 4
    wider = DownBlock(3, 4, as_it_is, halves=False)
    assert wider.shortcut.weight.shape == (4, 3, 1, 1)


def test_every_convolution_of_a_discriminator_is_wrapped():
    wrapped = []

    def wrap(layer):
        wrapped.append(layer)
        return layer

    block = DownBlock(3, 4, wrap)
    assert set(wrapped) == {m for m in block.modules() if isinstance(m, nn.Conv2d)}


@pytest.mark.parametrize(
    ("layer", "variance"),
    [
        (lambda: convolution(64, 32), 4 / (9 * 64 + 9 * 32)),  # He's, as Glorot & Bengio's law times √2
        (lambda: convolution(256, 128, size=1, gain=1), 2 / (256 + 128)),
        (lambda: linear(128, 256), 2 / (128 + 256)),
    ],
    ids=["residual", "shortcut", "linear"],
)
def test_initialisation_is_the_sources(layer, variance):
    built = layer()
    weights, bound = built.weight.detach(), math.sqrt(3 * variance)
    assert 0.99 * bound < weights.abs().max() <= bound
    assert weights.var() == pytest.approx(variance, rel=0.03)
    assert not built.bias.any()
