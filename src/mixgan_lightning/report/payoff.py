"""The payoff matrix as a heat map, with the weights of both players along its sides."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from markupsafe import Markup
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, to_hex
from numpy.typing import NDArray

from mixgan_lightning.report import palette
from mixgan_lightning.report.metrics import LARGEST
from mixgan_lightning.report.numbers import short
from mixgan_lightning.report.reading import read_text
from mixgan_lightning.report.run import PLAYERS, RunFiles, epoch_of
from mixgan_lightning.report.svg import Drawing, figure, inline
from mixgan_lightning.theory import nash_weights

MOST_WITH_NUMBERS = 10  # cells a side
CELL, SIDES, LEAST, MOST = 0.42, 1.1, 2.6, 4.6  # inches: of a cell, of what stands around them, of the whole figure

Matrix = NDArray[np.float64]


def payoff_maps(run: RunFiles) -> list[Drawing]:
    """The newest payoff matrix (Tu, Tv); none where there is none of more than one cell."""
    found = [(path, matrix) for path in run.payoffs[-1:] if (matrix := _read(path)) is not None]
    if not found or found[0][1].size < 2:
        return []
    path, matrix = found[0]
    title = f"payoff matrix after epoch {epoch_of(path)}"
    w_u, w_v = (_fitting(run.weights(player), n) for player, n in zip(PLAYERS, matrix.shape, strict=True))
    value = float(w_u @ matrix @ w_v)
    note = "" if not math.isfinite(value) else f"wᵤᵀ F wᵥ = {short(value)}, {_solved(matrix)}; bars: the weights"
    return [Drawing(title, _draw(matrix, w_u, w_v, title), note=note)]


def _solved(matrix: Matrix) -> str:
    """What the game would be worth, were both players' weights an equilibrium of this matrix."""
    return f"in equilibrium {short(nash_weights(torch.from_numpy(matrix)).value)}"


def _read(path: Path) -> Matrix | None:
    """None of a file that is no matrix of numbers."""
    lines = read_text(path).splitlines()
    try:
        matrix = np.loadtxt(lines, delimiter=",", ndmin=2) if lines else None
    except ValueError:
        return None
    return None if matrix is None else np.where(np.abs(matrix) < LARGEST, matrix, np.nan)


def _fitting(weights: Sequence[float], n: int) -> Matrix:
    """Uniform where they are not known."""
    return np.array(weights) if len(weights) == n else np.full(n, 1 / n)


def _draw(matrix: Matrix, w_u: Matrix, w_v: Matrix, title: str) -> Markup:
    rows, columns = matrix.shape
    width, height = (min(max(SIDES + CELL * n, LEAST), MOST) for n in (columns, rows))
    with figure((width, height)) as drawn:
        top, corner, cells, right = drawn.subplots(
            2, 2, width_ratios=(5, 1), height_ratios=(1, 5), sharex="col", sharey="row"
        ).flat
        corner.axis("off")
        _draw_cells(cells, matrix)
        _draw_weights(top, right, w_u, w_v)
        top.set_title("discriminators", fontsize=9, color=palette.MUTED)
        cells.set_ylabel("generators")
        alt = f"{title}: {rows} generators against {columns} discriminators, {_range(matrix)}"
        return inline(drawn, "payoff", alt)


def _draw_weights(top: Axes, right: Axes, w_u: Matrix, w_v: Matrix) -> None:
    """As bars, with numbers where cells have some."""
    above = top.bar(range(len(w_v)), w_v, color=palette.SERIES[1], alpha=0.7, width=0.75)
    beside = right.barh(range(len(w_u)), w_u, color=palette.SERIES[0], alpha=0.7, height=0.75)
    if max(len(w_u), len(w_v)) <= MOST_WITH_NUMBERS:
        top.bar_label(above, fmt="{:.2f}", fontsize=7, color=palette.MUTED, padding=1)
        right.bar_label(beside, fmt="{:.2f}", fontsize=7, color=palette.MUTED, padding=2)
    for axes in (top, right):
        axes.margins(x=0.02, y=0.02)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.tick_params(labelleft=False, labelbottom=False)
    top.set_ylim(0, 1.25 * float(np.nanmax(w_v, initial=1e-9)))
    right.set_xlim(0, 1.6 * float(np.nanmax(w_u, initial=1e-9)))


def _draw_cells(axes: Axes, matrix: Matrix) -> None:
    rows, columns = matrix.shape
    known = matrix[np.isfinite(matrix)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    scale, colors = Normalize(low, high if high > low else low + 1), colormaps["cividis"]
    axes.pcolormesh(
        np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5, np.ma.masked_invalid(matrix), cmap=colors, norm=scale
    )
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set(ylim=(rows - 0.5, -0.5), xlim=(-0.5, columns - 0.5))
    every = max(1, math.ceil(max(rows, columns) / MOST_WITH_NUMBERS))
    axes.set_xticks(range(0, columns, every), [f"D{j}" for j in range(0, columns, every)])
    axes.set_yticks(range(0, rows, every), [f"G{i}" for i in range(0, rows, every)])
    if every == 1:
        plain = 0.1 <= max(abs(low), abs(high)) < 100
        for (i, j), value in np.ndenumerate(matrix):
            color = palette.MUTED if math.isnan(value) else _readable(to_hex(colors(scale(value))))
            text = f"{value:.2f}".replace("-", "−") if plain else short(value)
            axes.text(j, i, text, ha="center", va="center", fontsize=7, color=color)


def _readable(background: str) -> str:
    """Black or white, whichever is farther from it."""
    red, green, blue = (int(background[k : k + 2], 16) for k in (1, 3, 5))
    return "#000000" if 0.299 * red + 0.587 * green + 0.114 * blue > 128 else "#ffffff"


def _range(matrix: Matrix) -> str:
    known = matrix[np.isfinite(matrix)]
    return f"from {short(known.min())} to {short(known.max())}" if known.size else "no finite values"
