import pytest
from matplotlib.figure import Figure
from PIL import Image

from mixgan_lightning.reproduce.size_picture import write_sizes
from mixgan_lightning.reproduce.theorems import Measurement
from mixgan_lightning.spread import Spread


class Known(Measurement):
    size_name, value_name, levels = "samples", "distance", {"true": 0.0, "largest": 1.0}

    def measure(self, size, seed):
        raise NotImplementedError


CURVES = {"train": {10: Spread(0.9, 0.1, 2), 1000: Spread(0.2, None, 1)}, "test": {10: Spread(0.0, 0.1, 2)}}


@pytest.fixture
def axes(monkeypatch, tmp_path):
    """Of the figure that was written."""
    drawn, save = [], Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda figure, *a, **o: drawn.append(figure) or save(figure, *a, **o))
    write_sizes(tmp_path / "known.png", CURVES, "Known", Known())
    assert Image.open(tmp_path / "known.png").getpixel((0, 0))[:3] == (255, 255, 255)
    return drawn[0].axes[0]


def test_columns_are_lines_with_bars_of_one_sd(axes):
    train, test = axes.containers
    assert [container.get_label() for container in (train, test)] == ["train", "test"]
    assert train[0].get_xydata().tolist() == [[10, 0.9], [1000, 0.2]]
    ((first, second),) = [[segment[:, 1].tolist() for segment in bars.get_segments()] for bars in train[2]]
    assert first == pytest.approx([0.8, 1.0])
    assert second == [0.2, 0.2]


def test_axes_are_named_and_ticks_are_the_sizes(axes):
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("samples", "distance", "Known")
    assert axes.get_xscale() == "log"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["10", "1,000"]


def test_levels_are_dashed_lines_that_can_be_told_apart(axes):
    levels = [line for line in axes.get_lines() if line.get_label() in Known.levels]
    assert [line.get_ydata()[0] for line in levels] == [0.0, 1.0]
    assert len({line.get_linestyle() for line in levels}) == 2
