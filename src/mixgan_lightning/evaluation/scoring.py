"""One pass over a set of samples, many measures: the same code for a mixture, its components, a folder, real data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from pytorch_lightning.utilities import rank_zero_warn
from torch import nn

from mixgan_lightning.errors import ConfigurationError, DataError
from mixgan_lightning.evaluation.bar import Progress, bar, unseen
from mixgan_lightning.evaluation.measure import Measure
from mixgan_lightning.evaluation.real_data import LOADERS, SPLITS, RealSamples, Split
from mixgan_lightning.evaluation.samples import Samples
from mixgan_lightning.evaluation.seen import Seen, check_one_pass, has_embedding, see
from mixgan_lightning.processes import own_share, together
from mixgan_lightning.sampling import own_stream

Real = Callable[[Split, int | None], RealSamples]  # (split, limit) -> the first so many real samples of it


class Scoring:
    """Measures sets of samples, each in a single pass: every sample is generated once, its features computed once.

    With several processes each passes over its share, and all return the values of the whole.

    Args:
        measures: what is measured.
        features: maps samples to what the measures need (``see``); None where none needs any.
        num_samples: how many samples every set has; None: as many as there are held-out real ones. Most values depend
            on it, so real data are scored in equal numbers, or not at all.

    Attributes:
        real: the real data's own values, under their log names; filled by ``prepare``.
        real_splits: which real data each value is of.

    Raises:
        ConfigurationError: a measure without the features that it needs.
    """

    def __init__(self, measures: Sequence[Measure], features: nn.Module | None, num_samples: int | None) -> None:
        self.measures: list[Measure] = []
        self.features = features
        self.asked = self.num_samples = num_samples
        self.device = torch.device("cpu")
        self.real: dict[str, float] = {}
        self.real_splits: dict[str, Split] = {}
        for measure in measures:
            self.add(measure)

    def add(self, measure: Measure) -> None:
        """Measure this, too; before ``prepare``."""
        self._check_features(measure)
        self.measures.append(measure)

    def prepare(self, real: Real, device: torch.device, *, shown: bool = True) -> None:
        """Show the measures their references and measure real data, before any sample.

        Args:
            real: gives real samples of a split; empty ones where there are none.
            device: where features and measures are computed.
            shown: whether bars tell how far it is; only in a terminal.

        Raises:
            DataError: when a measure needs real data and there are none.
            ConfigurationError: when num_samples are too few for a measure.
        """
        self.device = device
        if self.features is not None:
            self.features.to(device)
        with own_stream(device, 0):  # a DataLoader draws from torch's global stream
            with together():
                self._count(real)
            for measure in self.measures:
                measure.forget()
            for split in SPLITS:
                self._observe(real, split, shown)
            for measure in self.measures:
                measure.ready(self._home)
            self._measure_real(real, shown)

    def score(
        self, samples: Samples, progress: Progress = unseen, measures: Sequence[Measure] | None = None
    ) -> dict[str, float]:
        """The values of a set of samples under their log names; of some of the measures only, if asked."""
        measures = self.measures if measures is None else measures
        for measure in measures:
            measure.reset()
        with together(), own_stream(self.device, 0), torch.no_grad():
            for seen in self._share_of(samples, measures, progress):
                for measure in measures:
                    measure.update(seen)
        return {name: value for measure in measures for name, value in measure.values().items()}

    def check(self, samples: Samples) -> None:
        """Whether the features fit a first batch of samples, before any training.

        Raises:
            DataError: see ``see``.
        """
        with own_stream(self.device, 0):
            batch, index = next(iter(samples.batches()))
            batch = batch.to(self.device)
            see(self.features, batch, index)
            check_one_pass(self.features, batch)

    @property
    def _home(self) -> torch.device:
        """Where the metrics are: on the CPU instead of Apple's device, which has no float64."""
        return torch.device("cpu") if self.device.type == "mps" else self.device

    def _candidates(self) -> list[Split]:
        """Those that some measure may have its real row of."""
        return [split for split in SPLITS if any(split in measure.real_rows for measure in self.measures)]

    def _share_of(self, samples: Samples, measures: Sequence[Measure], progress: Progress) -> Iterator[Seen]:
        """This process's samples as these measures see them: with features, where one of them looks at any."""
        needs = {measure.needs for measure in measures}
        features = self.features if needs != {None} else None
        share, scored = own_share(), 0
        for batch, index in samples.batches(share):
            yield see(features, batch.to(self.device), index, embedding="embedding" in needs).to(self._home)
            scored = min(scored + len(batch) * share.size, len(samples))
            progress(scored)

    def _check_features(self, measure: Measure) -> None:
        name, given = type(measure).__name__, type(self.features).__name__
        if measure.needs is not None and self.features is None:
            raise ConfigurationError(f"{name} is computed in features of the samples; pass features=, a module")
        if measure.needs == "embedding" and not has_embedding(self.features):
            raise ConfigurationError(
                f"{name} needs features with a method embedding(samples) -> (N, d); {given} has none: add one, or "
                "leave this measure out"
            )

    def _count(self, real: Real) -> None:
        self.num_samples = self.asked
        if self.num_samples is None:
            self.num_samples = len(_there("num_samples=None", real("held_out", None)))
        for measure in self.measures:
            if self.num_samples < measure.least:
                raise ConfigurationError(
                    f"num_samples={self.num_samples}: {type(measure).__name__} needs at least {measure.least} "
                    "samples; draw more, or use fewer splits or neighbours"
                )

    def _observe(self, real: Real, split: Split, shown: bool) -> None:
        wanting = [measure for measure in self.measures if measure.reference == split]
        if not wanting:
            return
        with together():
            samples = _there(type(wanting[0]).__name__, real(split, None))
        with together(), torch.no_grad(), bar(f"real data, {split}", len(samples), shown) as progress:
            for seen in self._share_of(samples, wanting, progress):
                for measure in wanting:
                    measure.observe(seen)

    def _measure_real(self, real: Real, shown: bool) -> None:
        """Each measure's real row, from as many samples as are drawn, in one pass a split."""
        assert self.num_samples is not None
        self.real, self.real_splits = {}, {}
        with together():
            held = {split: real(split, self.num_samples) for split in self._candidates()}
            counts = {split: len(samples) for split, samples in held.items()}
        enough = [split for split, count in counts.items() if count == self.num_samples]
        for split in enough:
            measured = [m for m in self.measures if next((s for s in m.real_rows if s in enough), None) == split]
            if not measured:  # all that could have their row here have it elsewhere
                continue
            with bar(f"real data, {split}", self.num_samples, shown) as progress:
                values = self.score(held[split], progress, measures=measured)
            self.real |= values
            self.real_splits |= dict.fromkeys(values, split)
        left = [m for m in self.measures if not any(split in enough for split in m.real_rows)]
        if any(counts[split] for m in left for split in m.real_rows):
            rank_zero_warn(
                f"{', '.join(type(m).__name__ for m in left)}: num_samples={self.num_samples}, more than there are "
                "real samples; scores compare only at equal numbers of samples, so real data are not scored"
            )


def _there(who: str, samples: RealSamples) -> RealSamples:
    """Samples that must be there."""
    if not len(samples):
        raise DataError(
            f"{who} compares samples with real data ({samples.split}): call trainer.fit(model, datamodule=...) with a "
            f"LightningDataModule that has {LOADERS[samples.split]}"
        )
    return samples
