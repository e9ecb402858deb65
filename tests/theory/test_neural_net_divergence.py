import random
from functools import partial
from math import erf, log, sqrt

import numpy as np
import pytest
import torch
from torch import nn

from mixgan_lightning.data import GaussiansRing
from mixgan_lightning.errors import ConfigurationError, DataError, GANError
from mixgan_lightning.networks import DCGANDiscriminator, MLPDiscriminator, MLPGenerator
from mixgan_lightning.objectives import (
    BinaryCrossEntropy,
    Hinge,
    LeastSquares,
    Minimax,
    NeuralNetDistance,
    Wasserstein,
)
from mixgan_lightning.penalties import GradientPenalty, Penalty, WeightClipping
from mixgan_lightning.theory import neural_net_divergence

MANY = 20_000  # samples: half of them measure, and a mean of numbers in [0, 1] is then known to about .005
SHORT = {"steps": 300, "batch_size": 128}
of_points = partial(MLPDiscriminator, (1,))
SEEDS = (0, 1, 2)


def gaussians(delta, n=MANY, d=1, seed=0):
    """n samples of N(0, I) and n of N(δ, I) in d dimensions."""
    stream = torch.Generator().manual_seed(1_000 + seed)
    return torch.randn(n, d, generator=stream), torch.randn(n, d, generator=stream) + delta


def best_payoff(f, delta):
    """∫ max_D p f(D) + q f(1 − D) at D = p/(p + q), by sums over a fine grid; for f = x the sign of p − q."""
    x = np.linspace(-12, 14, 200_001)
    p, q = (np.exp(-((x - mean) ** 2) / 2) / np.sqrt(2 * np.pi) for mean in (0, delta))
    d = p / (p + q)
    integrand = {
        "x": np.maximum(p, q),
        "log": p * np.log(d) + q * np.log(1 - d),
        "square": -(p * (1 - d) ** 2 + q * d**2) / 2,
    }[f]
    return float(integrand.sum() * (x[1] - x[0]))


# ---------------------------------------------------------------------------------------- closed forms


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("delta", "variation"), [(0.0, 0.0), (1.0, 0.3829), (2.0, 0.6827)])
def test_for_f_x_it_is_the_total_variation_distance_of_two_gaussians(delta, variation, seed):
    assert erf(delta / sqrt(8)) == pytest.approx(variation, abs=1e-4)
    assert best_payoff("x", delta) - 1 == pytest.approx(variation, abs=1e-4)
    found = neural_net_divergence(*gaussians(delta, seed=seed), of_points, seed=seed, **SHORT)
    assert found.held_out == pytest.approx(variation, abs=0.02)
    assert found.train == pytest.approx(variation, abs=0.02)
    assert (found.undecided, found.steps) == (0, 300)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("delta", "supremum"), [(0.0, -1.386), (1.0, -1.164), (2.0, -0.714)])
def test_for_f_log_it_is_twice_the_jensen_shannon_divergence(delta, supremum, seed):
    assert supremum == pytest.approx(best_payoff("log", delta), abs=5e-3)
    found = neural_net_divergence(*gaussians(delta, seed=seed), of_points, Minimax(), seed=seed, **SHORT)
    assert found.undecided == pytest.approx(-2 * log(2))
    assert found.held_out + found.undecided == pytest.approx(supremum, abs=0.025)
    assert 0.025 < 1.386 - 1.164  # so that no value stands for another


def test_for_least_squares_it_is_the_integral_too():
    found = neural_net_divergence(*gaussians(2.0), of_points, LeastSquares(), **SHORT)
    assert found.undecided == -0.25
    assert found.held_out + found.undecided == pytest.approx(best_payoff("square", 2.0), abs=0.01)


def test_for_the_hinge_it_is_twice_the_total_variation_distance():
    """max_D p min(0, 2D − 2) + q min(0, −2D) = −2 min(p, q), and 2 f(½) = −2."""
    found = neural_net_divergence(*gaussians(2.0), of_points, Hinge(), **SHORT)
    assert found.undecided == -2
    assert found.held_out == pytest.approx(2 * 0.6827, abs=0.08)


def test_with_a_gradient_penalty_it_is_about_the_wasserstein_distance():
    """|δ| for N(0, I) and N(δ, I); the penalty lets the slope exceed 1 a little."""
    real, fake = gaussians(torch.tensor([1.2, -0.9]), d=2)  # |δ| = 1.5
    critic = partial(MLPDiscriminator, (2,))
    found = neural_net_divergence(real, fake, critic, Wasserstein(), penalty=GradientPenalty(10.0), **SHORT)
    assert found.held_out == pytest.approx(1.5, rel=0.15)


