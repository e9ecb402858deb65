"""Penalties of vectorised discriminators, beside those of one discriminator after another."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from mixgan_lightning import GAN, mix
from mixgan_lightning.errors import GANError
from mixgan_lightning.payoff import FullFakes, Pairs, SplitFakes, Way
from mixgan_lightning.payoff.comparison import Comparison
from mixgan_lightning.penalties import R1, GradientPenalty, GradientTerm, Penalty

TOLERANCE = 1e-12
APART, JOINED = Way(vectorised=True), Way(vectorised=True, joined=True)


class TwoHeaded(GAN):
    """Scores first, and something else that no penalty is of."""

    def score(self, discriminator, images, batch):
        return super().score(discriminator, images, batch), images * 100


def played(model, way, fakes, batch, seed=0):
    """The penalty and its gradients; and the state of the random stream after it."""
    model = deepcopy(model)
    pairs = Pairs(model.gan, model.generators, model.discriminators, fakes)
    pairs.evaluate(way)
    torch.manual_seed(seed)
    pairs.discriminator_losses(batch)
    tu, tv = len(model.generators), len(model.discriminators)
    w_u, w_v = (torch.arange(1, n + 1).double() / sum(range(1, n + 1)) for n in (tu, tv))
    found = pairs.penalty(batch, w_u, w_v)
    found.backward()
    gradients = [p.grad for p in model.discriminators.components.parameters()]
    return found.detach(), gradients, list(model.discriminators.buffers()), torch.get_rng_state()


def assert_same(model, way, fakes, batch):
    expected, of_loops, buffers_of_loops, state_of_loops = played(model, Way(), fakes, batch)
    found, gradients, buffers, state = played(model, way, fakes, batch)
    assert expected > 0
    assert abs(found - expected) <= TOLERANCE * max(1, expected)
    assert any(other is not None for other in of_loops)
    for gradient, other in zip(gradients, of_loops, strict=True):
        assert (gradient is None) == (other is None)
        assert gradient is None or (gradient - other).abs().max() <= TOLERANCE * max(1, other.abs().max())
    for buffer, other in zip(buffers, buffers_of_loops, strict=True):
        assert (buffer - other).abs().max() <= TOLERANCE
    assert torch.equal(state, state_of_loops)


@pytest.mark.parametrize("penalty", [R1(0.7), GradientPenalty(3.0)], ids=lambda penalty: type(penalty).__name__)
@pytest.mark.parametrize("fakes", [FullFakes(), SplitFakes()], ids=lambda fakes: fakes.name)
@pytest.mark.parametrize("way", [APART, JOINED], ids=str)
@pytest.mark.parametrize("kind", [GAN, TwoHeaded], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(("tu", "tv"), [(3, 3), (1, 4), (4, 2)])
def test_all_at_once_is_one_by_one(toy, penalty, fakes, way, kind, tu, tv):
    model = mix(toy(kind, penalty=penalty), tu, num_discriminators=tv).double()
    assert_same(model, way, fakes, torch.randn(13, 2, dtype=torch.float64))


@pytest.mark.parametrize("penalty", [R1(0.7), GradientPenalty(3.0)], ids=lambda penalty: type(penalty).__name__)
def test_running_statistics_see_the_same_points(toy, penalty):
    model = mix(toy(batchnorm=True, penalty=penalty), 3).double()
    assert list(model.discriminators.buffers())
    assert_same(model, APART, FullFakes(), torch.randn(13, 2, dtype=torch.float64))


@pytest.mark.parametrize("penalty", [R1(0.7), GradientPenalty(3.0)], ids=lambda penalty: type(penalty).__name__)
@pytest.mark.parametrize("way", [APART, JOINED], ids=str)
@pytest.mark.parametrize("fakes", [FullFakes(), SplitFakes()], ids=lambda fakes: fakes.name)
def test_labels_stand_beside_the_points(conditional_toy, penalty, way, fakes):
    model = mix(conditional_toy(penalty=penalty), 3).double()
    labels = torch.randint(3, (13,))
    assert_same(model, way, fakes, (torch.randn(13, 2, dtype=torch.float64), labels))


class Counting(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network, self.calls = network, []

    def forward(self, images):
        self.calls.append(len(images))
        return self.network(images)


@pytest.mark.parametrize("penalty", [R1(), GradientPenalty()], ids=lambda penalty: type(penalty).__name__)
@pytest.mark.parametrize("way", [Way(), JOINED], ids=str)
def test_how_often_a_discriminator_is_called(toy, penalty, way):
    """R1 is the same against every generator, and one call of the first stands for all that are vectorised."""
    model = mix(toy(penalty=penalty), 3).double()
    for k, discriminator in enumerate(model.discriminators.components):
        model.discriminators.components[k] = Counting(discriminator)
    pairs = Pairs(model.gan, model.generators, model.discriminators, FullFakes())
    pairs.evaluate(way)
    batch, thirds = torch.randn(8, 2, dtype=torch.float64), torch.full((3,), 1 / 3).double()
    pairs.discriminator_losses(batch)
    for discriminator in model.discriminators.components:
        discriminator.calls.clear()
    pairs.penalty(batch, thirds, thirds)
    points = [8] if isinstance(penalty, R1) else [24] if way.joined else [8, 8, 8]
    expected = [points, [], []] if way.vectorised else [points] * 3
    assert [discriminator.calls for discriminator in model.discriminators.components] == expected


class OfRealScores(Penalty):
    of_fakes = False

    def loss(self, score, real, fake):
        return score(real).square().mean()


class HalvedR1(R1):
    def loss(self, score, real, fake):
        return super().loss(score, real, fake) / 2


class OwnMethod(GAN):
    def penalty(self, discriminator, real, fake):
        return discriminator(fake).square().mean()


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (GAN, {"penalty": OfRealScores()}),
        (GAN, {"penalty": HalvedR1()}),
        (OwnMethod, {}),
        (OwnMethod, {"penalty": R1()}),
    ],
    ids=["an own term", "an own loss of gradients", "an own method", "an own method that goes before a term"],
)
def test_what_is_not_of_gradients_alone_is_asked_of_one_after_another(toy, kind, options):
    model = mix(toy(kind, **options), 3).double()
    assert_same(model, JOINED, FullFakes(), torch.randn(13, 2, dtype=torch.float64))


class GivesNone(GAN):
    def penalty(self, discriminator, real, fake):
        return None


def test_a_method_that_gives_none_adds_nothing(toy):
    model = mix(toy(GivesNone), 3).double()
    pairs = Pairs(model.gan, model.generators, model.discriminators, FullFakes())
    batch, thirds = torch.randn(8, 2, dtype=torch.float64), torch.full((3,), 1 / 3).double()
    assert pairs.penalty(batch, thirds, thirds) == 0


class OfEachSample(GAN):
    def penalty(self, discriminator, real, fake):
        return discriminator(real).square()


def test_a_penalty_is_one_number(toy):
    model = mix(toy(OfEachSample), 3)
    pairs = Pairs(model.gan, model.generators, model.discriminators, FullFakes())
    with pytest.raises(GANError, match=r"penalty: expected a scalar tensor, got shape \(8,\); take the mean"):
        pairs.penalty(torch.randn(8, 2), torch.full((3,), 1 / 3), torch.full((3,), 1 / 3))


class OverAll(GradientTerm):
    """A mean over everything, where it should be over the samples: wrong of more than one discriminator."""

    def points(self, real, fake):
        return real

    def of_gradients(self, gradients):
        return gradients.square().sum(-1).mean().expand(gradients.shape[:-2])


def test_a_term_that_mixes_discriminators_is_found_before_training(toy):
    model = mix(toy(penalty=OverAll()), 3)
    pairs = Pairs(model.gan, model.generators, model.discriminators, FullFakes())
    comparison = Comparison(pairs, torch.randn(16, 2))
    assert comparison.why_not(Way(joined=True)) is None
    assert comparison.why_not(JOINED).startswith("penalty would differ")
