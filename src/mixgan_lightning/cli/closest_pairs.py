"""The picture of the samples that are most alike: what the birthday test counts as near-duplicates, to be looked at."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from mixgan_lightning import pictures
from mixgan_lightning.evaluation import BirthdayMeasure, Samples, Scoring


def draw_closest_pairs(scoring: Scoring, name: str, samples: Samples, path: Path) -> None:
    """Say what the birthday test of the samples scored last found, if there was one, and draw the pairs of images."""
    measure = next((measure for measure in scoring.measures if isinstance(measure, BirthdayMeasure)), None)
    if measure is None:
        return
    found = measure.found
    print(f"birthday test: {found}")
    images = _numbered(samples, found.closest.flatten())
    if pictures.is_images(images):
        names = [f"{distance:.3g}" for distance in found.distances.tolist()]
        title = f"{found}\nclosest pairs, alike up to a distance of {found.threshold:.3g}"
        pictures.write_png(path, pictures.pairs(images.unflatten(0, (-1, 2)), names, title))
        print(f"closest pairs of the {name}: {path}")


def _numbered(samples: Samples, numbers: Tensor) -> Tensor:
    """The samples of these numbers, drawn once more: what was scored is not kept."""
    wanted, found = set(numbers.tolist()), dict[int, Tensor]()
    for batch, index in samples.batches():
        found |= {n: sample for n, sample in zip(index.tolist(), batch.cpu(), strict=True) if n in wanted}
        if len(found) == len(wanted):
            break
    return torch.stack([found[n] for n in numbers.tolist()])