def test_probabilities_give_what_their_scores_give():
    """A discriminator that ends in a sigmoid, with the objective that is meant for it."""
    samples = gaussians(1.0)
    ended = lambda: nn.Sequential(of_points(), nn.Sigmoid())  # noqa: E731
    for on_scores, on_probabilities in ((Minimax(), BinaryCrossEntropy()), (NeuralNetDistance(), Wasserstein())):
        expected = neural_net_divergence(*samples, of_points, on_scores, **SHORT)
        found = neural_net_divergence(*samples, ended, on_probabilities, **SHORT)
        assert found.held_out == pytest.approx(expected.held_out, abs=2e-3)


@pytest.mark.parametrize("objective", [NeuralNetDistance(), Minimax()])
def test_it_does_not_matter_which_of_the_two_is_called_real(objective):
    real, fake = gaussians(1.0)
    there, back = (neural_net_divergence(*pair, of_points, objective, **SHORT) for pair in ((real, fake), (fake, real)))
    assert there.held_out == pytest.approx(back.held_out, abs=0.01)
    assert there.held_out > 0.2


def test_a_larger_class_tells_more_than_a_smaller_one():
    """Two Gaussians of mean 0 and two widths: σ(a x) is ½ in the mean of either, whatever a is."""
    real, fake = gaussians(0.0)
    odd = partial(nn.Linear, 1, 1, bias=False)
    linear, mlp = (neural_net_divergence(real, 3 * fake, c, **SHORT).held_out for c in (odd, of_points))
    assert abs(linear) < 0.02
    assert mlp == pytest.approx(0.4847, abs=0.02)  # 2 (Φ(x) − Φ(x/3)) at x² = 9 log 9 / 8


# ---------------------------------------------------------------------------------------- the held-out half


def test_a_discriminator_that_memorises_few_samples_tells_nothing_of_unseen_ones():
    """Theorem 3.2: of one distribution in 100 dimensions; memorised less, the more samples there are."""
    trained = []
    for n in (100, 800, 6_400):
        found = neural_net_divergence(*gaussians(0.0, n, d=100), partial(MLPDiscriminator, (100,), (32,)), steps=500)
        assert abs(found.held_out) < 4 * sqrt(0.5 / n)  # four deviations of a mean of n/2 numbers in [0, 1], twice
        trained.append(found.train)
    assert trained[0] > 0.95
    assert trained[0] > trained[1] > trained[2]
    assert trained[2] < 0.5


def test_equal_distributions_are_about_zero_and_below_it_as_often_as_above():
    found = [neural_net_divergence(*gaussians(0.0, 400, seed=seed), of_points, steps=30).held_out for seed in range(12)]
    assert any(value < 0 for value in found)
    assert any(value > 0 for value in found)
    assert max(map(abs, found)) < 0.15


class Recording(nn.Module):
    """A linear discriminator that keeps what it was shown: (training or not, samples)."""

    def __init__(self):
        super().__init__()
        self.body, self.shown = nn.Linear(1, 1), []

    def forward(self, samples):
        self.shown.append((self.training, samples.detach().clone()))
        return self.body(samples)


def recorded(real, fake, **options):
    critic = Recording()
    neural_net_divergence(real, fake, lambda: critic, **options)
    return critic.shown


def test_training_sees_every_other_sample_and_never_those_between():
    real, fake = torch.arange(10.0)[:, None], 100 + torch.arange(7.0)[:, None]
    shown = recorded(real, fake, steps=40, batch_size=8)
    trained = {float(x) for training, batch in shown if training for x in batch}
    assert trained == {0, 2, 4, 6, 8, 100, 102, 104, 106}


def test_the_held_out_half_is_measured_last_whole_and_in_eval_mode():
    real, fake = torch.arange(10.0)[:, None], 100 + torch.arange(7.0)[:, None]
    *_, of_real, of_fake = recorded(real, fake, steps=2)
    assert (of_real[0], of_real[1].flatten().tolist()) == (False, [1, 3, 5, 7, 9])
    assert (of_fake[0], of_fake[1].flatten().tolist()) == (False, [101, 103, 105])


def test_a_step_is_one_pass_over_as_many_of_both():
    real, fake = torch.zeros(10, 1), torch.ones(10, 1)
    batches = [batch.flatten().tolist() for training, batch in recorded(real, fake, steps=3, batch_size=4) if training]
    assert batches == [[0] * 4 + [1] * 4] * 3


def test_values_are_the_objectives_payoff_of_the_trained_network():
    real, fake = gaussians(1.0, 200)
    critic = of_points()
    found = neural_net_divergence(real, fake, lambda: critic, Minimax(), steps=20)
    with torch.no_grad():
        for value, half in ((found.train, 0), (found.held_out, 1)):
            payoff = Minimax().payoff(critic(real[half::2]).double(), critic(fake[half::2]).double())
            assert value == pytest.approx(float(payoff) + 2 * log(2), abs=1e-12)


