"""What each process finds by training; one process alone finds what several must find together.

``folder`` is the run's own, ``other`` that of a run by another number of processes, if there was one.
"""

import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.strategies import DDPStrategy
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import DataLoader, TensorDataset

from mixgan_lightning import GAN, log_names, mix
from mixgan_lightning.callbacks import (
    EMA,
    DualityGap,
    InceptionScoreCallback,
    LastCheckpoint,
    MixtureMonitor,
    SampleGrid,
)
from mixgan_lightning.data import GaussiansRing
from mixgan_lightning.errors import ConfigurationError, DataError
from mixgan_lightning.evaluation import FrechetMeasure, NearestTrainingImageMeasure
from mixgan_lightning.penalties import R1
from mixgan_lightning.processes import own_share, part_random_streams
from mixgan_lightning.weighting import Nash

STEPS, GLOBAL_BATCH = 5, 24  # for 1, 2 and 3 processes: 12 a generator and 4 a generator and process
UNUSED = {"find_unused_parameters": True}


def trainer_of(folder, callbacks=(), options=UNUSED, **more):
    size = own_share().size
    ddp = DDPStrategy(process_group_backend="gloo", **options)
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "log_every_n_steps": 1}
    quiet |= {"enable_checkpointing": any(isinstance(callback, ModelCheckpoint) for callback in callbacks)}
    return pl.Trainer(
        accelerator="cpu",
        devices=size,
        strategy=ddp if size > 1 else "auto",
        default_root_dir=folder,
        callbacks=list(callbacks),
        **quiet | {"max_epochs": 1} | more,
    )


def state_of(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


class Features(nn.Module):
    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(5)
            self.body, self.head = nn.Linear(2, 6), nn.Linear(6, 4)

    def embedding(self, points):
        return torch.tanh(self.body(points))

    def forward(self, points):
        return self.head(self.embedding(points))


# ---------------------------------------------------------------------------------------- one global batch


class ByContent(GAN):
    """Latents that the batch alone decides, and so no process; smooth networks without BatchNorm."""

    def __init__(self, **options):
        generator = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
        discriminator = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1))
        super().__init__(generator, discriminator, latent_dim=3, optimizer=partial(SGD, lr=0.5), **options)

    def latents(self, n, batch):
        images = self.images(batch)
        return (images @ torch.tensor([[1.0, 2.0, 3.0], [-3.0, 1.0, 2.0]]).to(images)).sin()


GAMES = {
    "full": {"fakes": "full"},
    "split": {"fakes": "split"},
    "split, R1, clipped": {"fakes": "split", "gradient_clip": 0.05},
}


def own_rows(batches):
    """This process's part of each global batch: of either generator's half, so that the generators' parts coincide."""
    rank, size = own_share()
    return torch.cat([half.tensor_split(size)[rank] for batch in batches for half in batch.tensor_split(2)])


