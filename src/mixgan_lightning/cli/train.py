"""mixgan-train: compose, train, measure, show."""

from __future__ import annotations

import logging
import time
import warnings
from pathlib import Path

import pytorch_lightning as pl
import torch
import wandb
from hydra.utils import instantiate
from omegaconf import DictConfig
from pytorch_lightning.loggers import Logger

from mixgan_lightning import checkpoint, log_names, mix
from mixgan_lightning.callbacks import QualityCallback
from mixgan_lightning.cli import command
from mixgan_lightning.cli.results import Results
from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.gan_factory import plain
from mixgan_lightning.module import MixGANModule

NOISE = (  # what third parties say at every run
    ".*does not have many workers.*",
    ".*no `validation_step`.*",
    ".*treespec, LeafSpec.*",
    ".*number of training batches.*is smaller than the logging interval.*",
    ".*Checkpoint directory .* exists and is not empty.*",
    ".*Experiment logs directory .* exists and is not empty.*",
)


def main() -> None:
    """The command."""
    command.run(train, "train")


def train(config: DictConfig) -> float:
    """One run; returns the objective, for sweeps."""
    if not config.verbose:
        _quiet()
    if config.ckpt_path is not None:
        checkpoint.read(config.ckpt_path)  # before anything is built
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    run_dir = Path(config.run_dir)
    pl.seed_everything(config.seed, workers=True, verbose=False)
    try:
        datamodule = instantiate(config.data)
        model = mix(config.gan, **plain(config.mixture))
        trainer = _trainer(config, run_dir)
        start = time.perf_counter()
        trainer.fit(model, datamodule=datamodule, ckpt_path=config.ckpt_path, weights_only=True)
        seconds = time.perf_counter() - start
        trainer.save_checkpoint(run_dir / "checkpoints" / "last.ckpt")
        return _conclude(config.objective, trainer, model, run_dir, seconds)
    finally:
        wandb.finish()  # each run of a sweep closes its own


def _trainer(config: DictConfig, run_dir: Path) -> pl.Trainer:
    _keep_metrics(run_dir)
    callbacks = [instantiate(callback) for callback in config.callbacks.values() if callback]
    loggers = [instantiate(logger) for logger in config.logger.values() if logger]
    return instantiate(config.trainer, callbacks=callbacks, logger=loggers or False)


def _keep_metrics(run_dir: Path) -> None:
    """Lightning's CSVLogger deletes an earlier run's metrics.csv in the same folder: move it aside."""
    if (run_dir / "metrics.csv").exists():
        n = len(list(run_dir.glob("metrics.before_*.csv")))
        (run_dir / "metrics.csv").rename(run_dir / f"metrics.before_{n}.csv")


def _conclude(objective: str, trainer: pl.Trainer, model: MixGANModule, run_dir: Path, seconds: float) -> float:
    """Measure the final model; log, save and show the results."""
    results = _results(trainer, model, seconds)
    if objective not in results.mixture:
        raise ConfigurationError(
            f"objective={objective}: expected one of the measured values, {', '.join(results.mixture) or 'none'}"
        )
    for logger in trainer.loggers:
        _log_objective(logger, results.mixture[objective], trainer, results.images_seen)
    if trainer.is_global_zero:
        results.save(run_dir / "results.json")
        results.show(run_dir)
    return results.mixture[objective]


def _results(trainer: pl.Trainer, model: MixGANModule, seconds: float) -> Results:
    quality = [callback for callback in trainer.callbacks if isinstance(callback, QualityCallback)]  # type: ignore[attr-defined]
    return Results(
        size=len(model.generators),
        mixture={name: value for callback in quality for name, value in callback.measure(model).items()},
        real={name: value for callback in quality for name, value in callback.real.items()},
        num_samples=max((callback.num_samples or 0 for callback in quality), default=0),
        generator_weights=model.generators.weights.tolist(),
        discriminator_weights=model.discriminators.weights.tolist(),
        generators_in_use=float(model.generators.effective_size),
        discriminators_in_use=float(model.discriminators.effective_size),
        images_seen=model.played.images_seen,
        seconds=seconds,
    )


def _log_objective(logger: Logger, objective: float, trainer: pl.Trainer, images_seen: int) -> None:
    values = {log_names.OBJECTIVE: objective, log_names.IMAGES_SEEN: float(images_seen)}
    logger.log_metrics(values, step=trainer.global_step)
    logger.save()


def _quiet() -> None:
    """Keep third parties' notes out of the terminal; what goes wrong is still said."""
    for name in ("pytorch_lightning", "pytorch_lightning.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in NOISE:
        warnings.filterwarnings("ignore", message)


if __name__ == "__main__":
    main()
