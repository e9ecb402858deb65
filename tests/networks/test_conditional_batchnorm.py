import torch
from torch import nn

from mixgan_lightning.networks.conditional_batchnorm import ConditionalBatchNorm2d, batch_norm


def test_each_sample_has_its_classes_gain_and_shift_and_the_batchs_statistics():
    layer = ConditionalBatchNorm2d(2, num_classes=3).double()
    nn.init.normal_(layer.gains)
    nn.init.normal_(layer.shifts)
    activations, labels = torch.randn(6, 2, 4, 4, dtype=torch.float64) * 3 + 1, torch.tensor([0, 1, 2, 1, 1, 0])
    found = layer(activations, torch.eye(3, dtype=torch.float64)[labels])
    for c in range(2):
        values = activations[:, c]
        normalised = (values - values.mean()) / (values.var(unbiased=False) + 1e-5).sqrt()
        for n, label in enumerate(labels):
            expected = layer.gains[label, c] * normalised[n] + layer.shifts[label, c]
            assert (found[n, c] - expected).abs().max() < 1e-12


def test_it_starts_as_the_ordinary_one_whatever_the_label():
    activations, rows = torch.randn(5, 2, 3, 3), torch.eye(4)[torch.tensor([0, 1, 2, 3, 0])]
    assert torch.allclose(ConditionalBatchNorm2d(2, 4)(activations, rows), nn.BatchNorm2d(2)(activations))


def test_without_classes_it_is_the_ordinary_one():
    activations = torch.randn(5, 2, 3, 3)
    layer = batch_norm(2, None)
    assert torch.equal(layer(activations, torch.empty(5, 0)), nn.BatchNorm2d(2)(activations))
    assert layer.state_dict().keys() == nn.BatchNorm2d(2).state_dict().keys()


def test_evaluation_goes_by_the_running_statistics():
    layer, rows = ConditionalBatchNorm2d(2, 2), torch.eye(2)[torch.tensor([0, 1])]
    for _ in range(200):
        layer(torch.randn(2, 2, 8, 8) * 3 + 5, rows)
    one = layer.eval()(torch.full((1, 2, 8, 8), 5.0), rows[:1])
    assert one.abs().max() < 0.2  # the running mean is 5
