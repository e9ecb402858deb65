from math import sqrt

import pytest

from mixgan_lightning.spread import Spread


def test_the_standard_deviation_is_over_n_minus_one():
    spread = Spread.of([1.0, 2.0, 6.0])
    assert (spread.mean, spread.n) == (3.0, 3)
    assert spread.sd == pytest.approx(sqrt((4 + 1 + 9) / 2))
    assert spread.said(1) == "3.0 ± 2.6"


def test_one_value_has_no_standard_deviation():
    assert Spread.of([1.25]) == Spread(1.25, None, 1)
    assert Spread.of([1.25]).said(3) == "1.250"


def test_equal_values_have_one_of_zero():
    assert Spread.of([8.0, 8.0]).said(1) == "8.0 ± 0.0"


def test_what_rounds_to_zero_has_no_sign():
    assert Spread.of([-0.0002]).said(3) == "0.000"
    assert Spread.of([-0.002]).said(3) == "-0.002"
