import math

import pytest
import torch
from torch import nn

from mixgan_lightning import Mixture


def mixture_with(log_probabilities):
    mixture = Mixture([nn.Linear(1, 1) for _ in log_probabilities]).double()
    with torch.no_grad():
        mixture.log_probabilities.copy_(torch.as_tensor(log_probabilities, dtype=torch.float64))
    return mixture


@pytest.mark.parametrize("size", [1, 2, 7])
def test_a_new_mixture_is_uniform(size):
    weights = Mixture([nn.Linear(1, 1) for _ in range(size)]).weights
    assert torch.equal(weights, torch.full((size,), 1 / size))


@pytest.mark.parametrize("alpha", [[0.3, -1.0, 2.0], [50.0, 0.0], [-400.0, 400.0, 0.0], [1e4]])
def test_weights_are_a_distribution_however_skewed(alpha):
    weights = mixture_with(alpha).weights.detach()
    assert abs(float(weights.sum()) - 1) < 1e-15
    assert bool((weights >= 0).all())
    assert int(weights.argmax()) == max(range(len(alpha)), key=alpha.__getitem__)


def test_weights_are_proportional_to_exp_alpha():
    weights = mixture_with([math.log(1), math.log(2), math.log(5)]).weights
    assert torch.allclose(weights, torch.tensor([1, 2, 5], dtype=torch.float64) / 8, atol=1e-15)


@pytest.mark.parametrize("alpha", [[0.0, 0.0], [0.3, -1.0, 2.0], [3.0, 0.0, 0.0, -2.0], [0.7]])
def test_the_gradient_of_the_regulariser_is_w_minus_one_over_t(alpha):
    mixture = mixture_with(alpha)
    mixture.entropy_penalty().backward()
    expected = mixture.weights.detach() - 1 / len(alpha)
    assert (mixture.log_probabilities.grad - expected).abs().max() <= 1e-15


def test_the_regulariser_is_smallest_log_t_at_uniform_weights():
    assert abs(float(mixture_with([2.0] * 4).entropy_penalty().detach()) - math.log(4)) < 1e-15
    for alpha in torch.randn(20, 4):
        assert float(mixture_with(alpha).entropy_penalty().detach()) > math.log(4)


def test_the_regulariser_stays_finite_where_a_weight_underflows():
    mixture = mixture_with([0.0, -1e4])
    assert mixture.weights[1] == 0
    assert abs(float(mixture.entropy_penalty().detach()) - 5e3) < 1e-9


def test_effective_size_runs_from_one_to_t():
    assert abs(float(mixture_with([0.0] * 5).effective_size) - 5) < 1e-12
    assert abs(float(mixture_with([1e4, 0, 0, 0, 0]).effective_size) - 1) < 1e-12
    assert abs(float(mixture_with([0, 0, -1e4, -1e4]).effective_size) - 2) < 1e-12
    for alpha in torch.randn(20, 5):
        assert 1 < float(mixture_with(alpha).effective_size) < 5


def test_components_are_chosen_as_often_as_their_weights_say():
    weights = torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64)
    n = 30_000
    chosen = mixture_with(weights.log()).choose(n, torch.Generator().manual_seed(0))
    assert chosen.dtype == torch.int64
    assert chosen.shape == (n,)
    frequencies = torch.bincount(chosen, minlength=3) / n
    assert ((frequencies - weights).abs() < 4 * (weights * (1 - weights) / n).sqrt()).all()


def test_choosing_with_a_generator_leaves_the_global_stream_alone():
    mixture, before = mixture_with([0.0, 1.0]), torch.get_rng_state()
    first = mixture.choose(50, torch.Generator().manual_seed(5))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, mixture.choose(50, torch.Generator().manual_seed(5)))
    mixture.choose(50)
    assert not torch.equal(torch.get_rng_state(), before)


def test_a_mixture_is_its_components_and_log_probabilities():
    components = [nn.Linear(2, 1, bias=False) for _ in range(2)]
    mixture = Mixture(components)
    assert len(mixture) == 2
    assert list(mixture) == components
    assert list(mixture.state_dict()) == ["log_probabilities", "components.0.weight", "components.1.weight"]
