"""Numbers, durations and sizes as people read them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mixgan_lightning.spread import Spread


def short(value: float) -> str:
    """Three significant digits, without an exponent where that is short.

    Example:
        >>> short(8), short(4.497), short(112.2), short(16896.0), short(-0.0123), short(3e12), short(float("nan"))
        ('8', '4.50', '112', '16,896', '−0.0123', '3e+12', 'nan')
    """
    size = abs(value)
    if not math.isfinite(value) or size >= 1e9 or 0 < size < 1e-4:
        text = f"{value:.3g}"
    elif size >= 100 or value == round(value):
        text = f"{value:,.0f}"
    else:
        text = f"{value:#.3g}"
    return text.replace("-", "−").replace("e−", "e-")


def spreads(of: Sequence[Spread]) -> list[str]:
    """mean ± sd of a column, all with as many digits after the point: two of the largest deviation.

    Example:
        >>> spreads([Spread(7.91, 0.234, 3), Spread(10.123, 0.071, 3)]), spreads([Spread(112.3, 19.4, 2)])
        (['7.91 ± 0.23', '10.12 ± 0.07'], ['112 ± 19'])
        >>> spreads([Spread(0.0123, None, 1)])
        ['0.0123']
    """
    sd = max((one.sd or 0.0 for one in of), default=0.0)
    if not 1e-6 < sd < 1e9:
        return [short(one.mean) if one.sd is None else f"{short(one.mean)} ± {short(one.sd)}" for one in of]
    digits = max(1 - math.floor(math.log10(sd)), 0)
    return [one.said(digits).replace("-", "−") for one in of]


def duration(seconds: float) -> str:
    """In the two largest units.

    Example:
        >>> duration(3.46), duration(161.3), duration(7384)
        ('3.5 s', '2 min 41 s', '2 h 3 min')
    """
    if not math.isfinite(seconds):
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
