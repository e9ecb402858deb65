import pytest
import torch

from mixgan_lightning.networks import DCGANDiscriminator, MinibatchDiscrimination


def by_the_formula(layer, features):
    """Salimans et al. 2016, Section 3.2, sample by sample; without the sample itself, whose term is always 1."""
    n, width = features.shape
    tensor = layer.projection.view(width, -1, layer.kernel_dim)
    rows = []
    for i in range(n):
        closeness = torch.zeros(tensor.shape[1], dtype=features.dtype)
        for j in range(n):
            if j != i:
                m_i, m_j = (torch.einsum("a,abc->bc", features[k], tensor) for k in (i, j))
                closeness = closeness + torch.exp(-(m_i - m_j).abs().sum(1))
        rows.append(torch.cat([features[i], closeness]))
    return torch.stack(rows)


def test_it_is_the_papers_formula():
    layer = MinibatchDiscrimination(6, kernels=4, kernel_dim=3).double()
    features = 5 * torch.randn(7, 6, dtype=torch.float64)
    assert (layer(features) - by_the_formula(layer, features)).abs().max() < 1e-14


def test_a_batch_of_copies_is_as_close_as_can_be_and_a_spread_one_is_not():
    layer = MinibatchDiscrimination(6, kernels=4)
    copies = layer(torch.randn(1, 6).expand(5, 6))[:, 6:]
    assert torch.allclose(copies, torch.full((5, 4), 4.0))  # exp 0, for each of the four others
    assert layer(1e3 * torch.randn(5, 6))[:, 6:].max() < 1


def test_the_papers_size_is_the_default():
    layer = MinibatchDiscrimination(2)
    assert layer(torch.randn(3, 2)).shape == (3, 102)
    assert layer.kernel_dim == 5


def test_gradients_are_right_and_twice_differentiable():
    """A gradient penalty differentiates them again."""
    layer = MinibatchDiscrimination(3, kernels=2, kernel_dim=2).double()
    features = 3 * torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, features)
    assert torch.autograd.gradgradcheck(layer, features)


@pytest.mark.parametrize("kernels", [0, 5])
def test_a_dcgan_discriminator_has_it_before_its_last_layer(kernels):
    discriminator = DCGANDiscriminator((1, 8, 8), width=3, batch_norm=False, minibatch_kernels=kernels).eval()
    images = torch.randn(4, 1, 8, 8)
    assert discriminator.features(images).shape == (4, 3 * 4 * 4)
    assert discriminator.head.in_features == 3 * 4 * 4 + kernels
    alone = torch.cat([discriminator(image[None]) for image in images])
    assert torch.allclose(alone, discriminator(images), atol=1e-6) == (kernels == 0)  # the batch matters
