import pytest
import torch
from torch import nn

from mixgan_lightning import GAN, mix
from mixgan_lightning.errors import GANError
from mixgan_lightning.objectives import (
    BinaryCrossEntropy,
    Hinge,
    LeastSquares,
    Minimax,
    NeuralNetDistance,
    NonSaturating,
    Wasserstein,
)
from mixgan_lightning.scores import adversarial
from mixgan_lightning.theory import average_discriminator

WEIGHTS = torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64)


def mixed(factory, weights=WEIGHTS):
    model = mix(lambda: factory().double(), len(weights))
    model.discriminators.log_probabilities.data = weights.log()
    return model.eval()


def payoffs(model, network, real, fake):
    return float(model.gan.payoff(network(real), network(fake)))


def points(n, seed):
    return 3 * torch.randn(n, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def mixtures_payoff(model, real, fake, weights=WEIGHTS):
    """Σ_j w_j F(u, v_j)."""
    scores = [[adversarial(model.gan.score(d, x, x)) for x in (real, fake)] for d in model.discriminators]
    each = [float(model.gan.payoff(*of_one)) for of_one in scores]
    return sum(w * payoff for w, payoff in zip(weights.tolist(), each, strict=True))


@pytest.mark.parametrize("objective", [Wasserstein, NeuralNetDistance])
@pytest.mark.parametrize("batchnorm", [False, True])
def test_for_a_linear_measuring_function_it_pays_what_the_mixture_pays(objective, batchnorm, toy):
    model = mixed(toy(objective=objective(), batchnorm=batchnorm))
    for seed in range(5):
        real, fake = points(200, seed), points(300, seed + 100) + seed + 1
        expected = mixtures_payoff(model, real, fake)
        assert payoffs(model, average_discriminator(model), real, fake) == pytest.approx(expected, rel=0, abs=1e-12)
        assert abs(expected) > 1e-3


@pytest.mark.parametrize("scale", [1, 1e3])
def test_sure_discriminators_lose_no_digits(scale, toy):
    """σ of their scores is 0 or 1 to the last digit: a logit of the average of those would be infinite."""
    model = mixed(toy(objective=NeuralNetDistance()))
    for discriminator in model.discriminators:
        discriminator[-1].weight.data *= scale
    scores = average_discriminator(model)(points(500, 0))
    assert scores.isfinite().all()
    each = torch.stack([d(points(500, 0)).flatten().sigmoid() for d in model.discriminators], 1)
    assert (scores.sigmoid() - each @ WEIGHTS).abs().max() <= 1e-12


def test_for_the_logarithm_the_average_would_be_paid_more(toy):
    """Why others are refused (Jensen)."""
    model = mixed(toy(objective=NeuralNetDistance()))
    for discriminator in model.discriminators:
        discriminator[-1].weight.data *= 5
    average, real, fake = average_discriminator(model), points(500, 0), points(500, 1)
    of_average = float(Minimax().payoff(average(real), average(fake)))
    each = [float(Minimax().payoff(d(real).flatten(), d(fake).flatten())) for d in model.discriminators]
    assert of_average > float(WEIGHTS @ torch.tensor(each, dtype=torch.float64)) + 0.01


class Curved(Wasserstein):
    """Called Wasserstein, and not linear."""

    def discriminator_loss(self, real, fake):
        return super().discriminator_loss(real.square(), fake)


@pytest.mark.parametrize(
    ("objective", "f"),
    [
        (NonSaturating, "log x"),
        (Minimax, "log x"),
        (BinaryCrossEntropy, "log x"),
        (Hinge, r"min\(0, 2x - 2\)"),
        (LeastSquares, r"-\(1 - x\)\^2 / 2"),
        (Curved, "x"),
    ],
)
def test_other_measuring_functions_are_refused_with_the_reason(objective, f, toy):
    message = rf"exact for f\(x\) = x alone, and {objective.__name__} has f\(x\) = {f}, of which"
    with pytest.raises(GANError, match=message):
        average_discriminator(mix(toy(objective=objective()), 3))


class OwnPayoff(GAN):
    def payoff(self, real, fake):
        return real.mean().square() - fake.mean()


def test_a_payoff_of_ones_own_is_refused(toy):
    with pytest.raises(GANError, match=r"OwnPayoff\.payoff is your own"):
        average_discriminator(mix(toy(OwnPayoff, objective=Wasserstein()), 2))


class TwoLosses(nn.Module):
    def __init__(self):
        super().__init__()
        self.generator, self.discriminator = nn.Linear(3, 2), nn.Linear(2, 1)

    def configure_optimizers(self):
        return [torch.optim.SGD(player.parameters(), 0.1) for player in (self.generator, self.discriminator)]

    def generator_loss(self, batch):
        return -self.discriminator(self.generator(torch.rand(len(batch), 3))).mean()

    def discriminator_loss(self, batch):
        return -self.generator_loss(batch) - self.discriminator(batch).mean()


def test_an_unmodified_gans_losses_are_its_own():
    with pytest.raises(GANError, match="the losses of an unmodified GAN are its own"):
        average_discriminator(mix(TwoLosses, 2))


def test_a_discriminator_without_weight_has_no_say(toy):
    weights = torch.tensor([0.5, 0.0, 0.5], dtype=torch.float64)
    for objective in (Wasserstein(), NeuralNetDistance()):
        model = mixed(toy(objective=objective), weights)
        real, fake = points(100, 0), points(100, 1)
        expected = mixtures_payoff(model, real, fake, weights)
        assert payoffs(model, average_discriminator(model), real, fake) == pytest.approx(expected, rel=0, abs=1e-12)


class TwoHeads(GAN):
    """Scores among other outputs."""

    def score(self, discriminator, images, batch):
        return {"validity": super().score(discriminator, images, batch), "codes": images}


def test_the_adversarial_scores_are_averaged_where_there_are_other_outputs(toy):
    model = mixed(toy(TwoHeads, objective=Wasserstein()))
    real, fake = points(100, 0), points(100, 1)
    expected = mixtures_payoff(model, real, fake)
    assert payoffs(model, average_discriminator(model), real, fake) == pytest.approx(expected, rel=0, abs=1e-12)


def test_labels_are_handed_on(conditional_toy):
    model = mix(conditional_toy(objective=Wasserstein()), 3)
    images, labels = torch.randn(50, 2), torch.arange(50) % 3
    scores = [d(images, labels).flatten() for d in model.discriminators]
    torch.testing.assert_close(average_discriminator(model)(images, labels), sum(scores) / 3)


def test_it_is_a_copy_in_eval_mode(toy):
    model = mix(toy(objective=NeuralNetDistance(), batchnorm=True), 3)
    average, images = average_discriminator(model), torch.randn(20, 2)
    before = average(images)
    assert not average.training
    for parameter in model.discriminators.parameters():
        nn.init.zeros_(parameter)
    assert torch.equal(average(images), before)
    assert average(images).shape == (20,)
