import numpy as np
import pytest

from mixgan_lightning.report.payoff import payoff_maps
from mixgan_lightning.report.run import read_run


def drawn(folder, matrix=None):
    if matrix is not None:
        np.savetxt(folder / "payoff" / "epoch_0020.csv", matrix, delimiter=",")
    return payoff_maps(read_run(folder))


def test_the_newest_matrix_with_its_numbers_and_value(make_run):
    (found,) = drawn(make_run(size=2), [[1.0, -2.0], [0.5, 3.0]])
    assert found.title == "payoff matrix after epoch 20"
    assert all(f">{text}</text>" in found.svg for text in ("1.00", "−2.00", "0.50", "3.00", "G1", "D1"))
    assert found.note.startswith("wᵤᵀ F wᵥ = 0.625, in equilibrium 0.727;")  # (1·3 + 2·½) / (1 + 3 + 2 − ½)


def test_more_generators_than_discriminators(make_run):
    (found,) = drawn(make_run(size=3), np.arange(6.0).reshape(3, 2))
    assert "3 generators against 2 discriminators, from 0 to 5" in found.svg


def test_large_ones_are_without_numbers(make_run):
    (found,) = drawn(make_run(size=20))
    assert ">−1.40</text>" not in found.svg
    assert len(found.svg) < 150_000


@pytest.mark.parametrize(
    "matrix", [np.full((3, 3), np.nan), np.full((3, 3), np.inf), np.zeros((3, 3)), np.eye(3) * 1e300]
)
def test_any_numbers_can_be_drawn(matrix, make_run):
    assert len(drawn(make_run(), matrix)) == 1


@pytest.mark.parametrize("text", ["", "a,b\nc,d", "1,2\n3"])
def test_a_file_that_is_no_matrix_is_left_out(text, make_run, recwarn):
    folder = make_run()
    (folder / "payoff" / "epoch_0020.csv").write_text(text)
    assert drawn(folder) == []
    assert [str(warning.message) for warning in recwarn] == []


def test_one_gan_has_no_matrix(make_run):
    assert drawn(make_run(size=1)) == []
