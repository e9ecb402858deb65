"""mixgan-evaluate: one table of a checkpoint, or of a folder of images, beside real data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor

from mixgan_lightning import MixGANModule, checkpoint
from mixgan_lightning.callbacks import QualityCallback
from mixgan_lightning.cli import command
from mixgan_lightning.cli.closest_pairs import draw_closest_pairs
from mixgan_lightning.cli.data import datamodule_of
from mixgan_lightning.cli.device import device_of
from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.evaluation import DrawnSamples, FolderSamples, RealSamples, Samples, Scoring, real_batch
from mixgan_lightning.evaluation.bar import bar
from mixgan_lightning.evaluation.outcome import REAL, Outcome
from mixgan_lightning.features import checksum
from mixgan_lightning.gan import images_of
from mixgan_lightning.gan_factory import plain
from mixgan_lightning.options import check_count
from mixgan_lightning.theory import duality_gap

PACKAGES = ("mixgan_lightning", "torch", "torchmetrics", "torch-fidelity")


def main() -> None:
    """The command."""
    command.run(evaluate, "evaluate")


def evaluate(config: DictConfig) -> None:
    """Load, draw, score, show."""
    if (config.ckpt_path is None) == (config.images is None):
        came = "neither" if config.images is None else "both; leave one out"
        raise ConfigurationError(f"expected ckpt_path=FILE (a mixture's checkpoint) or images=DIR (images), got {came}")
    if config.n is not None:
        check_count("n", config.n)
    _check_groups(config)
    device = device_of(config.device)
    outcome = _of_folder(config, device) if config.ckpt_path is None else _of_checkpoint(config, device)
    outcome.save(Path(config.out))
    outcome.show()
    print(f"written to {config.out}.md and {config.out}.json")


def _check_groups(config: DictConfig) -> None:
    """Options that hold others."""
    given = {"duality_gap": config.duality_gap} | ({} if config.also is None else {"also": config.also})
    if isinstance(config.also, DictConfig):
        given |= {f"also.{name!s}": measure for name, measure in config.also.items() if measure is not None}
    for name, options in given.items():
        if not isinstance(options, DictConfig):
            raise ConfigurationError(f"{name}={options}: expected options of its own, {name}.NAME=…; --help lists them")


def _of_checkpoint(config: DictConfig, device: torch.device) -> Outcome:
    model = MixGANModule.load_from_checkpoint(
        config.ckpt_path, device, make_gan=plain(config.make_gan), weights=config.weights
    )
    weights = checkpoint.choose(checkpoint.read(config.ckpt_path), config.weights)[1]
    datamodule, quality = _data(config), _quality(config, config.n)
    drawn, real = tuple(model.sample(1, seed=0)[0].shape[1:]), _sample_shape(datamodule, model.gan.images)
    if drawn != real:
        raise ConfigurationError(
            f"{config.ckpt_path} draws samples of shape {drawn}, the data hold {real}; choose the data that it was "
            "trained on (data=NAME and its options)"
        )
    found_gap = _duality_gap(config, model, datamodule)  # first: what cannot be had must not cost a whole scoring
    quality.prepare(model, datamodule)
    n, seed = quality.scoring.num_samples or 0, quality.seed
    samples: dict[str, Samples] = {"mixture": DrawnSamples(model.sampler, n, seed)}
    w = model.generators.weights.tolist() if len(model.generators) > 1 else []
    samples |= {f"component {i}": DrawnSamples(model.sampler, n, seed, component=i) for i in range(len(w))}
    return Outcome(
        source=str(config.ckpt_path),
        rows=_rows(quality.scoring, samples, config.out),
        component_weights=w,
        seed=seed,
        weights=weights,
        duality_gap=found_gap,
        **_conditions(quality.scoring, config),
    )


def _duality_gap(config: DictConfig, model: MixGANModule, datamodule: pl.LightningDataModule) -> dict[str, Any] | None:
    """Of the game as the checkpoint holds it, on held-out data; None where it was not asked for."""
    options = plain(config.duality_gap)
    if options["steps"] is None:
        return None
    data = real_batch(datamodule, "held_out", model.gan.images, check_count("num_samples", options.pop("num_samples")))
    found = duality_gap(model, data, seed=config.seed, **options)
    return {"gap": found.gap, **asdict(found)}


def _of_folder(config: DictConfig, device: torch.device) -> Outcome:
    for name, asked in (("duality_gap.steps", config.duality_gap.steps), ("weights", config.weights)):
        if asked is not None:
            raise ConfigurationError(f"{name}={asked}: is of a checkpoint (ckpt_path=FILE); images=DIR has no networks")
    datamodule = _data(config)
    folder = FolderSamples(config.images, channels=_sample_shape(datamodule, images_of)[0], limit=config.n)
    quality = _quality(config, len(folder))
    quality.observe(datamodule, images_of, device)
    quality.scoring.check(folder)
    return Outcome(
        source=str(config.images),
        rows=_rows(quality.scoring, {"images": folder}, config.out),
        component_weights=[],
        seed=None,
        weights=None,
        **_conditions(quality.scoring, config),
    )


def _quality(config: DictConfig, n: int | None) -> QualityCallback:
    """The data's own quality callback: the measures, the features, and how many samples."""
    if not config.callbacks.quality:
        raise ConfigurationError(
            "nothing is measured of these data by themselves: add callbacks/quality=inception (images in [-1, 1]), or "
            "+callbacks.quality._target_=… of your own"
        )
    also: dict[str, Any] = plain(config.also) or {}
    own: dict[str, Any] = plain(config.callbacks.quality) | {"seed": config.seed}
    if n is not None:
        own["num_samples"] = n
    if own.get("also"):
        own["also"] = {name: measure for name, measure in own["also"].items() if name not in also}
    found = instantiate(own)
    if not isinstance(found, QualityCallback):
        raise ConfigurationError(f"callbacks.quality: expected a QualityCallback, got {type(found).__name__}")
    for measure in [instantiate(measure) for measure in also.values() if measure]:
        if measure.needs is None or found.scoring.features is not None:
            found.scoring.add(measure)
    return found


