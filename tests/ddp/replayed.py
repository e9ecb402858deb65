"""What each process finds by training a user's own module as a mixture; one process alone, what several must find."""

import time

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from trained import state_of, trainer_of

from mixgan_lightning import mix
from mixgan_lightning.processes import own_share

STEPS, GLOBAL_BATCH = 5, 24


class Losses:
    """The noise comes with the batch, and nothing else is random."""

    kind, lr = torch.optim.SGD, 0.5

    def __init__(self):
        super().__init__()
        self.generator = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
        self.discriminator = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1))

    def discriminator_loss(self, batch):
        real, fake = self.discriminator(batch[0]), self.discriminator(self.generator(batch[1]).detach())
        return F.softplus(-real).mean() + F.softplus(fake).mean()

    def generator_loss(self, batch):
        return F.softplus(-self.discriminator(self.generator(batch[1]))).mean()

    def configure_optimizers(self):
        return [self.kind(net.parameters(), lr=self.lr) for net in (self.generator, self.discriminator)]


class NoiseInBatch(Losses, pl.LightningModule):
    """A manual step, toggled."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        opt_g, opt_d = self.optimizers()
        with self.toggled_optimizer(opt_d):
            d_loss = self.discriminator_loss(batch)
            opt_d.zero_grad()
            self.manual_backward(d_loss)
            opt_d.step()
        with self.toggled_optimizer(opt_g):
            g_loss = self.generator_loss(batch)
            opt_g.zero_grad()
            self.manual_backward(g_loss)
            opt_g.step()
        self.log_dict({"own/d": d_loss, "own/g": g_loss}, sync_dist=True)


class WithAdam(NoiseInBatch):
    kind, lr = torch.optim.Adam, 0.05


class UntoggledWithHooks(WithAdam):
    """Direct backward, no toggling; gradients clipped by the module; weights clipped in place."""

    def training_step(self, batch, batch_idx):
        opt_g, opt_d = self.optimizers()
        for opt, loss in ((opt_d, self.discriminator_loss), (opt_g, self.generator_loss)):
            opt.zero_grad()
            loss(batch).backward()
            opt.step()
        for p in self.discriminator.parameters():
            p.data.clamp_(-0.5, 0.5)


class OptimizerIdx(WithAdam):
    """As for Lightning 1."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = True

    def training_step(self, batch, batch_idx, optimizer_idx):
        return self.discriminator_loss(batch) if optimizer_idx else self.generator_loss(batch)


class TwoLosses(Losses, nn.Module):
    """No LightningModule: two methods."""

    kind, lr = torch.optim.Adam, 0.05


GAMES = {
    "sgd": (NoiseInBatch, 2, 2),
    "adam": (WithAdam, 2, 3),
    "untoggled": (UntoggledWithHooks, 3, 2),
    "optimizer_idx": (OptimizerIdx, 2, 2),
    "two losses": (TwoLosses, 2, 2),
}


class Gradients(pl.Callback):
    """What every step of every optimiser steps on, by the parameters' names."""

    def __init__(self):
        self.steps = []

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        named = pl_module.named_parameters()
        self.steps.append({name: p.grad.clone() for name, p in named if p.grad is not None})


def played(folder, game):
    """The same global batches, whatever the number of processes."""
    gan, tu, tv = GAMES[game]
    torch.set_default_dtype(torch.float64)
    try:
        torch.manual_seed(0)
        model = mix(gan, size=tu, num_discriminators=tv, log_probability_lr=0.3)
        stream = torch.Generator().manual_seed(1)
        rows = torch.randn(STEPS, GLOBAL_BATCH, 5, generator=stream) + 1
        rank, size = own_share()
        mine = torch.cat([batch.tensor_split(size)[rank] for batch in rows])
        loader = DataLoader(TensorDataset(mine[:, :2], mine[:, 2:]), GLOBAL_BATCH // size)
        before, gradients = state_of(model), Gradients()
        trainer = trainer_of(folder, [gradients], use_distributed_sampler=False)
        trainer.fit(model, loader)
    finally:
        torch.set_default_dtype(torch.float32)
    return {
        "before": before,
        "after": state_of(model),
        "gradients": gradients.steps,
        "seen": model.played.images_seen,
        "logged": {name: float(value) for name, value in trainer.callback_metrics.items()},
        "steps": trainer.global_step,
    }


# ---------------------------------------------------------------------------------------- noise, statistics, labels


class TakesLabels(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3 + 4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 2))

    def forward(self, z, labels):
        return self.body(torch.cat([z, F.one_hot(labels, 4).to(z)], dim=1))


