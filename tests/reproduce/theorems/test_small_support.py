from itertools import pairwise

import numpy as np
import pytest

from mixgan_lightning.reproduce.theorems import SmallSupport

# D of width 32, 100 dimensions: docs/theorems.md, and another implementation's, whose training differed
MEASURED = {20: 0.995, 100: 0.972, 500: 0.713, 2_000: 0.302, 10_000: 0.073}
ELSEWHERE = [0.996, 0.92, 0.63, 0.30, 0.09]


@pytest.mark.parametrize("seed", [1, 2])
def test_more_atoms_fool_a_discriminator_and_a_larger_one_needs_more(seed):
    of = SmallSupport(dimension=20, widths=(4, 32), steps=150)
    found = [list(of.measure(n, seed).values()) for n in (5, 100, 2_000)]
    for few, many in pairwise(found):
        assert all(a > b for a, b in zip(few, many, strict=True))
    assert all(small < large for small, large in found)
    assert found[0][1] > 0.5
    assert max(found[-1]) < 0.1


def test_atoms_of_the_generator_are_all_there_is_of_it_and_real_samples_are_new(monkeypatch):
    of, seen = SmallSupport(dimension=1, widths=(1,), steps=1), []
    (critics,) = of.classes
    divergence = critics.divergence
    monkeypatch.setattr(critics, "divergence", lambda x, y, seed: seen.append((x, y)) or divergence(x, y, seed))
    of.measure(7, 0)
    ((real, fake),) = seen
    assert fake[::2].equal(fake[1::2])
    assert len(fake.unique()) == 7
    assert not set(real[::2].flatten().tolist()[:1_000]) & set(real[1::2].flatten().tolist()[:1_000])


@pytest.mark.slow
def test_the_values_at_width_32_in_100_dimensions():
    """The mean over seeds."""
    of = SmallSupport(widths=(32,))
    every = [[value for n in MEASURED for value in of.measure(n, seed).values()] for seed in (1, 2, 3)]
    assert all(found == sorted(found, reverse=True) for found in every)
    mean = np.mean(every, axis=0)
    assert mean == pytest.approx(list(MEASURED.values()), abs=0.03)
    assert mean == pytest.approx(ELSEWHERE, abs=0.1)
