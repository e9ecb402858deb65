import math

import pytest
import torch
from torch import nn

from mixgan_lightning import GAN, mix
from mixgan_lightning.errors import ConfigurationError, GANError, SamplingError
from mixgan_lightning.gan import Conditions
from mixgan_lightning.theory import FoldedGenerator, duality_gap, fold
from mixgan_lightning.theory.fold import thresholds_of

WEIGHTS = [0.5, 0.3, 0.15, 0.05]
N = 100_000


def weighted(model, weights):
    model.generators.log_probabilities.data = torch.tensor(
        weights, dtype=model.generators.log_probabilities.dtype
    ).log()
    return model


@pytest.fixture
def model(toy):
    """Four generators of points in the plane, of unequal weights."""
    return weighted(mix(toy(batchnorm=True), 4), WEIGHTS)


def frequencies(network, h0):
    """How often each component is chosen alone, and how often none is."""
    alone = network.select(h0) == 1
    return alone.double().mean(0), float((~alone.any(1)).double().mean())


def sd(p):
    return math.sqrt(p * (1 - p) / N)


@pytest.mark.parametrize("delta", [0, 1e-3, 0.1])
def test_components_are_chosen_by_their_weights_up_to_the_wrong_mass(model, delta):
    network = fold(model, delta)
    found, wrong = frequencies(network, torch.randn(N))
    assert wrong <= network.wrong_mass + 4 * sd(network.wrong_mass)
    assert wrong >= network.wrong_mass * 0.9 - 4 * sd(network.wrong_mass)  # the bound is no looser than that
    for chosen, w in zip(found.tolist(), WEIGHTS, strict=True):
        assert w - network.wrong_mass - 4 * sd(w) < chosen < w + 4 * sd(w)


def test_the_wrong_mass_bounds_the_bands_beyond_one_sd_too():
    """Where φ is convex its value at the threshold is not the largest mean over a band: δ φ(z) would be too small."""
    z, delta = 2.5, 1.0
    network = FoldedGenerator(
        [nn.Identity()] * 2,
        torch.tensor([1 - 0.5 * math.erfc(z / math.sqrt(2)), 0.5 * math.erfc(z / math.sqrt(2))]),
        delta,
    )
    below = [0.5 * math.erfc((z + side) / math.sqrt(2)) for side in (-delta / 2, delta / 2)]
    mass = below[0] - below[1]
    assert delta * math.exp(-z * z / 2) / math.sqrt(2 * math.pi) < mass < network.wrong_mass


def test_outside_the_bands_the_output_is_the_chosen_components_own(model):
    network, h0, latents = fold(model), torch.randn(2_000), torch.randn(2_000, 3)
    chosen = network.select(h0)
    sure = (chosen == 1).any(1)
    assert 1_950 < sure.sum() < 2_000 or sure.all()
    found = network(h0, latents)
    for i, generator in enumerate(network.components):
        rows = chosen[:, i] == 1
        assert rows.any()
        assert torch.equal(found[rows], generator(latents)[rows])


def test_in_a_band_neighbours_blend_in_proportion(model):
    network, latents = fold(model, delta=0.2), torch.randn(1, 3)
    z = network.thresholds[1]
    blended = network(z[None] + 0.05, latents)
    below, above = (network.components[i](latents) for i in (1, 2))
    torch.testing.assert_close(blended, 0.25 * below + 0.75 * above)


def test_samples_are_the_mixtures_own(model):
    """Of the same latents and components as ``model.sample``'s machinery is given."""
    network, h0, latents = fold(model, delta=0), torch.randn(500), torch.randn(500, 3)
    components = (h0[:, None] > network.thresholds).sum(1)
    expected = model.eval().sampler.generate(latents, None, components)
    torch.testing.assert_close(network(h0, latents), expected, rtol=0, atol=1e-6)


def test_selections_sum_to_one_even_where_bands_overlap():
    weights = torch.tensor([0.3, 1e-4, 1e-4, 0.6998])
    network = FoldedGenerator([nn.Identity()] * 4, weights, delta=0.5)
    chosen = network.select(torch.randn(N))
    assert (chosen >= 0).all()
    torch.testing.assert_close(chosen.sum(1), torch.ones(N))


