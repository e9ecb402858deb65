import math

import numpy as np
import pytest
import torch
from scipy.stats import chi2

from mixgan_lightning.data import DigitsDataModule
from mixgan_lightning.errors import ConfigurationError, DataError
from mixgan_lightning.theory import birthday, birthday_support, near_duplicate_distance
from mixgan_lightning.theory.birthday import fewest_samples, poisson_interval

NEAR = 0.05  # between the noise of an atom, 1e-3, and the distance of two
SEEDS = 20


def drawn(atoms, n, seed, noise=1e-3):
    """n samples of so many atoms in 16 dimensions, with a little noise."""
    stream = torch.Generator().manual_seed(seed)
    centers = torch.randn(atoms, 16, generator=stream)
    chosen = torch.randint(atoms, (n,), generator=stream)
    return centers[chosen] + noise * torch.randn(n, 16, generator=stream)


@pytest.mark.parametrize(("atoms", "n"), [(100, 60), (100, 400), (1_000, 200), (1_000, 2_000), (10_000, 800)])
def test_the_interval_holds_the_number_of_atoms(atoms, n):
    """19 times of 20: at least 16 of 20 seeds, which a right interval fails once in 400."""
    found = [birthday_support(drawn(atoms, n, seed), NEAR) for seed in range(SEEDS)]
    assert sum(support.low <= atoms <= support.high for support in found) >= 16
    assert all(support.low < support.estimate < support.high for support in found if support.pairs)
    estimates = [support.estimate for support in found if support.pairs]
    assert np.median(estimates) == pytest.approx(atoms, rel=0.25)


def test_the_estimate_is_the_birthday_formula_on_pairs_counted_one_by_one(monkeypatch):
    monkeypatch.setattr(birthday, "BLOCK", 7)  # many blocks, the last one shorter
    samples = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    distances = {(i, j): float((samples[i] - samples[j]).norm()) for i in range(40) for j in range(i + 1, 40)}
    found = birthday_support(samples, threshold=0.8)
    pairs = sum(distance <= 0.8 for distance in distances.values())
    assert (found.pairs, found.samples, found.threshold) == (pairs, 40, 0.8)
    assert found.estimate == 40 * 39 / 2 / pairs
    closest = sorted(distances, key=distances.get)[:8]
    assert [tuple(sorted(pair)) for pair in found.closest.tolist()] == closest
    assert found.distances.tolist() == pytest.approx([distances[pair] for pair in closest], abs=1e-6)


def test_the_threshold_is_a_quantile_of_nearest_distances(monkeypatch):
    monkeypatch.setattr(birthday, "BLOCK", 7)
    samples = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    distances = torch.cdist(samples.double(), samples.double(), compute_mode="donot_use_mm_for_euclid_dist")
    nearest = distances.fill_diagonal_(math.inf).amin(1).numpy()
    for quantile in (0, 0.01, 0.5, 1):
        expected = np.quantile(nearest, quantile, method="lower")
        assert near_duplicate_distance(samples, quantile) == pytest.approx(expected, abs=1e-6)
    assert near_duplicate_distance(samples) == near_duplicate_distance(samples, 0.01)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_of_unequal_probabilities_it_estimates_the_inverse_of_their_sum_of_squares(share):
    """One atom with a large share, a thousand others: Poisson's interval of all pairs would be far too narrow."""
    p = torch.tensor([share] + [(1 - share) / 1_000] * 1_000, dtype=torch.float64)
    effective, held, narrow = float(1 / (p * p).sum()), 0, 0
    for seed in range(SEEDS):
        stream = torch.Generator().manual_seed(seed)
        centers = torch.randn(1_001, 16, generator=stream)
        found = birthday_support(centers[p.multinomial(500, replacement=True, generator=stream)], NEAR)
        held += found.low <= effective <= found.high
        low, high = (500 * 499 / 2 / end for end in reversed(poisson_interval(found.pairs)))
        narrow += low <= effective <= high
    assert held >= 16 > narrow


def test_without_a_collision_it_says_at_least():
    found = birthday_support(torch.randn(100, 16), threshold=1e-3)
    assert (found.pairs, found.estimate, found.high) == (0, math.inf, math.inf)
    assert found.low == pytest.approx(100 * 99 / 2 / -math.log(0.025))  # P(none) = 2.5 %
    assert str(found) == "no collision among 100 samples: at least 1,342"


def test_the_interval_is_told_in_words():
    found = birthday_support(drawn(100, 60, seed=0), NEAR)
    about = f"about {60 * 59 / 2 / found.pairs:,.0f} ({found.low:,.0f} … {found.high:,.0f})"
    assert str(found) == f"{about}: {found.pairs} colliding pairs among 60 samples"


