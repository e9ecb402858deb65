import pytest
import torch
from torch import nn

from mixgan_lightning.penalties import R1, GradientPenalty, Penalty, WeightClipping


@pytest.fixture
def critic():
    """s(x) = ⟨a, x⟩ + b over whole images, ‖a‖ = 3: its input gradient is a everywhere."""
    linear = nn.Linear(12, 1).double()
    with torch.no_grad():
        linear.weight.mul_(3 / linear.weight.norm())
    return nn.Sequential(nn.Flatten(), linear, nn.Flatten(0))


def images(n=6):
    return torch.randn(n, 3, 2, 2, dtype=torch.float64)


def test_no_penalty_adds_nothing_and_constrains_nothing(critic):
    before = [p.clone() for p in critic.parameters()]
    assert Penalty().loss(critic, images(), images()) is None
    Penalty().constrain(critic)
    assert all(torch.equal(p, q) for p, q in zip(before, critic.parameters(), strict=True))


def test_clipping_brings_every_parameter_to_the_limit_and_leaves_the_small_ones():
    network = nn.Sequential(nn.Linear(20, 20), nn.BatchNorm1d(20))
    before = [p.detach().clone() for p in network.parameters()]
    WeightClipping(0.05).constrain(network)
    for p, q in zip(network.parameters(), before, strict=True):
        assert torch.equal(p, q.clamp(-0.05, 0.05))
    assert not torch.equal(network[0].weight, before[0])
    assert WeightClipping().limit == 0.01


def test_clipping_adds_no_term_and_keeps_no_graph(critic):
    WeightClipping(0.05).constrain(critic)
    assert all(p.is_leaf and p.requires_grad for p in critic.parameters())
    assert WeightClipping().loss(critic, images(), images()) is None


def test_the_gradient_penalty_of_a_linear_critic_is_known(critic):
    penalty = GradientPenalty(10.0).loss(critic, images(), images())
    assert abs(penalty.detach() - 10 * (3 - 1) ** 2) < 1e-12
    penalty.backward()
    a = critic[1].weight
    expected = 10 * 2 * (3 - 1) * a.detach() / 3  # ∂(‖a‖ − 1)²/∂a = 2 (‖a‖ − 1) a/‖a‖
    assert (a.grad - expected).abs().max() < 1e-12


def test_r1_of_a_linear_critic_is_known(critic):
    penalty = R1(10.0).loss(critic, images(), images())
    assert abs(penalty.detach() - 10 / 2 * 9) < 1e-12
    penalty.backward()
    a = critic[1].weight
    assert (a.grad - 10 * a.detach()).abs().max() < 1e-12


def seen_by(penalty, real, fake):
    """The points where a penalty takes gradients."""
    seen = []

    def score(x):
        seen.append(x.detach())
        return x.flatten(1).sum(1)

    penalty.loss(score, real, fake)
    (points,) = seen
    return points


def test_the_gradient_penalty_looks_between_a_real_and_a_fake_sample_one_place_each():
    real, fake = images(500), images(500)
    points = seen_by(GradientPenalty(), real, fake)
    share = ((points - real) / (fake - real)).flatten(1)
    assert (share.std(1) < 1e-6).all()  # the same place in all pixels of a sample
    place = share.mean(1)
    assert 0 <= place.min() < 0.02
    assert 0.98 < place.max() <= 1
    assert abs(place.mean() - 0.5) < 4 * (1 / 12 / 500) ** 0.5  # uniform


def test_r1_looks_at_the_real_samples():
    real = images()
    assert torch.equal(seen_by(R1(), real, images()), real)


@pytest.mark.parametrize("penalty", [R1(), GradientPenalty()])
def test_penalties_leave_no_gradient_in_the_images(critic, penalty):
    real, fake = images(), images()
    penalty.loss(critic, real, fake).backward()
    assert not real.requires_grad
    assert not fake.requires_grad
    assert real.grad is None


@pytest.mark.parametrize("penalty", [R1, GradientPenalty])
def test_a_penalty_is_proportional_to_its_weight(critic, penalty):
    assert penalty().weight == 10
    torch.manual_seed(0)
    once = penalty(1.0).loss(critic, images(), images())
    torch.manual_seed(0)
    thrice = penalty(3.0).loss(critic, images(), images())
    assert abs(thrice - 3 * once) < 1e-12
