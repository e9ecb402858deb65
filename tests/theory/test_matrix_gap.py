import pytest
import torch

from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.theory import matrix_gap, nash_weights

ROCK_PAPER_SCISSORS = torch.tensor([[0.0, 1, -1], [-1, 0, 1], [1, -1, 0]], dtype=torch.float64)


def test_the_equilibrium_of_rock_paper_scissors_has_no_gap_and_a_pure_strategy_two():
    uniform, rock = torch.full((3,), 1 / 3, dtype=torch.float64), torch.eye(3, dtype=torch.float64)[0]
    assert float(matrix_gap(ROCK_PAPER_SCISSORS, uniform, uniform)) == pytest.approx(0, abs=1e-15)
    assert float(matrix_gap(ROCK_PAPER_SCISSORS, rock, rock)) == 2
    assert float(matrix_gap(ROCK_PAPER_SCISSORS, rock, uniform)) == pytest.approx(1)


def test_it_is_the_sum_of_what_each_player_gains_by_its_best_component():
    generator = torch.Generator().manual_seed(0)
    payoff = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    w_u, w_v = (torch.rand(n, generator=generator, dtype=torch.float64) for n in (3, 4))
    w_u, w_v = w_u / w_u.sum(), w_v / w_v.sum()
    value = sum(w_u[i] * payoff[i, j] * w_v[j] for i in range(3) for j in range(4))
    best_v = max(sum(w_u[i] * payoff[i, j] for i in range(3)) for j in range(4))
    best_u = min(sum(payoff[i, j] * w_v[j] for j in range(4)) for i in range(3))
    assert float(matrix_gap(payoff, w_u, w_v)) == pytest.approx(float((best_v - value) + (value - best_u)))


def test_a_saddle_point_has_no_gap():
    payoff = torch.tensor([[3.0, 1.0], [4.0, 2.0]])  # generators (rows) minimise: row 0; discriminators: column 0
    first = torch.tensor([1.0, 0.0])
    assert float(matrix_gap(payoff, first, first)) == 0


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_payoff_that_is_not_finite_is_refused(bad):
    payoff = ROCK_PAPER_SCISSORS.clone()
    payoff[1, 2] = bad
    with pytest.raises(ConfigurationError, match="expected finite numbers"):
        matrix_gap(payoff, torch.ones(3) / 3, torch.ones(3) / 3)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ConfigurationError, match=r"expected \(2, 3\) for these weights, got \(3, 3\)"):
        matrix_gap(ROCK_PAPER_SCISSORS, torch.ones(2) / 2, torch.ones(3) / 3)


@pytest.mark.parametrize("w", [[1.0, 1, 1], [0.5, 0.6, -0.1], [0.5, float("nan"), 0.5]])
def test_weights_that_are_no_probabilities_are_refused(w):
    uniform = torch.full((3,), 1 / 3)
    for player, given in (("w_u", (torch.tensor(w), uniform)), ("w_v", (uniform, torch.tensor(w)))):
        with pytest.raises(ConfigurationError, match=f"{player}: expected weights of at least 0 and of sum 1"):
            matrix_gap(ROCK_PAPER_SCISSORS, *given)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_weights_that_solve_a_game_have_no_gap_in_it(dtype):
    payoff = ROCK_PAPER_SCISSORS.to(dtype)
    w_u, w_v, _ = nash_weights(payoff)
    assert float(matrix_gap(payoff, w_u, w_v)) == pytest.approx(0, abs=1e-12)


def test_one_network_each_has_no_other_to_turn_to():
    assert float(matrix_gap(torch.tensor([[-1.3]]), torch.ones(1), torch.ones(1))) == 0


@pytest.mark.parametrize("w_v", [[1.0, 0.0, 0.0], [0.2, 0.3, 0.5]])
def test_half_of_it_is_the_epsilon_of_definition_3(w_v):
    """Some V is within ε of both best responses for ε = gap / 2, and for no smaller one."""
    w_u, w_v = torch.tensor([0.6, 0.4, 0.0]).double(), torch.tensor(w_v).double()
    best_v, best_u = (w_u @ ROCK_PAPER_SCISSORS).max(), (ROCK_PAPER_SCISSORS @ w_v).min()
    epsilon = matrix_gap(ROCK_PAPER_SCISSORS, w_u, w_v) / 2
    values = torch.linspace(-2, 2, 4001).double()
    is_equilibrium = [
        bool(((best_v <= values + e) & (best_u >= values - e)).any()) for e in (epsilon + 1e-3, epsilon - 1e-3)
    ]
    assert is_equilibrium == [True, False]


def test_lists_and_arrays_are_matrices_too():
    payoff, uniform = ROCK_PAPER_SCISSORS.tolist(), [1 / 3] * 3
    assert float(matrix_gap(payoff, uniform, uniform)) == pytest.approx(0, abs=1e-15)
    assert nash_weights(payoff).value == nash_weights(ROCK_PAPER_SCISSORS.numpy()).value == pytest.approx(0, abs=1e-12)