@pytest.mark.parametrize("weights", [[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0], [0, 1.0, 0], [1.0, 0, 0]])
@pytest.mark.parametrize("delta", [0, 1e-3])
def test_a_component_without_weight_is_never_part_of_a_sample_even_where_it_gives_nan(weights, delta, toy):
    model = weighted(mix(toy(), 3), weights)
    for w, generator in zip(weights, model.generators, strict=True):
        if not w:
            nn.init.constant_(generator[-1].bias, math.nan)
    network = fold(model, delta)
    found, _ = frequencies(network, torch.randn(N))
    assert all((f == 0) == (w == 0) for f, w in zip(found.tolist(), weights, strict=True))
    assert network(torch.randn(1_000), torch.randn(1_000, 3)).isfinite().all()
    assert math.isfinite(network.wrong_mass)


def test_one_generator_is_itself(toy):
    model, latents = mix(toy(), 1), torch.randn(50, 3)
    network = fold(model)
    assert network.wrong_mass == 0
    assert torch.equal(network(torch.randn(50), latents), model.component(0)(latents))


def test_thresholds_are_quantiles_summed_from_the_nearer_end():
    z = thresholds_of(torch.tensor([1e-12, 0.5 - 1e-12, 0.5 - 1e-20, 1e-20], dtype=torch.float64))
    assert z.tolist() == pytest.approx([-7.0345, 0, 9.2623], abs=1e-3)


def test_the_step_is_exact_in_float32_where_the_papers_difference_of_relus_rounds_away():
    delta, h = 1e-6, torch.randn(1_000) + 2
    h = h[h.abs() > delta]
    network = FoldedGenerator([nn.Identity()] * 2, torch.tensor([0.5, 0.5]), delta)
    assert torch.equal(network.select(h)[:, 1], (h > 0).float())
    papers = ((h + delta / 2) / delta).relu() - ((h - delta / 2) / delta).relu()  # with its sign put right
    assert (papers - (h > 0).float()).abs().max() > 0.1


def test_labels_are_handed_on(conditional_toy):
    network = fold(mix(conditional_toy(), 3))
    labels = torch.arange(3).repeat(100)
    assert torch.equal(network(torch.randn(300), torch.randn(300, 3), labels)[:, 0].round(), labels.float())


class Shifted(GAN):
    """Generates in a way of its own, with a network beside the two."""

    def __init__(self, generator, discriminator, **options):
        super().__init__(generator, discriminator, **options)
        self.shift = nn.Linear(2, 2).requires_grad_(False)

    def generate(self, generator, latents, batch):
        return self.shift(super().generate(generator, latents, batch)) + 100


def test_a_gans_own_way_of_generating_is_followed(toy):
    model, h0, latents = mix(toy(Shifted), 3), torch.randn(20), torch.randn(20, 3)
    network = fold(model, delta=0)
    components = (h0[:, None] > network.thresholds).sum(1)
    torch.testing.assert_close(network(h0, latents), model.sampler.generate(latents, None, components))
    assert network(h0, latents).min() > 50


def test_float64_stays_float64(toy):
    model = mix(lambda: toy()().double(), 3)
    network = fold(model)
    found = network(torch.randn(9, dtype=torch.float64), torch.randn(9, 3, dtype=torch.float64))
    assert found.dtype == network.thresholds.dtype == torch.float64


def test_training_goes_on_without_it_and_it_is_in_eval_mode(model):
    network, h0, latents = fold(model), torch.randn(20), torch.randn(20, 3)
    before = network(h0, latents)
    assert not network.training
    for parameter in model.generators.parameters():
        nn.init.zeros_(parameter)
    assert torch.equal(network(h0, latents), before)


def test_it_can_be_traced_and_exported_for_any_number_of_rows(model):
    network, rows = fold(model, delta=0.1).requires_grad_(False), torch.export.Dim("rows")
    example, others = (torch.randn(3), torch.randn(3, 3)), (torch.randn(50), torch.randn(50, 3))
    program = torch.export.export(network, example, dynamic_shapes=({0: rows}, {0: rows}))
    torch.testing.assert_close(program.module()(*others), network(*others))
    traced = torch.jit.trace(network, example, check_trace=False)
    assert torch.equal(traced(*others), network(*others))


