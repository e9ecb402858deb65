"""mixgan-train: compose, train, measure, show."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import pytorch_lightning as pl
import torch
import wandb
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, ListConfig, OmegaConf
from pytorch_lightning.utilities import rank_zero_only
from pytorch_lightning.utilities.exceptions import SIGTERMException
from pytorch_lightning.utilities.model_helpers import is_overridden

from mixgan_lightning import checkpoint, log_names
from mixgan_lightning.callbacks import QualityCallback, Stopwatch
from mixgan_lightning.callbacks.stopwatch import Taken
from mixgan_lightning.cli import command, objective, run_folder
from mixgan_lightning.cli.data import datamodule_of
from mixgan_lightning.cli.model import model_of
from mixgan_lightning.cli.option_types import check_options
from mixgan_lightning.cli.provenance import Provenance
from mixgan_lightning.cli.quiet import quieten
from mixgan_lightning.cli.report import written
from mixgan_lightning.cli.results import Results, short
from mixgan_lightning.cli.sweep import told_at_the_end
from mixgan_lightning.cli.trainer import trainer_of
from mixgan_lightning.cli.trials import in_sweep
from mixgan_lightning.errors import ConfigurationError, TrainingError
from mixgan_lightning.loggers import WandbRun, record
from mixgan_lightning.module import MixGANModule
from mixgan_lightning.options import check_count, check_seed
from mixgan_lightning.processes import why_others_failed

ALL_THREADS = torch.get_num_threads()  # before a run of a sweep sets its own
MOST_THREADS = 1024  # more is a slip, and torch would start them


def main() -> None:
    """The command."""
    with told_at_the_end():
        command.run(train, "train")


def train(config: DictConfig) -> float | tuple[float, ...] | None:
    """One run; returns the objective, or several, for sweeps."""
    if missing := OmegaConf.missing_keys(config):
        raise ConfigurationError(f"{sorted(missing)[0]}=… is needed (--help shows an example)")
    check_options(config)
    if not config.verbose:
        quieten()
    run_dir = Path(config.run_dir)
    goes_on_in_its_folder = config.ckpt_path == "last"
    before = _go_on(config, run_dir)  # before anything is built
    if goes_on_in_its_folder and before.epochs == config.trainer.get("max_epochs") and _results_in(run_dir).exists():
        _say(
            f"nothing is left to train: {before.epochs} epochs are done, results in {short(_results_in(run_dir))}; set "
            "trainer.max_epochs above that to go on"
        )
        return _returned(config, Results.load(_results_in(run_dir)))
    threads = ALL_THREADS if config.threads is None else check_count("threads", config.threads, MOST_THREADS)
    torch.set_num_threads(threads)
    pl.seed_everything(check_seed(config.seed), workers=True, verbose=False)
    try:
        datamodule = datamodule_of(config.data)
        model = model_of(config)
        if datamodule is None and not is_overridden("train_dataloader", model):
            raise ConfigurationError("data=none is for a GAN with a train_dataloader of its own; choose data=NAME")
        stopwatch = Stopwatch()
        trainer = trainer_of(config, [stopwatch, WandbRun()])
        _check_sweep(trainer)
        objectives = objective.asked(config.objective, _quality_callbacks(trainer))
        _record(config, trainer, model, run_dir)
        with _told_in(run_dir, trainer):
            _fit(trainer, model, datamodule, config.ckpt_path, run_dir)
            if config.ckpt_path is not None and model.played.images_seen == before.images_seen:
                done = trainer.current_epoch
                print(f"nothing was left to train: {done} epochs are done; set trainer.max_epochs above that to go on")
            model.to(trainer.strategy.root_device)  # Lightning has moved it to the CPU: measure where it was trained
            results = _results(trainer, model, stopwatch.taken, before.images_seen)
            objective.log(trainer, objectives, results.mixture, results.images_seen)
            if trainer.is_global_zero:
                _conclude(results, run_dir)
            return _returned(config, results)  # after saving: a slip must not cost what was trained
    finally:
        wandb.finish()  # each run of a sweep closes its own


def _check_sweep(trainer: pl.Trainer) -> None:
    """Lightning starts a run's further processes with the sweep's command line, and each would run all of it again."""
    if in_sweep() and trainer.world_size > 1:
        raise ConfigurationError(
            f"-m cannot sweep over runs of {trainer.world_size} processes each; give every run one device "
            "(trainer=default), or start the runs one by one"
        )


def _returned(config: DictConfig, results: Results) -> float | tuple[float, ...] | None:
    """The objective, or several."""
    found = objective.values(objective.named(config.objective), results.mixture)
    return found if isinstance(config.objective, ListConfig) else next(iter(found), None)


class Before(NamedTuple):
    """What the checkpoint has had that a run goes on from."""

    images_seen: int = 0
    epochs: int = 0


def _go_on(config: DictConfig, run_dir: Path) -> Before:
    """What the checkpoint, if any, has had; W&B goes on with its run, but for a sweep, whose runs are several."""
    asked, config.ckpt_path = config.ckpt_path, run_folder.checkpoint_to_go_on_from(config.ckpt_path, run_dir)
    if config.ckpt_path is None:
        if asked is not None:
            _say(f"no checkpoint in {short(run_dir)} yet: the training begins")
        return Before()
    contents = checkpoint.read(config.ckpt_path)
    epochs = contents["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"]  # "epoch" is the last one's number
    before = Before(contents[checkpoint.KEY]["played"]["images_seen"], epochs)
    most = config.trainer.get("max_epochs")
    if most is not None and 0 <= most < before.epochs:
        raise ConfigurationError(
            f"trainer.max_epochs={most}: expected at least the {before.epochs} epochs that the checkpoint has had"
        )
    _say(f"going on from {before.images_seen:,} real images seen")
    wandb_logger = (config.get("logger") or {}).get("wandb")
    if wandb_logger and "run_id" in wandb_logger and wandb_logger.run_id is None and not in_sweep():
        wandb_logger.run_id = WandbRun.of(contents)
    return before


def _say(line: str) -> None:
    if rank_zero_only.rank == 0:  # type: ignore[attr-defined]
        print(line)


def _record(config: DictConfig, trainer: pl.Trainer, model: MixGANModule, run_dir: Path) -> None:
    """What the run is and where it comes from: provenance.json, and all of it to W&B; what lies there makes room."""
    if trainer.is_global_zero:
        run_folder.make_room(run_dir, goes_on=config.ckpt_path is not None)
        provenance = Provenance.of(model, config.seed)
        provenance.save(run_dir / "provenance.json")
        chosen = HydraConfig.get().runtime.choices if HydraConfig.initialized() else {}
        compared = {
            "gan": chosen.get("gan"),
            "data": chosen.get("data"),
            "seed": config.seed,
            "mixture": {"size": len(model.generators)},
        }
        options = OmegaConf.to_container(config, resolve=False)  # ${oc.env:…} stays what it is
        record(trainer.loggers, {**compared, "options": options, "provenance": asdict(provenance)})


@contextmanager
def _told_in(run_dir: Path, trainer: pl.Trainer) -> Iterator[None]:
    """A run that fails or is interrupted leaves its reason, and a page of what there is."""
    try:
        yield
    except BaseException as error:
        others = why_others_failed(error, command.reason(error, "train"))
        failure = error if others is None else TrainingError(others)
        if trainer.is_global_zero:
            if isinstance(error, Exception):
                traced = not isinstance(failure, command.EXPECTED)
                run_folder.keep_failure(run_dir, failure, command.reason(failure, "train"), traced=traced)
            if (run_dir / "metrics.csv").exists():
                written(run_dir)
        if failure is error:
            raise
        raise failure from error


def _fit(
    trainer: pl.Trainer,
    model: MixGANModule,
    datamodule: pl.LightningDataModule | None,
    ckpt_path: str | None,
    run_dir: Path,
) -> None:
    try:
        trainer.fit(model, datamodule=datamodule, ckpt_path=ckpt_path, weights_only=True)
    except SystemExit as stop:
        left = run_folder.newest_checkpoint(short(run_dir))
        way = "" if left is None else f"; ckpt_path={left} goes on from here"
        if isinstance(stop, SIGTERMException) and stop.code != command.INTERRUPTED:
            raise command.Terminated(way) from None
        if isinstance(stop, SIGTERMException) or isinstance(stop.__context__, KeyboardInterrupt):  # Lightning's answer
            raise KeyboardInterrupt(way) from None
        raise


def _quality_callbacks(trainer: pl.Trainer) -> list[QualityCallback]:
    return [callback for callback in trainer.callbacks if isinstance(callback, QualityCallback)]  # type: ignore[attr-defined]


def _results_in(run_dir: Path) -> Path:
    return run_dir / "results.json"


def _conclude(results: Results, run_dir: Path) -> None:
    """Save and show them, the report last."""
    results.save(_results_in(run_dir))
    report = written(run_dir)
    if in_sweep():  # whose own table comes at its end
        print(f"{log_names.said(results.mixture)} ({results.seconds:.0f} s): {short(report or run_dir)}")
    else:
        results.show(run_dir)
        if report is not None:
            print(f"report         {short(report)}")


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
        images_seen_before=seen_before,
        images_per_second=(model.played.images_seen - seen_before) / taken.seconds if taken.seconds else 0.0,
        seconds=taken.seconds,
        cpu_seconds=taken.cpu_seconds,
        device=_device(trainer),
    )


def _device(trainer: pl.Trainer) -> str:
    """What the model was trained on, in words."""
    device = trainer.strategy.root_device
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


if __name__ == "__main__":
    main()
