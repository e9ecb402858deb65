"""Pictures of samples: grids of images, scatter plots of points, and the panels of the paper's Figure 2."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

Picture = NDArray[np.uint8]  # (height, width, 3), or (height, width)

SMALLEST_SIDE = 32  # smaller images are enlarged to about this many pixels, nearest neighbour, to be seen at all


def to_uint8(images: Tensor) -> Tensor:
    """Images in [−1, 1] as uint8 in 0 … 255, rounded to nearest, values outside clamped."""
    return ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def grid(images: Tensor, columns: int | None = None) -> Picture:
    """Images (N, C, H, W) in [−1, 1], C = 1 or 3, as one picture (height, width, 3)."""
    scale = max(1, SMALLEST_SIDE // images.shape[-1])
    pixels = to_uint8(images.cpu()).repeat_interleave(scale, -1).repeat_interleave(scale, -2)
    columns = columns or math.ceil(math.sqrt(len(images)))
    return make_grid(pixels, nrow=columns, padding=2, pad_value=255).permute(1, 2, 0).numpy()


def write_png(path: Path, picture: Picture) -> None:
    """Write a picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


def is_images(samples: Tensor) -> bool:
    """Whether samples (N, *shape) can be shown as images."""
    return samples.ndim == 4 and samples.shape[1] in (1, 3)


def is_points(samples: Tensor) -> bool:
    """Whether samples (N, *shape) can be shown as points of a plane."""
    return samples.ndim == 2 and samples.shape[1] == 2


def extent(points: Tensor) -> float:
    """The largest |coordinate|; 1 where there is none: no points, all at 0, none finite."""
    finite = points[points.isfinite()]
    return (float(finite.abs().max()) if len(finite) else 0.0) or 1.0


def scatter(groups: Sequence[Tensor], limit: float | None = None) -> Picture:
    """Groups of points (n_i, 2), a colour each, as one square picture; axes from −limit to limit."""
    figure = Figure(figsize=(4, 4), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    for i, points in enumerate(groups):
        x, y = points.float().cpu().T.numpy()
        axes.scatter(x, y, s=4, alpha=0.6, linewidths=0, color=f"C{i % 10}")
    limit = limit or 1.1 * extent(torch.cat(list(groups)))
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit))
    axes.axis("off")
    return _rendered(figure)


def heatmap(matrix: Tensor, w_u: Tensor, w_v: Tensor) -> Picture:
    """A payoff matrix (Tu, Tv) as coloured cells, both players' weights along its sides; with numbers up to 10 × 10."""
    rows, columns = matrix.shape
    figure = Figure(figsize=(1.6 + 0.55 * columns, 1.4 + 0.45 * rows), dpi=110, layout="constrained")
    axes = figure.subplots()
    shown = axes.imshow(matrix.numpy(), cmap="cividis", aspect="auto")
    axes.set_xticks(range(columns), [f"D{j}\n{w:.2f}" for j, w in enumerate(w_v.tolist())], fontsize=7)
    axes.set_yticks(range(rows), [f"G{i}  {w:.2f}" for i, w in enumerate(w_u.tolist())], fontsize=7)
    middle = float(matrix.min() + matrix.max()) / 2
    for i in range(rows if max(rows, columns) <= 10 else 0):
        for j in range(columns):
            value = float(matrix[i, j])
            axes.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=7, color="wk"[value > middle])
    figure.colorbar(shown, ax=axes).ax.tick_params(labelsize=7)
    return _rendered(figure)


def panels(pictures: Sequence[tuple[str, Picture]], columns: int = 4, title: str = "") -> Picture:
    """Titled pictures side by side: the layout of the paper's Figure 2; a title above all."""
    columns = min(columns, len(pictures))
    rows = math.ceil(len(pictures) / columns)
    size = 3 * columns, 3.3 * rows + 0.5 * bool(title)  # inches
    figure = Figure(size, dpi=110, layout=ConstrainedLayoutEngine(hspace=0.05))
    every = figure.subplots(rows, columns, squeeze=False).flat
    for axes in every:
        axes.axis("off")
    for axes, (name, picture) in zip(figure.axes, pictures, strict=False):
        axes.imshow(picture, interpolation="nearest")
        axes.set_title(name, fontsize=10)
    figure.suptitle(title)
    return _rendered(figure)


def pairs(images: Tensor, names: Sequence[str], title: str = "") -> Picture:
    """Pairs of images, (K, 2, C, H, W) in [−1, 1], each pair side by side under its name; a title above all."""
    return panels([(name, grid(pair, columns=2)) for name, pair in zip(names, images, strict=True)], title=title)


def _rendered(figure: Figure) -> Picture:
    canvas = FigureCanvasAgg(figure)  # no pyplot: no global state, no display
    canvas.draw()
    picture = np.asarray(canvas.buffer_rgba())[..., :3].copy()
    figure.clear()  # it refers to itself: else it, and its buffer, wait for a collection, which comes seldom
    canvas.renderer = None
    return picture
