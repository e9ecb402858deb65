import math

import pytest
import torch
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits

from mixgan_lightning import objectives
from mixgan_lightning.objectives import (
    BinaryCrossEntropy,
    Hinge,
    LeastSquares,
    Minimax,
    NeuralNetDistance,
    NonSaturating,
    Objective,
    Wasserstein,
)

ON_PROBABILITIES = [BinaryCrossEntropy]
ON_SCORES = [Minimax, NonSaturating, Wasserstein, NeuralNetDistance, Hinge, LeastSquares]
ALL = ON_SCORES + ON_PROBABILITIES


def scores(n=12):
    return 2 * torch.randn(n, dtype=torch.float64, requires_grad=True)


def drawn(objective, *shape):
    """What a discriminator of that objective might give."""
    numbers = 2 * torch.randn(shape, dtype=torch.float64)
    return (numbers.sigmoid() if objective in ON_PROBABILITIES else numbers).requires_grad_()


def test_every_objective_of_the_module_is_tested_here():
    written = {o for o in vars(objectives).values() if isinstance(o, type) and issubclass(o, Objective)}
    assert written - {Objective} == set(ALL)


# objective: (f, how a score becomes D's output, the constant that the payoff leaves out)
MEASURED = {
    Minimax: (torch.log, torch.sigmoid, 0.0),
    NonSaturating: (torch.log, torch.sigmoid, 0.0),
    Wasserstein: (lambda x: x, lambda s: s, 1.0),
    NeuralNetDistance: (lambda x: x, torch.sigmoid, 1.0),
    Hinge: (lambda x: (2 * x - 2).clamp(max=0), lambda s: (1 + s) / 2, 0.0),
    LeastSquares: (lambda x: -((1 - x) ** 2) / 2, lambda s: s, 0.0),
    BinaryCrossEntropy: (torch.log, lambda s: s, 0.0),
}


@pytest.mark.parametrize("objective", ALL)
def test_the_payoff_is_equation_6_for_its_measuring_function(objective):
    f, output, constant = MEASURED[objective]
    real, fake = drawn(objective, 12), drawn(objective, 7)
    equation_6 = f(output(real)).mean() + f(1 - output(fake)).mean()
    assert abs(objective().payoff(real, fake) + constant - equation_6) < 1e-12


@pytest.mark.parametrize("objective", ALL)
def test_at_the_undecided_score_the_discriminators_output_is_one_half(objective):
    """And a constant discriminator gets no more than there: f is concave."""
    f, output, constant = MEASURED[objective]
    undecided, half = (torch.full((3,), value, dtype=torch.float64) for value in (objective.undecided, 0.5))
    assert torch.equal(output(undecided), half)
    best = objective().payoff(undecided, undecided)
    assert abs(best + constant - 2 * f(half[0])) < 1e-15
    assert all(objective().payoff(s, s) <= best + 1e-15 for s in drawn(objective, 20).detach()[:, None])


@pytest.mark.parametrize("objective", ALL)
def test_the_payoff_is_minus_what_the_discriminator_minimises(objective):
    real, fake = drawn(objective, 12), drawn(objective, 12)
    assert objective().payoff(real, fake) == -objective().discriminator_loss(real, fake)


@pytest.mark.parametrize("objective", [Minimax, Wasserstein])
def test_the_game_is_zero_sum_in_the_fakes(objective):
    real, fake = scores(), scores()
    (of_payoff,) = torch.autograd.grad(objective().payoff(real, fake), fake)
    (of_generator,) = torch.autograd.grad(objective().generator_loss(fake), fake)
    assert (of_payoff - of_generator).abs().max() < 1e-15


@pytest.mark.parametrize("objective", ON_SCORES)
def test_both_players_pull_a_fake_score_of_zero_in_opposite_directions(objective):
    real, fake = scores(), torch.zeros(4, dtype=torch.float64, requires_grad=True)
    (of_d,) = torch.autograd.grad(objective().discriminator_loss(real, fake), fake)
    (of_g,) = torch.autograd.grad(objective().generator_loss(fake), fake)
    assert (of_g < 0).all()
    assert (of_d > 0).all() or objective is LeastSquares  # whose D wants exactly 0


@pytest.mark.parametrize("objective", ALL)
def test_losses_are_means_over_samples(objective):
    """So a batch in equal parts gives the same mean: what sharing a batch between generators rests on."""
    real, fake = drawn(objective, 12).detach(), drawn(objective, 12).detach()
    parts = [objective().discriminator_loss(r, f) for r, f in zip(real.split(4), fake.split(4), strict=True)]
    assert abs(sum(parts) / 3 - objective().discriminator_loss(real, fake)) < 1e-14
    parts = [objective().generator_loss(f) for f in fake.split(4)]
    assert abs(sum(parts) / 3 - objective().generator_loss(fake)) < 1e-14


@pytest.mark.parametrize("objective", ON_SCORES)
@pytest.mark.parametrize("scale", [1e4, -1e4])
def test_losses_and_gradients_are_finite_for_confident_discriminators(objective, scale):
    real, fake = (torch.full((4,), s, requires_grad=True) for s in (-scale, scale))
    for loss in (objective().discriminator_loss(real, fake), objective().generator_loss(fake)):
        assert torch.isfinite(loss)
        assert torch.isfinite(torch.autograd.grad(loss, fake)[0]).all()


