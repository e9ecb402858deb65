import pytest

from mixgan_lightning import MixGANModule, mix
from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.payoff import FullFakes, SplitFakes


def test_mix_builds_five_against_five_sharing_a_batch(toy):
    model = mix(toy())
    assert type(model) is MixGANModule
    assert (len(model.generators), len(model.discriminators)) == (5, 5)
    assert isinstance(model.pairs.fakes, SplitFakes)
    assert (model.entropy_weight, model.log_probability_lr, model.gradient_clip) == (0.01, None, None)


def test_options_go_to_the_module(toy):
    model = mix(toy(), 2, num_discriminators=3, fakes="full", entropy_weight=0.1, log_probability_lr=1, gradient_clip=5)
    assert (len(model.generators), len(model.discriminators)) == (2, 3)
    assert isinstance(model.pairs.fakes, FullFakes)
    assert (model.entropy_weight, model.log_probability_lr, model.gradient_clip) == (0.1, 1.0, 5.0)


@pytest.mark.parametrize("size", [0, -1, 1.5, True, "5", None])
def test_a_size_that_is_no_count_is_refused(toy, size):
    with pytest.raises(ConfigurationError, match=f"size: expected a whole number of at least 1, got {size!r}"):
        mix(toy(), size)


@pytest.mark.parametrize("number", [0, -1, 1.5, True])
def test_so_is_such_a_number_of_discriminators(toy, number):
    with pytest.raises(ConfigurationError, match=f"num_discriminators: expected a whole number .* got {number!r}"):
        mix(toy(), 2, num_discriminators=number)


@pytest.mark.parametrize("fakes", ["half", "FULL", 1])
def test_another_way_of_sharing_is_refused(toy, fakes):
    with pytest.raises(ConfigurationError, match=f"fakes: expected one of split, full, proportional, got {fakes!r}"):
        mix(toy(), 2, fakes=fakes)


@pytest.mark.parametrize("option", ["entropy_weight", "log_probability_lr", "gradient_clip"])
@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), "0.1", True])
def test_a_coefficient_out_of_range_is_refused(toy, option, value):
    with pytest.raises(ConfigurationError, match=f"{option}: expected a number of at least 0, got {value!r}"):
        mix(toy(), 2, **{option: value})


def test_a_misspelt_option_is_told_by_python(toy):
    with pytest.raises(TypeError, match="entropy_wieght"):
        mix(toy(), 2, entropy_wieght=0.1)