def played(folder, game):
    torch.manual_seed(0)
    penalty = {"penalty": R1(0.3)} if "R1" in game else {}
    model = mix(lambda: ByContent(**penalty), size=2, log_probability_lr=2.0, **GAMES[game]).double()
    rows = torch.randn(STEPS, GLOBAL_BATCH, 2, generator=torch.Generator().manual_seed(1)).double() + 1
    loader = DataLoader(own_rows(rows), GLOBAL_BATCH // own_share().size)
    before = state_of(model)
    trainer = trainer_of(folder, use_distributed_sampler=False)
    trainer.fit(model, loader)
    gradients = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    return {"before": before, "after": state_of(model), "gradients": gradients, "seen": model.played.images_seen}


# ---------------------------------------------------------------------------------------- what watches, what prepares


@dataclass(frozen=True)
class Watching:
    """Notes the loss that it is shown."""

    def discriminators_learn(self, played):
        self.seen.append(played.adversarial_loss)
        return True

    def generator_steps(self, played):
        return 1

    seen: ClassVar[list] = []


class Prepares(ByContent):
    """Learns the mean of the data, on the first process alone."""

    def __init__(self):
        super().__init__(n_critic=Watching())
        self.register_buffer("mean", torch.zeros(2))
        self.looked = 0

    def prepare(self, batches):
        self.looked += 1
        self.mean.copy_(torch.cat(list(batches)).mean(0))


def prepared(folder):
    torch.manual_seed(0)
    Watching.seen.clear()
    model = mix(Prepares, size=2).double()
    data = torch.randn(48, 2, generator=torch.Generator().manual_seed(1)).double()
    trainer_of(folder).fit(model, DataLoader(data, 24 // own_share().size))
    gan = model.gan
    return {"mean": gan.mean.clone(), "of all": data.mean(0), "looked": gan.looked, "seen": Watching.seen[:]}


# ---------------------------------------------------------------------------------------- random streams


def parted(seed):
    """The random state, as a tensor, before and after."""
    torch.manual_seed(seed)
    before = torch.get_rng_state()
    part_random_streams(torch.device("cpu"))
    return {"before": before, "after": torch.get_rng_state()}


class Drawn(GAN):
    """Remembers its latents."""

    def __init__(self):
        super().__init__(nn.Linear(3, 2), nn.Linear(2, 1), latent_dim=3)
        self.drawn = []

    def latents(self, n, batch):
        self.drawn.append(super().latents(n, batch))
        return self.drawn[-1]


class SeedAtStart(pl.Callback):
    def on_fit_start(self, trainer, pl_module):
        torch.manual_seed(7)


def drawn_in_training(folder):
    """All latents of two steps, of both players; the processes are seeded alike."""
    model = mix(Drawn, size=1)
    trainer = trainer_of(folder, [SeedAtStart()], use_distributed_sampler=False)
    trainer.fit(model, DataLoader(torch.zeros(16, 2), 8))
    return torch.stack(model.gan.drawn[1:])  # the first were drawn by the check of the first batch


def random_streams(folder):
    rank = own_share().rank
    return {
        "alike": parted(0),
        "different": parted(rank),
        "the first two alike": parted(max(0, rank - 1)),
        "in training": drawn_in_training(folder),
    }


# ---------------------------------------------------------------------------------------- with callbacks


def points_gan():
    """BatchNorm has buffers to disturb, Dropout draws from the random stream at each step."""
    generator = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    discriminator = nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.5), nn.LeakyReLU(0.2), nn.Linear(8, 1))
    return GAN(generator, discriminator, latent_dim=3)


def fitted(folder, callbacks=(), ckpt_path=None, seed=1, mixture=None, **more):
    pl.seed_everything(seed, verbose=False)
    model = mix(points_gan, size=2, **mixture or {"log_probability_lr": 0.1})
    data = GaussiansRing(batch_size=32, num_samples=1_000)
    trainer = trainer_of(folder, callbacks, **{"max_epochs": 2, "limit_train_batches": 3} | more)
    trainer.fit(model, datamodule=data, ckpt_path=ckpt_path, weights_only=True)
    return trainer, model


def trained_plainly(folder):
    trainer, model = fitted(folder)
    trainer.save_checkpoint(folder / "plain.ckpt")
    return {"state": state_of(model), "next": torch.rand(3)}


def trained_watched(folder):
    also = [FrechetMeasure(), NearestTrainingImageMeasure()]
    quality = InceptionScoreCallback(Features(), num_samples=150, also=also, components=True)
    best = ModelCheckpoint(
        folder / "best", monitor=log_names.INCEPTION_SCORE_MEAN, mode="max", save_on_train_epoch_end=True
    )
    scores = Scores()
    watchers = [quality, SampleGrid(folder / "samples", num_images=9), MixtureMonitor(), best, scores]
    trainer, model = fitted(folder, watchers)
    return {
        "state": state_of(model),
        "next": torch.rand(3),
        "metrics": {name: float(value) for name, value in trainer.callback_metrics.items()},
        "latest": quality.latest,
        "measured again": quality.measure(model),
        "pictures": len(list((folder / "samples").glob("*.png"))),
        "scores": scores.found,
        "best": (Path(best.best_model_path).name, float(best.best_model_score)),
        "best loaded": quality.measure(loaded(best.best_model_path)),
    }


def trained_with_solved_weights(folder):
    """By the payoff matrix before every second batch, and the duality gap of both players at the end."""
    gap = DualityGap(steps=3, num_samples=60, every_n_epochs=2)
    trainer, model = fitted(folder, [gap], mixture={"weighting": Nash(every=2, num_samples=64)})
    return {
        "state": state_of(model),
        "gap": asdict(gap.latest),
        "metric": float(trainer.callback_metrics[log_names.DUALITY_GAP]),
    }


def loaded(path):
    model = mix(points_gan, size=2)
    model.load_state_dict(torch.load(path, weights_only=True)["state_dict"])
    return model


class Scores(pl.Callback):
    """The inception score that other callbacks see after each epoch."""

    def __init__(self):
        self.found = []

    def on_train_epoch_end(self, trainer, pl_module):
        self.found.append(float(trainer.callback_metrics[log_names.INCEPTION_SCORE_MEAN]))


class Raw(pl.Callback):
    """Parameters after each batch, before they are averaged."""

    def __init__(self):
        self.states = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.states.append({name: value.detach().clone() for name, value in pl_module.named_parameters()})


def trained_with_ema(folder):
    raw, quality = Raw(), InceptionScoreCallback(Features(), num_samples=150, weights="ema")
    _, model = fitted(folder, [raw, EMA(decay=0.5), quality])
    return {
        "raw": raw.states,
        "averaged": {name: value.detach() for name, value in model.named_parameters()},
        "weights": quality.latest_weights,
        "latest": quality.latest,
        "measured again": quality.measure(model),
    }


class FollowsItsLoss(GAN):
    """The generator's learning rate falls as soon as its loss rises."""

    def __init__(self):
        super().__init__(nn.Linear(3, 2), nn.Linear(2, 1), latent_dim=3)

    def configure_optimizers(self):
        g, d = SGD(self.generator.parameters(), lr=0.1), SGD(self.discriminator.parameters(), lr=0.1)
        falls = ReduceLROnPlateau(g, factor=0.5, patience=0, threshold=0)
        return {"optimizer": g, "lr_scheduler": {"scheduler": falls, "monitor": log_names.GENERATOR_LOSS}}, d


def trained_with_a_plateau(folder):
    """An epoch is a batch here, which the processes hold different ones of."""
    torch.manual_seed(0)
    model = mix(FollowsItsLoss, size=1)
    loader = DataLoader(torch.randn(6, 2) + own_share().rank, 6)
    trainer = trainer_of(folder, max_epochs=8, use_distributed_sampler=False)
    trainer.fit(model, loader)
    return {"rate": trainer.optimizers[0].param_groups[0]["lr"], "state": state_of(model)}


# ---------------------------------------------------------------------------------------- labels


class Conditional(nn.Module):
    def __init__(self, n, m):
        super().__init__()
        self.body = nn.Linear(n + 3, m)

    def forward(self, rows, labels):
        return self.body(torch.cat([rows, nn.functional.one_hot(labels, 3).to(rows)], dim=1))


def trained_with_labels(folder, callbacks=()):
    torch.manual_seed(0)
    model = mix(lambda: GAN(Conditional(3, 2), Conditional(2, 1), latent_dim=3, num_classes=3), size=2)
    labels = torch.arange(48).sqrt().long() % 3  # their counts are neither equal nor equal in the processes' parts
    mine = labels.tensor_split(own_share().size)[own_share().rank]
    loader = DataLoader(TensorDataset(torch.randn(len(mine), 2), mine), 8)
    trainer_of(folder, callbacks, use_distributed_sampler=False).fit(model, loader)
    return {"counts": model.label_counts, "own": mine.bincount(minlength=3), "all": labels.bincount(minlength=3)}


# ---------------------------------------------------------------------------------------- going on


class AtStart(pl.Callback):
    def on_train_start(self, trainer, pl_module):
        self.state, self.seen = state_of(pl_module), pl_module.played.images_seen


def gone_on(folder, ckpt_path):
    """Two more epochs of three batches of 32 a process."""
    start = AtStart()
    _, model = fitted(folder, [start], ckpt_path, seed=2, max_epochs=4)
    return {"state at start": start.state, "seen": (start.seen, model.played.images_seen), "state": state_of(model)}


# ---------------------------------------------------------------------------------------- refused


def plain_ddp(folder):
    model = mix(points_gan, size=2)
    trainer = trainer_of(folder, options={})
    try:
        trainer.fit(model, datamodule=GaussiansRing(batch_size=32, num_samples=1_000))
    except ConfigurationError as error:
        return str(error), model.played.images_seen
    return "nothing", model.played.images_seen


# ---------------------------------------------------------------------------------------- one process fails


class FailsInTheLast(pl.Callback):
    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if batch_idx == 2 and own_share().rank == own_share().size - 1:
            raise DataError("a bad batch")


def one_fails(folder):
    """What a run with checkpoints raised, and after how many seconds. The processes are out of step then: end them."""
    start = time.perf_counter()
    try:
        fitted(folder, [FailsInTheLast(), LastCheckpoint(folder / "failed")])
        error = "nothing"
    except Exception as failure:
        error = f"{type(failure).__name__}: {failure}"
    return error, time.perf_counter() - start


CHECKS = {
    "games": lambda folder, other: {game: played(folder, game) for game in GAMES},
    "prepared": lambda folder, other: prepared(folder / "prepared"),
    "random streams": lambda folder, other: random_streams(folder),
    "plain": lambda folder, other: trained_plainly(folder),
    "watched": lambda folder, other: trained_watched(folder),
    "solved": lambda folder, other: trained_with_solved_weights(folder),
    "ema": lambda folder, other: trained_with_ema(folder),
    "labels": lambda folder, other: trained_with_labels(folder),
    "averaged labels": lambda folder, other: trained_with_labels(folder, [EMA()]),
    "plateau": lambda folder, other: trained_with_a_plateau(folder),
    "gone on": lambda folder, other: gone_on(folder, other / "plain.ckpt") if other else None,
    "plain ddp": lambda folder, other: plain_ddp(folder),
}
