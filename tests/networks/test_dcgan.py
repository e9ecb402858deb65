import pytest
import torch
from torch import nn

from mixgan_lightning.errors import ConfigurationError, DataError
from mixgan_lightning.networks import DCGANDiscriminator, DCGANGenerator


@pytest.mark.parametrize("size", [8, 9, 15, 28, 32, 33, 64, 97, 127, 128])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_square_size_is_generated_and_scored(size, channels):
    shape = (channels, size, size)
    images = DCGANGenerator(shape, latent_dim=4, width=2)(torch.randn(3, 4))
    assert images.shape == (3, *shape)
    assert images.abs().max() <= 1
    assert DCGANDiscriminator(shape, width=2)(images).shape == (3,)


def test_channels_at_64_pixels_and_width_128_are_the_papers():
    with torch.device("meta"):
        generator = DCGANGenerator((3, 64, 64), width=128)
        discriminator = DCGANDiscriminator((3, 64, 64), width=128)
    up = [(m.in_channels, m.out_channels) for m in generator.modules() if isinstance(m, nn.ConvTranspose2d)]
    down = [(m.in_channels, m.out_channels) for m in discriminator.modules() if isinstance(m, nn.Conv2d)]
    assert up == [(1024, 512), (512, 256), (256, 128), (128, 3)]
    assert down == [(3, 128), (128, 256), (256, 512), (512, 1024)]
    assert generator.project[0].out_features == 1024 * 4 * 4


def test_parameters_at_64_pixels_and_width_128_are_those_of_the_papers_table():
    """Radford et al. 2016, Figure 1: 100 → 1024×4×4 → 512×8×8 → 256×16×16 → 128×32×32 → 3×64×64, and its mirror."""
    with torch.device("meta"):
        generator = DCGANGenerator((3, 64, 64), width=128)
        discriminator = DCGANDiscriminator((3, 64, 64), width=128)
    inner = 25 * (1024 * 512 + 512 * 256 + 256 * 128) + 2 * (512 + 256)  # 5×5 kernels; BatchNorm's gains and shifts
    of_g = 100 * 1024 * 4 * 4 + 2 * 1024 + inner + 2 * 128 + 25 * 128 * 3 + 3
    of_d = 25 * 3 * 128 + 128 + inner + 2 * 1024 + 1024 * 4 * 4 + 1
    assert sum(p.numel() for p in generator.parameters()) == of_g
    assert sum(p.numel() for p in discriminator.parameters()) == of_d
    sides = []
    for layer in discriminator.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda layer, _, out: sides.append(tuple(out.shape[1:])))
    discriminator(torch.empty(2, 3, 64, 64, device="meta"))
    assert sides == [(128, 32, 32), (256, 16, 16), (512, 8, 8), (1024, 4, 4)]


@pytest.mark.parametrize(("size", "layers"), [(8, 1), (9, 1), (28, 2), (32, 3), (64, 4), (128, 5)])
def test_layers_halve_the_side_until_seven_or_less(size, layers):
    generator = DCGANGenerator((1, size, size), width=1)
    assert sum(isinstance(m, nn.ConvTranspose2d) for m in generator.modules()) == layers


def test_batchnorm_is_everywhere_but_on_the_first_layer_of_d_and_the_last_of_g():
    assert sum(isinstance(m, nn.BatchNorm2d) for m in DCGANGenerator((1, 64, 64), width=1).modules()) == 4
    discriminator = DCGANDiscriminator((1, 64, 64), width=1)
    assert sum(isinstance(m, nn.BatchNorm2d) for m in discriminator.modules()) == 3
    assert not isinstance(discriminator.downsample[1], nn.BatchNorm2d)


def test_without_batchnorm_the_discriminator_judges_each_sample_by_itself():
    discriminator = DCGANDiscriminator((1, 32, 32), width=2, batch_norm=False)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in discriminator.modules())
    assert all(m.bias is not None for m in discriminator.modules() if isinstance(m, nn.Conv2d))
    images = torch.randn(4, 1, 32, 32)
    alone = torch.cat([discriminator(image[None]) for image in images])
    assert torch.allclose(discriminator(images), alone, atol=1e-6)


def test_scores_are_judged_of_the_features():
    discriminator = DCGANDiscriminator((1, 16, 16), width=3, num_classes=2).eval()
    images, labels = torch.randn(5, 1, 16, 16), torch.tensor([0, 1, 0, 1, 1])
    features = discriminator.features(images, labels)
    assert features.shape == (5, 6 * 4 * 4)
    assert torch.equal(discriminator(images, labels), discriminator.judge(features))
    assert torch.equal(discriminator.judge(features), discriminator.head(features).squeeze(1))


def test_names_of_parameters_stay_those_of_earlier_checkpoints():
    names = [f"downsample.{name}" for name in ("0.weight", "0.bias", "2.0.weight", "2.1.weight", "2.1.bias")]
    assert [name for name, _ in DCGANDiscriminator((1, 16, 16), width=1).named_parameters()] == [
        *names,
        "head.weight",
        "head.bias",
    ]


def test_initialisation_is_the_papers():
    torch.manual_seed(0)
    for network in (DCGANGenerator((3, 64, 64)), DCGANDiscriminator((3, 64, 64))):
        gains = torch.cat([m.weight for m in network.modules() if isinstance(m, nn.BatchNorm2d)])
        weights = torch.cat([p.flatten() for p in network.parameters() if p.ndim > 1])
        assert (gains.mean() - 1).abs() < 0.003
        assert (gains.std() - 0.02).abs() < 0.003
        assert weights.mean().abs() < 1e-4
        assert (weights.std() - 0.02).abs() < 1e-4
        assert all(not p.any() for name, p in network.named_parameters() if name.endswith("bias"))


def test_labels_change_what_a_conditional_network_returns():
    torch.manual_seed(0)
    generator = DCGANGenerator((1, 9, 9), 4, width=2, num_classes=3).eval()
    discriminator = DCGANDiscriminator((1, 9, 9), width=2, num_classes=3).eval()
    latents, zeros, ones = torch.randn(5, 4), torch.zeros(5, dtype=torch.long), torch.ones(5, dtype=torch.long)
    assert not torch.equal(generator(latents, zeros), generator(latents, ones))
    images = generator(latents, zeros)
    assert not torch.equal(discriminator(images, zeros), discriminator(images, ones))
    with pytest.raises(DataError, match="none came"):
        generator(latents)


@pytest.mark.parametrize("shape", [(1, 7, 7), (1, 129, 129), (1, 32, 28), (32, 32), (0, 32, 32), (2,)])
def test_shapes_that_cannot_work_are_refused(shape):
    for build in (DCGANGenerator, DCGANDiscriminator):
        with pytest.raises(ConfigurationError, match="8 <= S <= 128"):
            build(shape)