def _data(config: DictConfig) -> pl.LightningDataModule:
    datamodule = datamodule_of(config.data)
    if datamodule is None:
        raise ConfigurationError("data=none: expected the data that the samples are compared with")
    datamodule.prepare_data()
    datamodule.setup("fit")
    return datamodule


def _sample_shape(datamodule: pl.LightningDataModule, images: Callable[[Any], Tensor]) -> tuple[int, ...]:
    """Of the real data."""
    batch, _ = next(RealSamples(datamodule, "train", images, limit=1).batches())
    return tuple(batch.shape[1:])


def _rows(scoring: Scoring, samples: dict[str, Samples], out: str) -> dict[str, dict[str, float]]:
    """Every set of samples, and real data; of the first set, a picture of its closest pairs."""
    rows = {}
    for name, of_row in samples.items():
        with bar(name, len(of_row)) as progress:
            rows[name] = scoring.score(of_row, progress)
        if len(rows) == 1:
            draw_closest_pairs(scoring, name, of_row, Path(f"{out}_closest_pairs.png"))
    return rows | ({REAL: scoring.real} if scoring.real else {})


def _conditions(scoring: Scoring, config: DictConfig) -> dict[str, Any]:
    """What every outcome says of how it was measured."""
    features = scoring.features
    return {
        "real_splits": dict(scoring.real_splits),
        "num_samples": scoring.num_samples,
        "features": None if features is None else type(features).__name__,
        "features_sha256": None if features is None else checksum(features),
        "measures": {type(m).__name__.removesuffix("Measure"): m.settings for m in scoring.measures},
        "data": plain(config.data),
        "device": str(scoring.device),
        "versions": {name: version(name) for name in PACKAGES},
    }


if __name__ == "__main__":
    main()
