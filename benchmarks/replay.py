"""What it costs to replay an unmodified LightningModule as a mixture, beside loops over pairs written by hand.

    python benchmarks/replay.py                # one thread, in turn, medians of 5 rounds: about ten minutes

A tiny module (three-layer networks on points) shows the overhead of the machinery; a DCGAN on 32×32 images what is left
of it when the networks are real. Ways of playing a batch:

* plain: the module under `pl.Trainer`, one GAN;
* replay: `mix(module, size=T)` under `pl.Trainer`;
* loops: every pair's losses as the module computes them, in two nested loops around the same optimisers;
* loops, shared: the same, but each generator's fakes and each discriminator's real scores computed once a step, which
  needs the module to be rewritten (`mixgan_lightning.GAN` does that, and `fakes="split"` is cheaper still).
"""

from __future__ import annotations

import argparse
import logging
import time
import warnings
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm

from mixgan_lightning import mix
from mixgan_lightning.mixture import Mixture
from mixgan_lightning.networks import DCGANDiscriminator, DCGANGenerator
from mixgan_lightning.payoff import expectation

ADAM = partial(torch.optim.Adam, lr=2e-4, betas=(0.5, 0.999), fused=True)


class UsersGAN(pl.LightningModule):
    """As users write it: discriminator first, toggled, fakes drawn anew for the generator's step."""

    latent_dim = 16

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.discriminator = self.networks()

    def networks(self) -> tuple[nn.Module, nn.Module]:
        g = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2))
        d = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
        return g, d

    def training_step(self, batch: Any, batch_idx: int) -> None:
        (real,) = batch
        optimizer_g, optimizer_d = self.optimizers()
        for optimizer, loss_of in ((optimizer_d, discriminator_loss), (optimizer_g, generator_loss)):
            z = torch.randn(len(real), self.latent_dim)
            self.toggle_optimizer(optimizer)
            loss = loss_of(self.generator, self.discriminator, real, z)
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()
            self.untoggle_optimizer(optimizer)

    def configure_optimizers(self) -> Any:
        return [ADAM(network.parameters()) for network in (self.generator, self.discriminator)]


class UsersDCGAN(UsersGAN):
    latent_dim = 100

    def networks(self) -> tuple[nn.Module, nn.Module]:
        return DCGANGenerator([3, 32, 32], width=32), DCGANDiscriminator([3, 32, 32], width=32)


def discriminator_loss(generator: nn.Module, discriminator: nn.Module, real: Tensor, z: Tensor) -> Tensor:
    return softplus(-discriminator(real)).mean() + softplus(discriminator(generator(z).detach())).mean()


def generator_loss(generator: nn.Module, discriminator: nn.Module, real: Tensor, z: Tensor) -> Tensor:
    return softplus(-discriminator(generator(z))).mean()


class Loops:
    """The mixture's game around the module's losses, by hand."""

    def __init__(self, make: type[UsersGAN], size: int, *, shared: bool) -> None:
        gans = [make() for _ in range(size)]
        self.latent_dim, self.shared = make.latent_dim, shared
        self.g, self.d = Mixture([gan.generator for gan in gans]), Mixture([gan.discriminator for gan in gans])
        self.optimizers = [ADAM(mixture.parameters()) for mixture in (self.g, self.d)]

    def step(self, real: Tensor) -> None:
        for player, optimizer, losses in ((1, self.optimizers[1], self.of_d), (0, self.optimizers[0], self.of_g)):
            w_u, w_v = self.g.weights, self.d.weights
            w_u, w_v = (w_u.detach(), w_v) if player else (w_u, w_v.detach())
            for k, mixture in enumerate((self.g, self.d)):
                mixture.requires_grad_(k == player)
            optimizer.zero_grad()
            z = torch.randn(len(real), self.latent_dim)
            value = expectation(w_u, losses(real, z), w_v)
            (value + 0.01 * (self.d if player else self.g).entropy_penalty()).backward()
            optimizer.step()

    def of_d(self, real: Tensor, z: Tensor) -> Tensor:
        if not self.shared:
            return torch.stack([torch.stack([discriminator_loss(g, d, real, z) for d in self.d]) for g in self.g])
        with torch.no_grad():
            fakes = [g(z) for g in self.g]
        scores = [softplus(-d(real)).mean() for d in self.d]
        return torch.stack(
            [torch.stack([s + softplus(d(f)).mean() for s, d in zip(scores, self.d, strict=True)]) for f in fakes]
        )

    def of_g(self, real: Tensor, z: Tensor) -> Tensor:
        if not self.shared:
            return torch.stack([torch.stack([generator_loss(g, d, real, z) for d in self.d]) for g in self.g])
        return torch.stack([torch.stack([softplus(-d(f)).mean() for d in self.d]) for f in (g(z) for g in self.g)])


class Stopwatch(pl.Callback):
    """Seconds of each batch."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_train_batch_start(self, *_: Any) -> None:
        self.start = time.perf_counter()

    def on_train_batch_end(self, *_: Any) -> None:
        self.seconds.append(time.perf_counter() - self.start)


def by_trainer(model: pl.LightningModule, data: Tensor, batches: int) -> float:
    watch = Stopwatch()
    trainer = pl.Trainer(
        max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        callbacks=[watch], accelerator="cpu", log_every_n_steps=50,
    )  # fmt: skip
    trainer.fit(model, DataLoader(TensorDataset(data.repeat(batches, *[1] * (data.ndim - 1))), len(data)))
    return median(watch.seconds[1:])


def by_loops(loops: Loops, data: Tensor, batches: int) -> float:
    seconds = []
    for _ in range(batches):
        start = time.perf_counter()
        loops.step(data)
        seconds.append(time.perf_counter() - start)
    return median(seconds[1:])


def ways(make: type[UsersGAN], size: int, data: Tensor, batches: int) -> dict[str, Callable[[], float]]:
    """Each way of playing, as a function that times some batches."""
    plain, mixture = make(), mix(make, size=size)
    loops = {shared: Loops(make, size, shared=shared) for shared in (False, True)}
    return {
        "plain": lambda: by_trainer(plain, data, batches),
        "replay": lambda: by_trainer(mixture, data, batches),
        "loops": lambda: by_loops(loops[False], data, batches),
        "loops, shared": lambda: by_loops(loops[True], data, batches),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 3, 5])
    rounds, sizes = (arguments := parser.parse_args()).rounds, arguments.sizes
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, one thread; ms a batch (both players), medians of {rounds} rounds in turn\n")
    print("| module | T | plain | replay | loops | loops, shared | replay / loops | replay / (T² plain) |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for make, data, batches in ((UsersGAN, torch.randn(64, 2), 40), (UsersDCGAN, torch.randn(64, 3, 32, 32), 3)):
        for size in sizes:
            timed = ways(make, size, data, batches)
            found: dict[str, list[float]] = {name: [] for name in timed}
            for _ in tqdm(range(rounds), desc=f"{make.__name__}, T = {size}", leave=False):
                for name, measure in timed.items():
                    found[name].append(1000 * measure())
            ms = {name: median(values) for name, values in found.items()}
            cells = " | ".join(f"{ms[name]:.2f}" for name in timed)
            ratios = f"{ms['replay'] / ms['loops']:.2f} | {ms['replay'] / (size**2 * ms['plain']):.2f}"
            print(f"| {make.__name__} | {size} | {cells} | {ratios} |", flush=True)


if __name__ == "__main__":
    main()
