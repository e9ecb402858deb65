"""A mean and a standard deviation over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev


@dataclass(frozen=True)
class Spread:
    """mean ± sd of n values, sd² = Σ (x − mean)² / (n − 1); one value has no sd.

    Example:
        >>> Spread.of([7.0, 8.0, 9.0]).said(2), Spread.of([7.0]).said(2)
        ('8.00 ± 1.00', '7.00')
    """

    mean: float
    sd: float | None
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        return cls(mean(values), stdev(values) if len(values) > 1 else None, len(values))

    def said(self, digits: int) -> str:
        """With so many digits after the point; no −0."""
        return f"{self.mean:z.{digits}f}" + ("" if self.sd is None else f" ± {self.sd:.{digits}f}")
