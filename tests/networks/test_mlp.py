import pytest
import torch

from mixgan_lightning.errors import ConfigurationError, DataError
from mixgan_lightning.networks import MLPDiscriminator, MLPGenerator


@pytest.mark.parametrize("shape", [(2,), (1, 8, 8), (3, 5, 7)])
def test_samples_have_the_sample_shape_and_scores_are_one_a_sample(shape):
    samples = MLPGenerator(shape, latent_dim=3)(torch.randn(5, 3))
    assert samples.shape == (5, *shape)
    assert MLPDiscriminator(shape)(samples).shape == (5,)


@pytest.mark.parametrize("bounded", [True, False])
def test_only_bounded_samples_stay_within_one(bounded):
    torch.manual_seed(0)
    samples = MLPGenerator((2,), latent_dim=3, bounded=bounded)(1e3 * torch.randn(50, 3))
    assert bool((samples.abs() <= 1).all()) == bounded


def test_scores_are_raw_and_no_probabilities():
    torch.manual_seed(0)
    scores = MLPDiscriminator((2,))(1e3 * torch.randn(50, 2))
    assert scores.abs().max() > 1


def test_hidden_gives_the_widths_of_the_layers():
    generator = MLPGenerator((2,), latent_dim=3, hidden=(5, 7))
    assert [tuple(p.shape) for p in generator.parameters() if p.ndim == 2] == [(5, 3), (7, 5), (2, 7)]


def test_labels_change_what_a_conditional_network_returns():
    torch.manual_seed(0)
    generator, discriminator = MLPGenerator((2,), 3, num_classes=4), MLPDiscriminator((2,), num_classes=4)
    latents, ones, twos = torch.randn(5, 3), torch.full((5,), 1), torch.full((5,), 2)
    assert not torch.equal(generator(latents, ones), generator(latents, twos))
    samples = generator(latents, ones)
    assert not torch.equal(discriminator(samples, ones), discriminator(samples, twos))


@pytest.mark.parametrize(
    ("num_classes", "labels", "message"),
    [
        (4, None, "none came"),
        (None, torch.zeros(5, dtype=torch.long), "unconditional"),
        (4, torch.zeros(3, dtype=torch.long), r"\(5,\), got \(3,\)"),
        (4, torch.full((5,), 4), r"\[0, 4\), got \[4, 4\]"),
    ],
)
def test_labels_that_do_not_fit_are_refused(num_classes, labels, message):
    with pytest.raises(DataError, match=message):
        MLPGenerator((2,), 3, num_classes=num_classes)(torch.randn(5, 3), labels)
    with pytest.raises(DataError, match=message):
        MLPDiscriminator((2,), num_classes=num_classes)(torch.randn(5, 2), labels)


@pytest.mark.parametrize("build", [lambda: MLPGenerator(()), lambda: MLPDiscriminator((2,), hidden=(64, 0))])
def test_empty_shapes_and_widths_are_refused(build):
    with pytest.raises(ConfigurationError):
        build()


def test_conditional_networks_can_be_vectorised_over_components():
    generators = [MLPGenerator((2,), 3, num_classes=4) for _ in range(3)]
    stacked, _ = torch.func.stack_module_state(generators)
    latents, labels = torch.randn(5, 3), torch.randint(4, (5,))
    samples = torch.func.vmap(lambda weights: torch.func.functional_call(generators[0], weights, (latents, labels)))(
        stacked
    )
    for i, generator in enumerate(generators):
        torch.testing.assert_close(samples[i], generator(latents, labels))
