"""mixgan-train: compose, train, measure, show."""

from __future__ import annotations

import logging
import math
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
import wandb
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, ListConfig, OmegaConf
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only
from pytorch_lightning.utilities.model_helpers import is_overridden

from mixgan_lightning import checkpoint, log_names
from mixgan_lightning.callbacks import QualityCallback, Stopwatch
from mixgan_lightning.callbacks.stopwatch import Taken
from mixgan_lightning.cli import command
from mixgan_lightning.cli.data import datamodule_of
from mixgan_lightning.cli.model import model_of
from mixgan_lightning.cli.provenance import Provenance
from mixgan_lightning.cli.results import Results, short
from mixgan_lightning.cli.sweep import told_at_the_end
from mixgan_lightning.cli.trials import FAILURE, TRACEBACK, in_sweep
from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.loggers import WandbRun, record
from mixgan_lightning.module import MixGANModule
from mixgan_lightning.options import check_count, check_seed
from mixgan_lightning.report import write_report

ALL_THREADS = torch.get_num_threads()  # before a run of a sweep sets its own
NOISE = (  # what third parties say at every run
    ".*does not have many workers.*",
    ".*no `validation_step`.*",
    ".*treespec, LeafSpec.*",
    ".*number of training batches.*is smaller than the logging interval.*",
    ".*Checkpoint directory .* exists and is not empty.*",
    ".*The dirpath has changed from.*",  # ModelCheckpoint's, of a run that goes on in a new folder
    ".*Experiment logs directory .* exists and is not empty.*",
)


def main() -> None:
    """The command."""
    with told_at_the_end():
        command.run(train, "train")


def train(config: DictConfig) -> float | tuple[float, ...] | None:
    """One run; returns the objective, or several, for sweeps."""
    if missing := OmegaConf.missing_keys(config):
        raise ConfigurationError(f"{sorted(missing)[0]}=… is needed (--help shows an example)")
    if not config.verbose:
        _quiet()
    seen_before = 0 if config.ckpt_path is None else _go_on(config)  # before anything is built
    torch.set_num_threads(check_count("threads", config.threads) if config.threads is not None else ALL_THREADS)
    run_dir = Path(config.run_dir)
    pl.seed_everything(check_seed(config.seed), workers=True, verbose=False)
    try:
        datamodule = datamodule_of(config.data)
        model = model_of(config)
        if datamodule is None and not is_overridden("train_dataloader", model):
            raise ConfigurationError("data=none is for a GAN with a train_dataloader of its own; choose data=NAME")
        stopwatch = Stopwatch()
        trainer = _trainer(config, run_dir, [stopwatch, WandbRun()])
        objectives = _objectives(config.objective, trainer)
        _record(config, trainer, model, run_dir)
        _fit(trainer, model, datamodule, config.ckpt_path)
        if config.ckpt_path is not None and model.played.images_seen == seen_before:
            done = trainer.current_epoch
            print(f"nothing was left to train: {done} epochs are done; set trainer.max_epochs above that to go on")
        model.to(trainer.strategy.root_device)  # Lightning has moved it to the CPU: measure where it was trained
        results = _results(trainer, model, stopwatch.taken, seen_before)
        measured = _conclude(objectives, trainer, results, run_dir)
        return measured if isinstance(config.objective, ListConfig) else next(iter(measured), None)
    finally:
        wandb.finish()  # each run of a sweep closes its own


def _trainer(config: DictConfig, run_dir: Path, first: list[pl.Callback]) -> pl.Trainer:
    if rank_zero_only.rank == 0:  # type: ignore[attr-defined]
        _keep_earlier(run_dir)
    callbacks = [*first, *(instantiate(callback) for callback in config.callbacks.values() if callback)]
    loggers = [instantiate(logger) for logger in config.logger.values() if logger]
    trainer = instantiate(config.trainer, callbacks=callbacks, logger=loggers or False)
    _check_sweep(trainer)
    return trainer


def _check_sweep(trainer: pl.Trainer) -> None:
    """Lightning starts a run's further processes with the sweep's command line, and each would run all of it again."""
    if in_sweep() and trainer.world_size > 1:
        raise ConfigurationError(
            f"-m cannot sweep over runs of {trainer.world_size} processes each; give every run one device "
            "(trainer=default), or start the runs one by one"
        )


def _keep_earlier(run_dir: Path) -> None:
    """Move an earlier run's curves and results in the same folder aside: Lightning's CSVLogger deletes metrics.csv."""
    n = len(list(run_dir.glob("metrics.before_*.csv")))
    for name in ("metrics.csv", "results.json"):
        if (run_dir / name).exists():
            (run_dir / name).rename(run_dir / name.replace(".", f".before_{n}."))
    for name in (FAILURE, TRACEBACK):
        (run_dir / name).unlink(missing_ok=True)


def _go_on(config: DictConfig) -> int:
    """Images seen by the checkpoint; W&B goes on with its run."""
    contents = checkpoint.read(config.ckpt_path)
    wandb_logger = config.logger.get("wandb") if config.logger else None
    if wandb_logger and "run_id" in wandb_logger and wandb_logger.run_id is None:
        wandb_logger.run_id = WandbRun.of(contents)
    return contents[checkpoint.KEY]["played"]["images_seen"]


