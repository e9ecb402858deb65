import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.theory import matrix_gap, nash_weights

ROCK_PAPER_SCISSORS = torch.tensor([[0.0, 1, -1], [-1, 0, 1], [1, -1, 0]], dtype=torch.float64)


def is_an_equilibrium(payoff, digits=1e-9):
    found = nash_weights(payoff)
    for w, n in ((found.w_u, payoff.shape[0]), (found.w_v, payoff.shape[1])):
        assert (w.shape, w.dtype) == ((n,), torch.float64)
        assert bool((w >= 0).all())
        assert float(w.sum()) == pytest.approx(1, abs=1e-12)
    payoff = payoff.double()
    assert abs(float(matrix_gap(payoff, found.w_u, found.w_v))) <= digits * max(1.0, float(payoff.abs().max()))
    assert found.value == pytest.approx(float(found.w_u @ payoff @ found.w_v), rel=1e-12, abs=1e-12)
    return found


def test_rock_paper_scissors_is_played_uniformly_and_worth_nothing():
    found = is_an_equilibrium(ROCK_PAPER_SCISSORS)
    third = torch.full((3,), 1 / 3, dtype=torch.float64)
    assert torch.allclose(found.w_u, third, atol=1e-12)
    assert torch.allclose(found.w_v, third, atol=1e-12)
    assert found.value == pytest.approx(0, abs=1e-12)


def test_generators_minimise_and_discriminators_maximise():
    """Row 0 is better for who minimises, column 1 for who maximises."""
    found = is_an_equilibrium(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    assert (found.w_u.tolist(), found.w_v.tolist(), found.value) == ([1, 0], [0, 1], 2)


def test_matching_pennies_with_unequal_stakes_has_its_closed_form():
    """[[a, b], [c, d]] without a saddle point: V = (ad − bc) / (a + d − b − c)."""
    a, b, c, d = 3.0, -1.0, -2.0, 1.0
    found = is_an_equilibrium(torch.tensor([[a, b], [c, d]]))
    assert found.value == pytest.approx((a * d - b * c) / (a + d - b - c))
    assert found.w_u.tolist() == pytest.approx([(d - c) / (a + d - b - c), (a - b) / (a + d - b - c)])
    assert found.w_v.tolist() == pytest.approx([(d - b) / (a + d - b - c), (a - c) / (a + d - b - c)])


def test_strategies_that_others_dominate_have_no_weight():
    payoff = torch.full((4, 4), 5.0)  # generator 3 pays 5 or more to everyone
    payoff[:3, :3], payoff[:3, 3] = ROCK_PAPER_SCISSORS, -5  # discriminator 3 gets least of all
    found = is_an_equilibrium(payoff)
    assert float(found.w_u[3]) == pytest.approx(0, abs=1e-12)
    assert float(found.w_v[3]) == pytest.approx(0, abs=1e-12)
    assert found.value == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (4, 1), (2, 7), (7, 2), (20, 20)])
def test_any_shape_is_solved(shape):
    payoff = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    found = is_an_equilibrium(payoff)
    if shape[0] == 1:
        assert found.value == pytest.approx(float(payoff.max()))  # the best column
    if shape[1] == 1:
        assert found.value == pytest.approx(float(payoff.min()))


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 6),
    columns=st.integers(1, 6),
    seed=st.integers(0, 10_000),
    exponent=st.integers(-6, 6),
    shift=st.floats(-1e3, 1e3),
    whole=st.booleans(),
)
def test_the_solution_of_any_game_has_no_gap(rows, columns, seed, exponent, shift, whole):
    payoff = 3 * torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    payoff = (payoff.round() if whole else payoff) * 10.0**exponent + shift  # whole numbers: ties and equal rows
    is_an_equilibrium(payoff)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(1e-3, 1e3), shift=st.floats(-10, 10))
def test_the_value_scales_and_shifts_with_the_payoffs_and_turns_with_the_players(seed, scale, shift):
    payoff = torch.randn(3, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    value = nash_weights(payoff).value
    assert nash_weights(scale * payoff + shift).value == pytest.approx(scale * value + shift, abs=1e-8 * (1 + scale))
    assert nash_weights(-payoff.T).value == pytest.approx(-value, abs=1e-9)


def test_where_all_payoffs_are_equal_the_weights_are_uniform():
    found = nash_weights(torch.full((2, 4), -1.25))
    assert (found.w_u.tolist(), found.w_v.tolist(), found.value) == ([0.5] * 2, [0.25] * 4, -1.25)


@pytest.mark.parametrize(
    "payoff", [[[1e300, 0, 0], [0, 1e300, 0], [0, 0, 1e300]], [[1.7e308, -1.7e308], [-1.7e308, 1.7e308]]]
)
def test_the_largest_numbers_are_solved_too(payoff):
    found = nash_weights(torch.tensor(payoff, dtype=torch.float64))
    assert found.w_u.tolist() == pytest.approx([1 / len(payoff)] * len(payoff))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_payoff_that_is_not_finite_is_refused(bad):
    payoff = ROCK_PAPER_SCISSORS.clone()
    payoff[1, 2] = bad
    with pytest.raises(ConfigurationError, match="expected finite numbers"):
        nash_weights(payoff)


@pytest.mark.parametrize("shape", [(3,), (0, 3), (2, 2, 2)])
def test_what_is_no_matrix_is_refused(shape):
    with pytest.raises(ConfigurationError, match=r"payoff: expected a matrix \(Tu, Tv\), got shape"):
        nash_weights(torch.zeros(shape))