# ---------------------------------------------------------------------------------------- data and networks


def test_an_untrained_generator_is_told_from_a_ring_and_a_good_sampler_is_not():
    data = GaussiansRing(num_samples=6_000)
    data.setup()
    real, other = data.train.tensors[0].split([2_000, len(data.train) - 2_000])
    with torch.no_grad():
        untrained = MLPGenerator((2,), bounded=False)(torch.randn(2_000, 8))
    critic = partial(MLPDiscriminator, (2,))
    assert neural_net_divergence(real, untrained, critic, **SHORT).held_out > 0.8
    assert abs(neural_net_divergence(real, other[:2_000], critic, **SHORT).held_out) < 0.06


def test_a_convolutional_discriminator_with_batchnorm_tells_images():
    """In eval mode it is one function, of statistics of both: not one that reads off what a batch is made of."""
    noise = torch.rand(400, 1, 8, 8) * 2 - 1
    smooth = noise.mean((2, 3), keepdim=True) + noise / 2
    critic = partial(DCGANDiscriminator, (1, 8, 8), width=8)
    options = {"optimizer": partial(torch.optim.Adam, lr=5e-3), "steps": 150}
    assert neural_net_divergence(noise, smooth, critic, **options).held_out > 0.8
    same = neural_net_divergence(noise, torch.rand(400, 1, 8, 8) * 2 - 1, critic, **options)
    assert abs(same.held_out) < 0.2


