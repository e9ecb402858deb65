"""What a score costs: the first value of a results table over the seconds of training, a mark a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from mixgan_lightning.spread import Spread

MARKS = "osD^vP*X<>"  # with ten colours a mark of its own for each of a hundred rows


@dataclass(frozen=True)
class Cost:
    """One row."""

    label: str  # bold in Markdown: a mixture, drawn filled
    seconds: float
    value: Spread


def write_costs(path: Path, costs: Sequence[Cost], title: str, heading: str, real: float | None) -> None:
    """Draw and write.

    Args:
        path: a .png file.
        costs: the marks, with bars of one sd.
        title: above.
        heading: of the values.
        real: the value of real data, a dashed line.
    """
    figure = Figure(figsize=(9, 4.2), dpi=160, layout="constrained")
    axes = figure.subplots()
    for i, cost in enumerate(costs):
        color, bold = f"C{i % 10}", cost.label.startswith("**")
        axes.errorbar(
            cost.seconds,
            cost.value.mean,
            cost.value.sd,
            fmt=MARKS[i % len(MARKS)],
            color=color,
            markerfacecolor=color if bold else "white",
            capsize=2,
            label=cost.label.replace("**", ""),
        )
    if real is not None:
        axes.axhline(real, color="0.4", linestyle="--", linewidth=1, label="real data")
    axes.set(title=title, xlabel="CPU seconds of training (median)", ylabel=heading, xscale="log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    figure.savefig(path, metadata={"Software": None})  # the same bytes whatever drew it