@pytest.mark.parametrize("objective", ALL)
def test_several_discriminators_at_once_are_each_alone(objective):
    real, fake = drawn(objective, 4, 3, 9), drawn(objective, 4, 3, 9)
    found = objective().discriminator_loss(real, fake), objective().generator_loss(fake), objective().payoff(real, fake)
    assert all(losses.shape == (4, 3) for losses in found)
    for i in range(4):
        for j in range(3):
            assert abs(found[0][i, j] - objective().discriminator_loss(real[i, j], fake[i, j])) < 1e-14
            assert abs(found[1][i, j] - objective().generator_loss(fake[i, j])) < 1e-14
            assert abs(found[2][i, j] - objective().payoff(real[i, j], fake[i, j])) < 1e-14


def test_a_discriminator_that_cannot_tell_scores_minus_two_log_two():
    zeros = torch.zeros(3, dtype=torch.float64)
    assert abs(float(Minimax().payoff(zeros, zeros)) + 2 * math.log(2)) < 1e-15


def test_non_saturating_is_the_cross_entropy_that_most_scripts_write():
    real, fake = scores().detach(), scores().detach()
    ones, zeros = torch.ones_like(real), torch.zeros_like(fake)
    usual = binary_cross_entropy_with_logits(real, ones) + binary_cross_entropy_with_logits(fake, zeros)
    assert abs(usual - NonSaturating().discriminator_loss(real, fake)) < 1e-14
    assert abs(binary_cross_entropy_with_logits(fake, ones) - NonSaturating().generator_loss(fake)) < 1e-14


# ------------------------------------------------------------------------------------------------ probabilities

SATURATED = torch.tensor([0.0, 1.0, 1e-45, 1 - 6e-8, 1e-30, 0.5])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_cross_entropies_of_probabilities_are_torchs_where_they_are_0_or_1_too(dtype):
    real, fake = (SATURATED.to(dtype).requires_grad_() for _ in range(2))
    ones, zeros = torch.ones_like(real), torch.zeros_like(fake)
    game = BinaryCrossEntropy()
    for found, usual in (
        (game.discriminator_loss(real, fake), binary_cross_entropy(real, ones) + binary_cross_entropy(fake, zeros)),
        (game.generator_loss(fake), binary_cross_entropy(fake, ones)),
    ):
        assert torch.equal(found, usual)
        assert torch.isfinite(found)
        gradient, usual_one = (torch.autograd.grad(loss, fake)[0] for loss in (found, usual))
        assert ((gradient - usual_one).abs() <= 2 * torch.finfo(dtype).eps * usual_one.abs()).all()


def test_the_payoff_of_a_saturated_discriminator_is_finite():
    right, wrong = torch.ones(3), torch.zeros(3)
    assert BinaryCrossEntropy().payoff(right, wrong) == 0
    assert BinaryCrossEntropy().payoff(wrong, right) == -200


def test_a_saturated_sigmoid_gives_finite_gradients():
    logits = torch.tensor([-200.0, 200.0, 0.0], requires_grad=True)
    loss = BinaryCrossEntropy().discriminator_loss(logits.sigmoid(), logits.sigmoid())
    assert torch.isfinite(torch.autograd.grad(loss, logits)[0]).all()


def test_on_probabilities_the_game_is_the_one_on_their_scores():
    real, fake = scores(), scores()
    found, usual = BinaryCrossEntropy(), NonSaturating()
    assert abs(found.payoff(real.sigmoid(), fake.sigmoid()) - usual.payoff(real, fake)) < 1e-12
    of_probabilities = torch.autograd.grad(found.generator_loss(fake.sigmoid()), fake)[0]
    assert (of_probabilities - torch.autograd.grad(usual.generator_loss(fake), fake)[0]).abs().max() < 1e-12


def test_the_distance_on_scores_is_the_wasserstein_payoff_on_their_probabilities():
    real, fake = scores(), scores()
    assert torch.equal(NeuralNetDistance().payoff(real, fake), Wasserstein().payoff(real.sigmoid(), fake.sigmoid()))


def test_torchs_cross_entropy_is_called_without_autocast(monkeypatch):
    """On a GPU torch refuses it under autocast; on a CPU it does not, so that the call itself is watched here."""
    seen = []

    def watched(*args, **options):
        seen.append(torch.is_autocast_enabled("cpu"))
        return binary_cross_entropy(*args, **options)

    monkeypatch.setattr(objectives, "binary_cross_entropy", watched)
    with torch.autocast("cpu", torch.bfloat16):
        BinaryCrossEntropy().discriminator_loss(torch.rand(4), torch.rand(4))
        BinaryCrossEntropy().generator_loss(torch.rand(4))
        assert torch.is_autocast_enabled("cpu")
    assert seen == [False] * 3


def test_scores_that_an_objective_cannot_be_meant_for_are_told_and_others_are_not():
    free = scores()
    assert NonSaturating().misfit(free) is None
    assert NonSaturating().misfit(free.sigmoid().detach()) is None  # may be any real numbers
    assert "ends in a sigmoid" in NonSaturating().misfit(free.sigmoid())
    assert BinaryCrossEntropy().misfit(free.sigmoid()) is None
    assert BinaryCrossEntropy().misfit(SATURATED) is None
    for value in (-1e-3, 1.5, float("nan")):
        assert "expects probabilities" in BinaryCrossEntropy().misfit(torch.tensor([0.5, value]))
    assert NeuralNetDistance().misfit(free) is None
    assert "write objective=Wasserstein()" in NeuralNetDistance().misfit(free.sigmoid())
    for objective in (Wasserstein, Hinge, LeastSquares):
        assert objective().misfit(free) is objective().misfit(free.sigmoid()) is None