class TwoHeaded(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = of_points()

    def forward(self, samples):
        return self.body(samples)[:, None], torch.zeros(len(samples), 10)


def test_scores_are_the_first_of_several_outputs():
    samples = gaussians(1.0, 2_000)
    assert neural_net_divergence(*samples, TwoHeaded, **SHORT) == neural_net_divergence(*samples, of_points, **SHORT)


def test_a_constraint_holds_for_the_discriminator_that_is_measured():
    critic = of_points()
    found = neural_net_divergence(
        *gaussians(2.0, 2_000),
        lambda: critic,
        Wasserstein(),
        penalty=WeightClipping(0.01),
        optimizer=partial(torch.optim.RMSprop, lr=5e-3),  # larger steps than the box
        steps=100,
    )
    assert max(float(p.detach().abs().max()) for p in critic.parameters()) == pytest.approx(0.01)
    assert 0 < found.held_out < 0.01


class Doubled(Penalty):
    """Sees what a penalty is handed."""

    def __init__(self):
        self.seen = []

    def loss(self, score, real, fake):
        self.seen.append((tuple(score(real).shape), tuple(real.shape), tuple(fake.shape)))
        return 1e3 * sum(score(x).square().mean() for x in (real, fake))


def test_a_penalty_is_part_of_what_is_minimised_and_no_part_of_the_value():
    penalty, samples = Doubled(), gaussians(2.0, 2_000)
    found = neural_net_divergence(*samples, of_points, Wasserstein(), penalty=penalty, steps=50, batch_size=32)
    assert penalty.seen == [((32,), (32, 1), (32, 1))] * 50
    assert 0 < found.held_out < 0.1 < neural_net_divergence(*samples, of_points, Wasserstein(), steps=50).held_out


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_network_takes_the_samples_type(dtype):
    critic = of_points()
    neural_net_divergence(*(x.to(dtype) for x in gaussians(1.0, 100)), lambda: critic, steps=2)
    assert critic.head.weight.dtype == dtype


def test_unequal_numbers_of_samples_are_welcome():
    real, fake = gaussians(2.0)
    assert neural_net_divergence(real[:5_001], fake, of_points, **SHORT).held_out == pytest.approx(0.6827, abs=0.03)


# ---------------------------------------------------------------------------------------- seeds and surroundings


def test_a_seed_gives_one_value_and_another_seed_another():
    samples = gaussians(1.0, 500)
    first, again, other = (neural_net_divergence(*samples, of_points, steps=20, seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert first.held_out != other.held_out


def test_the_first_discriminator_does_not_depend_on_samples_drawn_by_the_same_seed():
    made = []

    def build():
        made.append(nn.Linear(100, 32))
        return nn.Sequential(made[-1], nn.ReLU(), nn.Linear(32, 1))

    real, fake = torch.randn(2, 64, 100, generator=torch.Generator().manual_seed(3))
    before = torch.get_rng_state()
    torch.manual_seed(3)
    drawn_by_the_seed = nn.Linear(100, 32).weight.detach()
    torch.set_rng_state(before)
    neural_net_divergence(real, fake, build, steps=1, optimizer=partial(torch.optim.SGD, lr=0.0), seed=3)
    assert not torch.equal(made[0].weight, drawn_by_the_seed)
    rows = torch.stack([made[0].weight.detach(), real[:32]])
    assert abs(float((rows[0] * rows[1]).mean() / rows[0].std())) < 0.1  # 3,200 products: 0 ± .018


def test_the_global_random_streams_are_left_alone():
    def drawn():
        return torch.rand(2).tolist(), np.random.rand(), random.random()  # noqa: NPY002

    torch.manual_seed(1), np.random.seed(1), random.seed(1)  # noqa: NPY002
    expected = drawn()
    torch.manual_seed(1), np.random.seed(1), random.seed(1)  # noqa: NPY002
    samples = gaussians(1.0, 100)
    neural_net_divergence(*samples, of_points, Wasserstein(), penalty=GradientPenalty(), steps=3)
    assert drawn() == expected


def test_samples_keep_their_values_and_get_no_gradient():
    real, fake = (x.requires_grad_() for x in gaussians(1.0, 100))
    before = real.detach().clone(), fake.detach().clone()
    neural_net_divergence(real, fake, of_points, steps=5)
    assert torch.equal(real, before[0])
    assert torch.equal(fake, before[1])
    assert real.grad is fake.grad is None


@pytest.mark.parametrize("surrounding", [torch.no_grad, torch.inference_mode, lambda: torch.autocast("cpu")])
def test_where_it_is_called_does_not_matter(surrounding):
    expected = neural_net_divergence(*gaussians(1.0, 500), of_points, steps=20)
    with surrounding():
        assert neural_net_divergence(*gaussians(1.0, 500), of_points, steps=20) == expected


# ---------------------------------------------------------------------------------------- bad input


BAD_SAMPLES = [
    (torch.zeros(5, 2), torch.zeros(5, 3), r"of one shape, .* got \(5, 2\) and \(5, 3\)"),
    (torch.zeros(5), torch.zeros(5), r"of one shape, .* got \(5,\) and \(5,\)"),
    (torch.zeros(1, 2), torch.zeros(5, 2), "at least 2 real samples, one to train on and one held out, got 1"),
    (torch.zeros(5, 2), torch.zeros(0, 2), "at least 2 fake samples, one to train on and one held out, got 0"),
    (torch.zeros(5, 2), torch.full((5, 2), torch.nan), "NaN or infinity in 5 of the 5 fake ones"),
    (torch.tensor([[0.0], [torch.inf]]), torch.zeros(5, 1), "NaN or infinity in 1 of the 2 real ones"),
]


@pytest.mark.parametrize(("real", "fake", "message"), BAD_SAMPLES)
def test_samples_that_cannot_be_compared_are_told(real, fake, message):
    with pytest.raises(DataError, match=message):
        neural_net_divergence(real, fake, lambda: MLPDiscriminator(real.shape[1:]))


BAD_NETWORKS = [
    (of_points(), "expected a function that builds a new discriminator, got MLPDiscriminator"),
    ("MLP", "expected a function that builds a new discriminator, got str"),
    (partial(nn.Linear, 1, 2), r"the discriminator gives \(4, 2\) for 4 samples; expected one score each, \(4,\)"),
    (partial(MLPDiscriminator, (2,)), r"cannot take samples of shape \(4, 1\) \(RuntimeError: .*of this shape"),
    (partial(MLPDiscriminator, (1,), num_classes=3), r"cannot take samples of shape .*no labels"),
    (lambda: nn.Sequential(of_points(), nn.Sigmoid()), r"NeuralNetDistance expects scores.*objective=Wasserstein\(\)"),
]


@pytest.mark.parametrize(("make", "message"), BAD_NETWORKS)
def test_discriminators_that_cannot_be_trained_are_told(make, message):
    with pytest.raises(GANError, match=message):
        neural_net_divergence(*gaussians(1.0, 10), make, steps=2)


def test_a_discriminator_that_diverges_is_told_and_gives_no_value():
    with pytest.raises(GANError, match="diverged to NaN in its training; lower the learning rate"):
        neural_net_divergence(*gaussians(1.0, 100), of_points, optimizer=partial(torch.optim.SGD, lr=1e30), steps=20)


BAD_OPTIONS = [
    ({"objective": "log"}, r"such as NeuralNetDistance\(\) \(f = x\) or Minimax\(\) \(f = log\), got 'log'"),
    ({"objective": Minimax}, "objective: expected an object of mixgan_lightning.objectives"),
    ({"penalty": 0.01}, "penalty: expected an object such as WeightClipping"),
    ({"steps": 0}, "steps: expected a whole number of at least 1, got 0"),
    ({"batch_size": 2.5}, "batch_size: expected a whole number of at least 1, got 2.5"),
]


@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS)
def test_options_that_cannot_work_are_told(options, message):
    with pytest.raises(ConfigurationError, match=message):
        neural_net_divergence(*gaussians(1.0, 10), of_points, **options)