def _record(config: DictConfig, trainer: pl.Trainer, model: MixGANModule, run_dir: Path) -> None:
    """What the run is and where it comes from: provenance.json, and all of it to W&B."""
    if trainer.is_global_zero:
        provenance = Provenance.of(model, config.seed)
        provenance.save(run_dir / "provenance.json")
        chosen = HydraConfig.get().runtime.choices if HydraConfig.initialized() else {}
        compared = {
            "gan": chosen.get("gan"),
            "data": chosen.get("data"),
            "seed": config.seed,
            "mixture": {"size": len(model.generators)},
        }
        options = OmegaConf.to_container(config, resolve=True)
        record(trainer.loggers, {**compared, "options": options, "provenance": asdict(provenance)})


def _fit(
    trainer: pl.Trainer, model: MixGANModule, datamodule: pl.LightningDataModule | None, ckpt_path: str | None
) -> None:
    try:
        trainer.fit(model, datamodule=datamodule, ckpt_path=ckpt_path, weights_only=True)
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):  # Lightning's silent answer to Ctrl-C
            raise KeyboardInterrupt("; ckpt_path=…/checkpoints/last.ckpt goes on from here") from None
        raise


def _quality_callbacks(trainer: pl.Trainer) -> list[QualityCallback]:
    return [callback for callback in trainer.callbacks if isinstance(callback, QualityCallback)]  # type: ignore[attr-defined]


def _objectives(objective: Any, trainer: pl.Trainer) -> list[str]:
    """The names of the values that are returned."""
    names = list(objective) if isinstance(objective, ListConfig) else [] if objective is None else [objective]
    if names and not _quality_callbacks(trainer):
        raise ConfigurationError(
            f"objective={objective}: nothing measures it; keep callbacks.quality, or set objective=null"
        )
    return names


def _conclude(objectives: list[str], trainer: pl.Trainer, results: Results, run_dir: Path) -> tuple[float, ...]:
    """Log, save and show the results; returns the objectives."""
    measured = [results.mixture[name] for name in objectives if name in results.mixture]
    for logger in trainer.loggers if measured else ():
        _log_objective(logger, measured[0], trainer, results.images_seen)
    if trainer.is_global_zero:
        results.save(run_dir / "results.json")
        report = write_report(run_dir)
        if in_sweep():  # whose own table comes at its end
            print(f"{log_names.said(results.mixture)} ({results.seconds:.0f} s): {short(report)}")
        else:
            results.show(run_dir)
            print(f"report         {short(report)}")
    for name in objectives:
        if name not in results.mixture:  # after saving: a slip must not cost what was trained
            raise ConfigurationError(
                f"objective={name}: expected one of the measured values, {', '.join(results.mixture)}"
            )
        if not math.isfinite(results.mixture[name]):
            raise ConfigurationError(f"objective={name}: it is {results.mixture[name]}; the training has diverged")
    return tuple(measured)


def _results(trainer: pl.Trainer, model: MixGANModule, taken: Taken, seen_before: int) -> Results:
    """What was measured of the final model, and what its training was like."""
    quality = _quality_callbacks(trainer)
    for callback in quality:
        if callback.latest is None:  # no epoch was left to train
            callback.evaluate(trainer, model, f"epoch {trainer.current_epoch}")
    return Results(
        title=model.title,
        size=len(model.generators),
        mixture={name: value for callback in quality for name, value in (callback.latest or {}).items()},
        real={name: value for callback in quality for name, value in callback.scoring.real.items()},
        num_samples=max((callback.scoring.num_samples or 0 for callback in quality), default=0),
        weights="ema" if any(callback.latest_weights == "ema" for callback in quality) else "raw",
        generator_weights=model.generators.weights.tolist(),
        discriminator_weights=model.discriminators.weights.tolist(),
        generators_in_use=float(model.generators.effective_size),
        discriminators_in_use=float(model.discriminators.effective_size),
        images_seen=model.played.images_seen,
        images_per_second=(model.played.images_seen - seen_before) / taken.seconds if taken.seconds else 0.0,
        seconds=taken.seconds,
        cpu_seconds=taken.cpu_seconds,
        device=_device(trainer),
    )


def _device(trainer: pl.Trainer) -> str:
    """What the model was trained on, in words."""
    device = trainer.strategy.root_device
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _log_objective(logger: Logger, objective: float, trainer: pl.Trainer, images_seen: int) -> None:
    values = {log_names.OBJECTIVE: objective, log_names.IMAGES_SEEN: float(images_seen)}
    logger.log_metrics(values, step=trainer.fit_loop.total_batch_idx)  # batches, as all that Lightning logs
    logger.save()


def _quiet() -> None:
    """Keep third parties' notes out of the terminal; what goes wrong is still said."""
    packages = ("pytorch_lightning", "lightning.pytorch")  # the second speaks for both where a user's module imports it
    for name in (name + end for name in packages for end in ("", ".utilities.rank_zero")):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in NOISE:
        warnings.filterwarnings("ignore", message)


if __name__ == "__main__":
    main()
