"""Estimates of the pair losses from fewer pairs of sample and discriminator: unbiased, and what they go with."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from mixgan_lightning import GAN, MixGANModule, mix
from mixgan_lightning.errors import ConfigurationError, DataError
from mixgan_lightning.objectives import LeastSquares, NonSaturating, Wasserstein
from mixgan_lightning.payoff import Way, expectation

LATENT_DIM, BATCH, DRAWS = 3, 26, 800
OBJECTIVES = [NonSaturating(), Wasserstein(), LeastSquares()]
WAYS = [
    Way(),
    Way(joined=True),
    Way(vectorised=True, joined=True),
    Way(vectorised=True, joined=True, filled=True),
    Way(vectorised=True),
    Way(recompute=True),
]


def networks():
    return nn.Sequential(nn.Linear(LATENT_DIM, 4), nn.Tanh(), nn.Linear(4, 2)), nn.Sequential(
        nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1)
    )


def game(size=(3, 4), objective=None, **options):
    make = lambda: GAN(*networks(), objective=objective, latent_dim=LATENT_DIM)  # noqa: E731
    model = mix(make, size[0], num_discriminators=size[1], **options).double()
    with torch.no_grad():
        model.generators.log_probabilities.copy_(torch.randn(size[0]))
        model.discriminators.log_probabilities.copy_(torch.randn(size[1]))
    model.pairs.evaluate(Way(vectorised=True, joined=True))
    return model


def gradient(model, losses, batch, of):
    """The gradient of w_uᵀ L w_v for a player, its weights' among it, as one vector."""
    of.zero_grad()
    expectation(model.generators.weights, losses(batch), model.discriminators.weights).backward()
    return torch.cat([p.grad.flatten() for p in of.parameters()])


def means(model, losses, batches, of):
    """The mean of the gradients over draws of latents and batches, and its standard error."""
    found = torch.stack([gradient(model, losses, batch, of) for batch in batches])
    return found.mean(0), found.std(0) / len(found) ** 0.5


def twin(model, **options):
    """Another game of the same networks."""
    other = game((len(model.generators), len(model.discriminators)), model.gan.objective, **options)
    other.load_state_dict(model.state_dict())
    return other


def assert_unbiased(estimated, exact, player):
    points = torch.randn(DRAWS, BATCH, 2, dtype=torch.float64)
    mean, error = means(estimated, getattr(estimated, f"{player}_losses"), points, getattr(estimated, f"{player}s"))
    other, its = means(exact, getattr(exact, f"{player}_losses"), points.flip(0), getattr(exact, f"{player}s"))
    gap = (mean - other).abs() / (error.square() + its.square()).sqrt().clamp(min=1e-15)
    assert gap.max() < 5  # of some 60 numbers: a chance of 1 in 30,000
    assert gap.mean() < 1.3  # 0.8 is expected
    return (error / its).square().mean()


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: type(o).__name__)
def test_one_judge_a_fake_is_unbiased(objective):
    exact = game(objective=objective, fakes="full")
    assert_unbiased(twin(exact, fakes="full", judges="one"), exact, "generator")


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: type(o).__name__)
@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_parts_proportional_to_the_weights_are_unbiased(objective, player):
    exact = game(objective=objective, fakes="full")
    assert_unbiased(twin(exact, fakes="proportional"), exact, player)


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_equal_parts_are_unbiased(player):
    exact = game(fakes="full")
    assert_unbiased(twin(exact, fakes="split"), exact, player)


def test_a_biased_estimate_would_be_seen():
    """Parts in place of means: the generators' weights would be counted twice."""
    exact = game(fakes="full")
    biased = twin(exact, fakes="proportional")
    weights = biased.generators.weights.detach()
    original = biased.pairs.generator_losses
    biased.pairs.generator_losses = lambda batch: original(batch) * (3 * weights)[:, None]
    with pytest.raises(AssertionError):
        assert_unbiased(biased, exact, "generator")


