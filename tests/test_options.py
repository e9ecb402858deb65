import pytest

from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.options import check_clip, check_count, check_memory, check_not_negative, check_seed


@pytest.mark.parametrize("value", [1, 7])
def test_counts_are_whole_and_positive(value):
    assert check_count("n", value) == value


def test_clipping_may_be_left_out_but_not_stop_all_learning():
    assert check_clip(None) is None
    assert check_clip(0.5) == 0.5
    with pytest.raises(ConfigurationError, match="gradient_clip: expected a positive number"):
        check_clip(0)


@pytest.mark.parametrize("value", [0, -1, 1.0, "1", True, None])
def test_other_counts_are_refused_by_their_name(value):
    with pytest.raises(ConfigurationError, match=f"steps: expected a whole number of at least 1, got {value!r}"):
        check_count("steps", value)


@pytest.mark.parametrize("value", [-1, 2**32, 1.0, "1", True, None])
def test_seeds_that_numpy_would_refuse_are_refused(value):
    assert check_seed(2**32 - 1) == 2**32 - 1
    with pytest.raises(ConfigurationError, match=r"seed: expected a whole number in 0 … 4294967295"):
        check_seed(value)


@pytest.mark.parametrize("value", [-1e-9, float("nan"), float("inf"), "1", True, None])
def test_coefficients_are_finite_and_not_negative(value):
    assert check_not_negative("weight", 0) == 0
    with pytest.raises(ConfigurationError, match="weight: expected a number of at least 0"):
        check_not_negative("weight", value)


def test_counts_that_would_take_all_memory_or_time_are_refused():
    assert check_count("n", 5, most=5) == 5
    with pytest.raises(ConfigurationError, match=r"n: expected at most 1,000, got 1,000,000,000"):
        check_count("n", 10**9, most=1_000)


def test_what_is_larger_than_the_free_memory_is_refused_with_the_way_out(monkeypatch):
    monkeypatch.setattr("mixgan_lightning.options.free", lambda device: 2_000_000_000)
    check_memory("the samples", 2_000_000_000, "take fewer")
    with pytest.raises(ConfigurationError, match=r"^the samples would take 2\.0 GB, and 2\.0 GB .* free; take fewer$"):
        check_memory("the samples", 2_000_000_001, "take fewer")
    monkeypatch.setattr("mixgan_lightning.options.free", lambda device: None)  # not known
    check_memory("the samples", 10**15, "take fewer")