def test_a_choice_that_is_no_number_makes_a_sample_that_is_none(model):
    latents = torch.randn(2, model.gan.latent_dim)
    assert fold(model)(torch.tensor([math.nan, 0.3]), latents).isnan().any(1).tolist() == [True, False]


def test_one_gan_is_no_mixture(toy):
    with pytest.raises(GANError, match=r"fold: expected a mixture, such as mix\(make_gan, size=1\), got GAN"):
        fold(toy()())
    with pytest.raises(GANError, match="expected a mixture, got one GAN"):
        duality_gap(toy()(), torch.randn(8, 2))


def test_no_mass_is_more_than_all(model):
    assert fold(model, delta=10.0).wrong_mass == 1


def test_a_number_for_each_latent_is_wanted(model):
    network = fold(model)
    with pytest.raises(ConfigurationError, match="h0: expected a number for each of 5 latents, got 1"):
        network(torch.randn(1), torch.randn(5, model.gan.latent_dim))


def test_what_it_is_says_how_wrong_it_may_be(model):
    assert "delta=0.001, wrong_mass<=0.00" in repr(fold(model))


@pytest.mark.parametrize("delta", [-1, math.nan, math.inf, "wide"])
def test_a_width_that_is_none_is_refused(delta, model):
    with pytest.raises(ConfigurationError, match="delta: expected a number of at least 0"):
        fold(model, delta)


# ---------------------------------------------------------------------------------------- unmodified GANs


class TwoPlayers(nn.Module):
    """A GAN with loss methods; one network makes the samples."""

    def __init__(self):
        super().__init__()
        self.generator, self.discriminator = nn.Linear(3, 2), nn.Linear(2, 1)

    def configure_optimizers(self):
        return [torch.optim.SGD(player.parameters(), 0.1) for player in (self.generator, self.discriminator)]

    def sample(self, n):
        return self.generator(torch.rand(n, 3))

    def generator_loss(self, batch):
        return -self.discriminator(self.sample(len(batch))).mean()

    def discriminator_loss(self, batch):
        return self.discriminator(self.sample(len(batch))).mean() - self.discriminator(batch).mean()


class TwoNetworks(TwoPlayers):
    """A mapping network makes what its generator is fed with."""

    def __init__(self):
        super().__init__()
        self.mapping = nn.Linear(4, 3)

    def configure_optimizers(self):
        of_generator = [*self.generator.parameters(), *self.mapping.parameters()]
        return [torch.optim.SGD(of_generator, 0.1), torch.optim.SGD(self.discriminator.parameters(), 0.1)]

    def sample(self, n):
        return self.generator(self.mapping(torch.rand(n, 4)))


class DrawsItself(TwoPlayers):
    """Its generator draws the noise itself."""

    class Generator(nn.Linear):
        def forward(self, n):
            return super().forward(torch.rand(n, 3))

    def __init__(self):
        super().__init__()
        self.generator = self.Generator(3, 2)

    def sample(self, n):
        return self.generator(n)


def test_an_unmodified_gans_generator_is_folded(fit):
    model = mix(TwoPlayers, 3)
    fit(model, torch.randn(64, 2))
    network = fold(model, delta=0)
    latents = model.gan.latents(40, Conditions(None, None))
    h0 = torch.randn(40)
    components = (h0[:, None] > network.thresholds).sum(1)
    expected = model.sampler.generate(latents, None, components)
    torch.testing.assert_close(network(h0, latents), expected)
    torch.testing.assert_close(network(h0, latents.args[0]), expected)


@pytest.mark.parametrize("kind", [TwoNetworks, DrawsItself])
def test_samples_that_are_no_function_of_latents_are_refused(kind, fit):
    model = mix(kind, 2)
    fit(model, torch.randn(64, 2))
    with pytest.raises(SamplingError, match="are no function of latents that one network is given"):
        fold(model)


def test_an_unmodified_gan_that_has_seen_no_batch_is_refused():
    with pytest.raises(SamplingError, match="before it has seen a batch"):
        fold(mix(TwoPlayers, 2))