def test_parts_proportional_to_the_weights_have_less_variance_where_these_differ():
    exact = game(fakes="full")
    with torch.no_grad():
        exact.generators.log_probabilities.copy_(torch.tensor([2.0, 0.0, -2.0]))
    points = torch.randn(1000, BATCH, 2, dtype=torch.float64)
    errors = {}
    for fakes in ("split", "proportional"):
        model = twin(exact, fakes=fakes)
        errors[fakes] = means(model, model.discriminator_losses, points, model.discriminators)[1].square().mean()
    assert errors["proportional"] < 0.9 * errors["split"]


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("size", [(3, 4), (2, 3), (1, 2)], ids="{0[0]}x{0[1]}".format)
def test_each_discriminator_judges_an_equal_part_of_every_generators_batch(way, size):
    model = game(size, fakes="full", judges="one")
    model.pairs.evaluate(way)
    torch.manual_seed(1)
    found = model.generator_losses(torch.randn(BATCH, 2, dtype=torch.float64))
    torch.manual_seed(1)
    torch.randn(BATCH, 2, dtype=torch.float64)
    latents = model.gan.latents(BATCH, None)
    for i, generator in enumerate(model.generators):
        parts = generator(latents).tensor_split(size[1])
        for j, (discriminator, part) in enumerate(zip(model.discriminators, parts, strict=True)):
            assert abs((found[i, j] - nn.functional.softplus(-discriminator(part)).mean()).detach()) <= 1e-12


def test_labels_stand_beside_the_part_that_is_judged(conditional_toy):
    model = mix(conditional_toy(), 2, num_discriminators=3, fakes="full", judges="one").double()
    batch = torch.randn(13, 2, dtype=torch.float64), torch.arange(13) % 3
    losses = []
    for way in WAYS:
        copy = deepcopy(model)
        copy.pairs.evaluate(way)
        torch.manual_seed(1)
        losses.append(copy.generator_losses(batch))
    torch.manual_seed(1)
    latents = model.gan.latents(13, batch)
    for i, generator in enumerate(model.generators):
        fakes = generator(latents, batch[1])
        for j, rows in enumerate(torch.arange(13).tensor_split(3)):
            scores = model.discriminators.components[j](fakes[rows], batch[1][rows])
            for found in losses:
                assert abs((found[i, j] - nn.functional.softplus(-scores).mean()).detach()) <= 1e-12


def test_a_training_with_one_judge_a_fake_moves_both_players(fit):
    model = game(fakes="full", judges="one")
    before = deepcopy(model.state_dict())
    fit(model, torch.randn(52, 2, dtype=torch.float64), batch_size=BATCH)
    assert all(not torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_a_batch_too_small_to_be_judged_in_parts_is_told(fit):
    model = game(fakes="full", judges="one")
    with pytest.raises(DataError, match=r"batch of 7 is too small .* by 4 discriminators .*>= 8, or judges='all'"):
        model.generator_losses(torch.randn(7, 2, dtype=torch.float64))
    with pytest.raises(DataError, match="last batch of an epoch would hold 3 samples"):
        fit(model, torch.randn(29, 2, dtype=torch.float64), batch_size=BATCH)


class OwnRule(GAN):
    def generator_objective(self, fake, real, latents, batch):
        return -fake.max()


@pytest.mark.parametrize(
    ("make", "options", "why"),
    [
        (lambda: GAN(*networks()), {"judges": "some"}, "expected one of all, one, got 'some'"),
        (lambda: GAN(*networks()), {"judges": "one"}, "goes with fakes='full'"),
        (lambda: OwnRule(*networks()), {"judges": "one", "fakes": "full"}, "leaves generator_objective to"),
    ],
    ids=["unknown", "split", "own rule"],
)
def test_what_one_judge_does_not_go_with_is_told(make, options, why):
    with pytest.raises(ConfigurationError, match=f"judges.*{why}"):
        mix(make, 2, **options)


def test_losses_of_ones_own_say_themselves_who_judges():
    class Own(MixGANModule):
        def generator_losses(self, batch):
            return super().generator_losses(batch)

    with pytest.raises(ConfigurationError, match="judges='one': Own plays losses of its own; leave judges out"):
        Own(lambda: GAN(*networks()), 2, fakes="full", judges="one")
    with pytest.raises(ConfigurationError, match="fakes='proportional' shares batches"):
        Own(lambda: GAN(*networks()), 2, fakes="proportional")
