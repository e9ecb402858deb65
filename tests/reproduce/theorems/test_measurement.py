import pytest

from mixgan_lightning.reproduce.theorems import DistancesOfSamples, NeuralNetGeneralisation, SmallSupport

SMALL = [
    (DistancesOfSamples(dimension=5), 10),
    (NeuralNetGeneralisation(dimension=3, width=2, steps=2), 10),
    (SmallSupport(dimension=3, widths=(2, 3), steps=2), 10),
]


@pytest.mark.parametrize(("measurement", "size"), SMALL, ids=lambda of: type(of).__name__)
def test_a_size_and_a_seed_make_the_same_values_again_and_another_seed_makes_others(measurement, size):
    first, again, other = (measurement.measure(size, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert list(first) == list(other) == list(measurement.measure(size + 1, 1))


@pytest.mark.parametrize(("measurement", "size"), SMALL, ids=lambda of: type(of).__name__)
def test_it_says_how_it_is_measured_and_what_the_axes_are(measurement, size):
    assert all(measurement.conditions())
    assert measurement.size_name != measurement.value_name
    assert set(measurement.levels.values()) >= {0.0}  # the distance of the distributions themselves