@pytest.mark.parametrize("count", [0, 1, 7, 1_000, 50_000_000])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_poissons_interval_is_garwoods(count, confidence):
    tail = (1 - confidence) / 2
    expected = chi2.ppf(tail, 2 * count) / 2 if count else 0, chi2.ppf(1 - tail, 2 * count + 2) / 2
    assert poisson_interval(count, confidence) == pytest.approx(expected, rel=1e-6)


def test_exact_copies_are_found_at_threshold_zero():
    """A matrix product would put them at 1e-6 or so."""
    atoms = 100 + torch.randn(50, 3_000)
    found = birthday_support(atoms.repeat(2, 1), threshold=0)
    assert found.pairs == 50
    assert found.closest.diff(dim=1).eq(50).all()


def test_copies_among_the_real_samples_do_not_make_the_threshold_0():
    """Else a collapsed generator with a little noise would pass for one without a single collision."""
    real = torch.randn(300, 8)
    without = near_duplicate_distance(real)
    assert near_duplicate_distance(torch.cat([real, real[:20]])) == pytest.approx(without, rel=0.2)
    collapsed = real[:20].repeat(18, 1) + 1e-3 * torch.randn(360, 8)
    found = birthday_support(collapsed, near_duplicate_distance(torch.cat([real, real[:20]])))
    assert 20 < found.estimate < 23
    with pytest.raises(DataError, match="expected different samples, got 30 copies of one"):
        near_duplicate_distance(torch.ones(30, 8))


def test_eight_bit_images_are_compared_as_numbers():
    images = torch.randint(256, (40, 1, 4, 4), dtype=torch.uint8)
    assert birthday_support(images[torch.arange(80) % 40], 0.0).pairs == 40
    assert near_duplicate_distance(images) == near_duplicate_distance(images.float())


def test_of_few_samples_only_pairs_are_shown():
    found = birthday_support(torch.arange(4.0)[:, None], 0.5, confidence=0.5)
    assert len(found.closest) == 6
    assert found.distances.isfinite().all()


def test_images_are_compared_by_all_their_pixels():
    images = torch.rand(30, 3, 4, 4)
    images[20] = images[3] + 1e-4
    found = birthday_support(images, threshold=0.01)
    assert found.closest[0].tolist() == [3, 20]
    assert found.pairs == 1


@pytest.fixture(scope="module")
def digits():
    return tuple(images for images, _ in DigitsDataModule().load())


def test_real_digits_have_a_large_support_and_a_collapsed_generator_has_not(digits):
    train, held_out = digits
    threshold = near_duplicate_distance(held_out)
    real = birthday_support(train[:360], threshold)
    stream = torch.Generator().manual_seed(0)
    modes = train[torch.randint(20, (360,), generator=stream)]
    collapsed = birthday_support(modes + 0.02 * torch.randn(modes.shape, generator=stream), threshold)
    assert collapsed.low <= 20 <= collapsed.high
    assert real.low > 1_000 > 10 * collapsed.high


@pytest.mark.parametrize("n", [1, 8])
def test_too_few_samples_are_refused_with_the_number_that_it_takes(n):
    with pytest.raises(DataError, match=rf"samples: expected at least 9 samples, \(N, \*shape\), got \({n}, 2\)"):
        birthday_support(torch.randn(n, 2), 0.1)


def test_with_the_fewest_samples_no_collision_excludes_a_support_smaller_than_they_are():
    for confidence in (0.5, 0.95, 0.999):
        n = fewest_samples(confidence)
        assert birthday_support(torch.randn(n, 9), 0, confidence).low >= n
        rate = poisson_interval(0, confidence)[1]
        assert (n - 1) * (n - 2) / 2 / rate < n - 1


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: birthday_support(x, -1.0), ConfigurationError, "threshold: expected a distance of at least 0"),
        (lambda x: birthday_support(x, math.nan), ConfigurationError, "threshold: expected a distance"),
        (lambda x: birthday_support(x, 1.0, 1), ConfigurationError, "confidence: expected a number between 0 and 1"),
        (lambda x: birthday_support(x * math.nan, 1.0), DataError, "NaN or infinity in 20 of 20"),
        (lambda x: near_duplicate_distance(x, 2), ConfigurationError, "quantile: expected a number in 0 … 1, got 2"),
        (lambda x: near_duplicate_distance(x[:1]), DataError, "real: expected at least 2 samples"),
        (lambda x: near_duplicate_distance(x[:, 0]), DataError, r"\(N, \*shape\), got \(20,\)"),
    ],
)
def test_what_cannot_be_is_told(call, error, message):
    with pytest.raises(error, match=message):
        call(torch.randn(20, 2))


def test_blocks_of_ten_thousand_samples_are_small():
    """What is held beside the samples: three blocks of 1,024 rows at most, whatever their number."""
    samples, held = torch.zeros(3_000, 2), []
    for _, _, block in birthday._blocks(samples):
        held.append(block.numel())
    assert max(held) <= birthday.BLOCK**2
    assert sum(held) >= 3_000 * 2_999 / 2
