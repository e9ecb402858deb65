import math

import pytest
import torch

from mixgan_lightning.errors import DataError
from mixgan_lightning.metrics import ClassCoverage


def coverage_of(classes, of=10):
    """Samples of these classes, in batches of 7."""
    coverage = ClassCoverage()
    logits = torch.randn(len(classes), of, generator=torch.Generator().manual_seed(0))
    logits[torch.arange(len(classes)), torch.as_tensor(classes)] = 100.0
    for batch in logits.split(7):
        coverage.update(batch)
    return coverage.compute()


def test_against_counts_written_out():
    classes = [0] * 50 + [3] * 30 + [7] * 20
    shares = (0.5, 0.3, 0.2)
    found = coverage_of(classes)
    assert found.classes == 3
    assert found.reverse_kl == pytest.approx(sum(p * math.log(p / 0.1) for p in shares), abs=1e-12)


def test_even_samples_are_at_zero_and_one_class_is_at_log_c():
    even, one = coverage_of(list(range(1000)) * 3, of=1000), coverage_of([4] * 20)
    assert (even.classes, one.classes) == (1000, 1)
    assert even.reverse_kl == pytest.approx(0, abs=1e-12)
    assert one.reverse_kl == pytest.approx(math.log(10))


def test_one_sample_is_enough_for_a_class():
    assert coverage_of([0] * 1000 + [5]).classes == 2


def test_a_reset_metric_knows_neither_samples_nor_classes():
    coverage = ClassCoverage()
    coverage.update(torch.eye(4))
    coverage.reset()
    coverage.update(torch.eye(3)[:2])
    assert coverage.compute().classes == 2
    assert coverage.compute().reverse_kl == pytest.approx(math.log(3 / 2))


@pytest.mark.parametrize("logits", [torch.zeros(4), torch.zeros(4, 0), torch.zeros(4, 2, 1)])
def test_logits_of_another_shape_are_refused(logits):
    with pytest.raises(DataError, match=r"\(N, classes\)"):
        ClassCoverage().update(logits)


def test_another_number_of_classes_than_before_is_refused():
    coverage = ClassCoverage()
    coverage.update(torch.eye(4))
    with pytest.raises(DataError, match="4 classes as before, got 5"):
        coverage.update(torch.eye(5))


def test_nan_is_refused_with_the_number_of_samples():
    with pytest.raises(DataError, match="NaN for 1 of 3"):
        ClassCoverage().update(torch.tensor([[0.0, 1.0], [torch.nan, 0.0], [1.0, 0.0]]))


@pytest.mark.filterwarnings("ignore:The ``compute`` method:UserWarning")
def test_no_samples_are_refused():
    with pytest.raises(DataError, match="got none"):
        ClassCoverage().compute()