class Labelled(NoiseInBatch):
    """BatchNorm, dropout, labels and noise of its own, which it remembers."""

    lr = 0.1
    drawn: tuple[torch.Tensor, ...] = ()

    def __init__(self):
        super().__init__()
        self.generator = TakesLabels()
        self.discriminator = nn.Sequential(nn.Linear(2, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 1))

    def training_step(self, batch, batch_idx):
        z = torch.randn(len(batch[0]), 3)
        Labelled.drawn += (z,)
        super().training_step([batch[0], (z, batch[1])], batch_idx)

    def discriminator_loss(self, batch):
        real, fake = self.discriminator(batch[0]), self.discriminator(self.generator(*batch[1]).detach())
        return F.softplus(-real).mean() + F.softplus(fake).mean()

    def generator_loss(self, batch):
        return F.softplus(-self.discriminator(self.generator(*batch[1]))).mean()


class Frequencies(pl.Callback):
    """By what labels would be drawn after each batch, and after each epoch."""

    def __init__(self):
        self.batches, self.epochs = [], []

    def on_train_batch_end(self, trainer, pl_module, *args):
        self.batches.append(frequencies_of(pl_module))

    def on_train_epoch_end(self, trainer, pl_module):
        self.epochs.append(frequencies_of(pl_module))


def frequencies_of(model):
    weights = model.sampler.label_weights
    return None if weights is None else weights.tolist()


def fitted(folder, gan, callbacks=(), **options):
    """Two epochs on parts whose labels differ; each process builds its networks from a seed of its own."""
    rank, size = own_share()
    torch.manual_seed(rank)
    model = mix(gan, size=2, num_discriminators=3, log_probability_lr=0.3)
    labels = torch.arange(48).sqrt().long() % 4  # not equally often, and not alike in the processes' parts
    points = torch.randn(48, 2, generator=torch.Generator().manual_seed(1)) + labels[:, None]
    mine = [part.tensor_split(size)[rank] for part in (points, labels)]
    loader = DataLoader(TensorDataset(*mine), 8)
    pl.seed_everything(3, verbose=False)
    trainer = trainer_of(folder, callbacks, use_distributed_sampler=False, **{"max_epochs": 2} | options)
    trainer.fit(model, loader)
    return trainer, model, mine[1]


def with_labels(folder):
    frequencies = Frequencies()
    trainer, model, own = fitted(folder, Labelled, [frequencies])
    trainer.save_checkpoint(folder / "labelled.ckpt")
    return {
        "state": state_of(model),
        "counts": model.gan.template.label_counts,
        "own": own.bincount(minlength=4),
        "by batches": frequencies.batches,
        "by epochs": frequencies.epochs,
        "samples": model.sample(100, seed=0),
        "metrics": {name: float(value) for name, value in trainer.callback_metrics.items()},
        "saved": torch.load(folder / "labelled.ckpt", weights_only=True)["mixgan_lightning"],
    }


def noise(folder):
    """Of two batches, by 6 pairs each."""
    Labelled.drawn = ()
    fitted(folder, Labelled, max_epochs=1, limit_train_batches=2)
    return torch.stack(Labelled.drawn).unflatten(0, (2, 6))


# ---------------------------------------------------------------------------------------- one process fails


class EitherBlock(nn.Module):
    """Stochastic depth: one block or the other, by chance."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 2), nn.Linear(3, 2)

    def forward(self, z, labels):
        return (self.a if torch.rand(()) < 0.5 else self.b)(z)


class ByChance(Labelled):
    """Processes have gradients of different parameters."""

    def __init__(self):
        super().__init__()
        self.generator = EitherBlock()


def by_chance(folder):
    _, model, _ = fitted(folder, ByChance)
    return {"state": state_of(model)}


class FailsInTheLast(Labelled):
    def training_step(self, batch, batch_idx):
        super().training_step(batch, batch_idx)
        if batch_idx == 1 and own_share().rank == own_share().size - 1:
            raise ValueError("the user's own mistake")


def one_fails(folder):
    """What the run raised, and after how many seconds. The processes are out of step then: end them."""
    start = time.perf_counter()
    try:
        fitted(folder, FailsInTheLast)
        error = "nothing"
    except Exception as failure:
        error = f"{type(failure).__name__}: {failure}"
    return error, time.perf_counter() - start


CHECKS = {f"replayed {game}": lambda folder, other, game=game: played(folder, game) for game in GAMES}
CHECKS |= {
    "replayed with labels": lambda folder, other: with_labels(folder),
    "replayed noise": lambda folder, other: noise(folder),
    "replayed by chance": lambda folder, other: by_chance(folder),
}
