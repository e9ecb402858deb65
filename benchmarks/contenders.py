"""Ways of training the mixture of `benchmarks/step.py`: in plain PyTorch by hand, and by this package in Lightning."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, softplus
from torch.utils.data import DataLoader

from mixgan_lightning import GAN, mix
from mixgan_lightning.networks import DCGANDiscriminator, DCGANGenerator
from mixgan_lightning.penalties import Penalty

ADAM = partial(torch.optim.Adam, lr=1e-3, betas=(0.5, 0.999), fused=True)
LAMBDA = 0.01  # of the entropy regulariser
Networks = Callable[[], tuple[nn.Module, nn.Module]]


def points(width: int) -> tuple[nn.Module, nn.Module]:
    """Networks of points in the plane: two hidden layers."""

    def mlp(n: int, m: int) -> nn.Module:
        hidden = nn.Linear(n, width), nn.LeakyReLU(0.2), nn.Linear(width, width), nn.LeakyReLU(0.2)
        return nn.Sequential(*hidden, nn.Linear(width, m))

    return mlp(8, 2), mlp(2, 1)


def dcgan(width: int) -> tuple[nn.Module, nn.Module]:
    """DCGAN of 32×32 colour images: BatchNorm in both networks."""
    return DCGANGenerator([3, 32, 32], latent_dim=8, width=width), DCGANDiscriminator([3, 32, 32], width=width)


class Bare:
    """A game in plain PyTorch: non-saturating, one optimiser a player."""

    def __init__(self, networks: Networks, size: int, device: torch.device) -> None:
        built = [networks() for _ in range(size)]
        self.g, self.d = (nn.ModuleList(player).to(device) for player in zip(*built, strict=True))
        self.alpha_u, self.alpha_v = (nn.Parameter(torch.zeros(size, device=device)) for _ in range(2))
        self.players = [self.parameters(*player) for player in ((self.g, self.alpha_u), (self.d, self.alpha_v))]
        self.optimizers = [ADAM(parameters) for parameters in self.players]

    def parameters(self, networks: nn.ModuleList, alpha: nn.Parameter) -> list[nn.Parameter]:
        return [*networks.parameters(), alpha]

    def step(self, real: Tensor) -> None:
        for player, losses in ((1, self.of_d), (0, self.of_g)):
            for k, parameters in enumerate(self.players):
                for parameter in parameters:
                    parameter.requires_grad_(k == player)
            w_u, w_v = self.alpha_u.softmax(0), self.alpha_v.softmax(0)
            own = self.alpha_v if player else self.alpha_u
            z = torch.randn(len(real), 8, device=real.device)
            value = (w_u[:, None] * losses(real, z) * w_v).sum() - LAMBDA * own.log_softmax(0).mean()
            self.optimizers[player].zero_grad()
            value.backward()
            self.optimizers[player].step()

    def of_d(self, real: Tensor, z: Tensor) -> Tensor:
        raise NotImplementedError

    def of_g(self, real: Tensor, z: Tensor) -> Tensor:
        raise NotImplementedError


class NestedLoops(Bare):
    """All pairs, one after another; each generator's fakes are made once a step."""

    def of_d(self, real: Tensor, z: Tensor) -> Tensor:
        with torch.no_grad():
            fakes = [g(z) for g in self.g]
        on_real = [softplus(-d(real)).mean() for d in self.d]
        rows = ([r + softplus(d(f)).mean() for r, d in zip(on_real, self.d, strict=True)] for f in fakes)
        return torch.stack([torch.stack(row) for row in rows])

    def of_g(self, real: Tensor, z: Tensor) -> Tensor:
        fakes = [g(z) for g in self.g]
        return torch.stack([torch.stack([softplus(-d(f)).mean() for d in self.d]) for f in fakes])


class HandBatched(Bare):
    """All pairs of `points` networks, every layer of all T networks one `baddbmm`."""

    def parameters(self, networks: nn.ModuleList, alpha: nn.Parameter) -> list[nn.Parameter]:
        columns = zip(*(network.parameters() for network in networks), strict=True)
        stacks = [nn.Parameter(torch.stack([p.detach() for p in column])) for column in columns]
        return [*stacks, alpha]

    @staticmethod
    def forward(parameters: Sequence[Tensor], h: Tensor) -> Tensor:
        weights = list(zip(parameters[::2], parameters[1::2], strict=False))
        for weight, bias in weights[:-1]:
            h = leaky_relu(torch.baddbmm(bias[:, None], h, weight.mT), 0.2)
        weight, bias = weights[-1]
        return torch.baddbmm(bias[:, None], h, weight.mT)

    def of_d(self, real: Tensor, z: Tensor) -> Tensor:
        size, n = len(self.g), len(real)
        with torch.no_grad():
            fakes = self.forward(self.players[0][:-1], z.expand(size, *z.shape))
        rows = torch.cat([real, fakes.flatten(0, 1)])
        scores = self.forward(self.players[1][:-1], rows.expand(size, *rows.shape)).squeeze(-1)
        on_fakes = softplus(scores[:, n:].unflatten(1, (size, n))).mean(-1)
        return (softplus(-scores[:, :n]).mean(-1)[:, None] + on_fakes).T

    def of_g(self, real: Tensor, z: Tensor) -> Tensor:
        size, n = len(self.g), len(real)
        fakes = self.forward(self.players[0][:-1], z.expand(size, *z.shape)).flatten(0, 1)
        scores = self.forward(self.players[1][:-1], fakes.expand(size, *fakes.shape)).squeeze(-1)
        return softplus(-scores.unflatten(1, (size, n))).mean(-1).T


class HandBatchedSplit(HandBatched):
    """The same where the generators share each batch; its size must be a multiple of T."""

    def of_d(self, real: Tensor, z: Tensor) -> Tensor:
        size, n = len(self.g), len(real) - len(real) % len(self.g)
        with torch.no_grad():
            fakes = self.forward(self.players[0][:-1], z[:n].unflatten(0, (size, -1)))
        rows = torch.cat([real[:n], fakes.flatten(0, 1)])
        scores = self.forward(self.players[1][:-1], rows.expand(size, *rows.shape)).squeeze(-1)
        on_real, on_fakes = softplus(-scores[:, :n]), softplus(scores[:, n:])
        return (on_real + on_fakes).unflatten(1, (size, -1)).mean(-1).T

    def of_g(self, real: Tensor, z: Tensor) -> Tensor:
        size, n = len(self.g), len(real) - len(real) % len(self.g)
        fakes = self.forward(self.players[0][:-1], z[:n].unflatten(0, (size, -1))).flatten(0, 1)
        scores = self.forward(self.players[1][:-1], fakes.expand(size, *fakes.shape)).squeeze(-1)
        return softplus(-scores).unflatten(1, (size, -1)).mean(-1).T


class PlainGAN(Bare):
    """One GAN as anybody writes it: no weights, no regulariser."""

    def parameters(self, networks: nn.ModuleList, alpha: nn.Parameter) -> list[nn.Parameter]:
        return list(networks.parameters())

    def step(self, real: Tensor) -> None:
        (g,), (d,) = self.g, self.d
        of_g, of_d = self.optimizers
        fakes = g(torch.randn(len(real), 8, device=real.device)).detach()
        loss = softplus(-d(real)).mean() + softplus(d(fakes)).mean()
        of_d.zero_grad()
        loss.backward()
        of_d.step()
        d.requires_grad_(False)
        loss = softplus(-d(g(torch.randn(len(real), 8, device=real.device)))).mean()
        of_g.zero_grad()
        loss.backward()
        of_g.step()
        d.requires_grad_(True)


class PlainLightningGAN(pl.LightningModule):
    """The same as a LightningModule, as Lightning's documentation writes it; both losses are logged."""

    def __init__(self, networks: Networks) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.g, self.d = networks()

    def configure_optimizers(self) -> Any:
        return ADAM(self.g.parameters()), ADAM(self.d.parameters())

    def training_step(self, real: Tensor, batch_idx: int) -> None:
        of_g, of_d = self.optimizers()
        self.toggle_optimizer(of_d)
        fakes = self.g(torch.randn(len(real), 8, device=self.device)).detach()
        loss_d = softplus(-self.d(real)).mean() + softplus(self.d(fakes)).mean()
        of_d.zero_grad()
        self.manual_backward(loss_d)
        of_d.step()
        self.untoggle_optimizer(of_d)
        self.toggle_optimizer(of_g)
        loss_g = softplus(-self.d(self.g(torch.randn(len(real), 8, device=self.device)))).mean()
        of_g.zero_grad()
        self.manual_backward(loss_g)
        of_g.step()
        self.untoggle_optimizer(of_g)
        self.log_dict({"g_loss": loss_g, "d_loss": loss_d})


def ours(networks: Networks, size: int, penalty: Penalty | None = None, **options: Any) -> pl.LightningModule:
    """The mixture as this package trains it."""
    return mix(lambda: GAN(*networks(), latent_dim=8, optimizer=ADAM, penalty=penalty), size, **options)


class Stopwatch(pl.Callback):
    """When each batch begins."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now, self.marks = now, list[float]()

    def on_train_batch_start(self, *_: Any) -> None:
        self.marks.append(self.now())


def clock(device: torch.device) -> Callable[[], float]:
    """CPU seconds of this process, which other work on the machine does not count into; on a GPU, wall clock."""
    if device.type == "cpu":
        return time.process_time

    def now() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return now


def timed_bare(game: Bare, real: Tensor, batches: int) -> float:
    """Milliseconds a batch."""
    now = clock(real.device)
    game.step(real)
    start = now()
    for _ in range(batches):
        game.step(real)
    return 1000 * (now() - start) / batches


def timed_in_lightning(model: pl.LightningModule, real: Tensor, batches: int, **options: Any) -> float:
    """Milliseconds a batch, with all that Lightning does between: from the third batch's start to the last's."""
    watch = Stopwatch(clock(real.device))
    with tempfile.TemporaryDirectory() as folder:
        trainer = pl.Trainer(
            max_epochs=1, logger=CSVLogger(folder), enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, callbacks=[watch], log_every_n_steps=50, devices=1,
            accelerator="cpu" if real.device.type == "cpu" else "gpu", **options,
        )  # fmt: skip
        trainer.fit(model, DataLoader([real.cpu()] * (batches + 3), batch_size=None))
    return 1000 * (watch.marks[-1] - watch.marks[2]) / (len(watch.marks) - 3)


def interleaved(contenders: dict[str, Callable[[], float]], rounds: int, progress: Any) -> dict[str, float]:
    """The median of some rounds, in each of which all are timed in turn."""
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, measure in contenders.items():
            progress.set_postfix_str(name)
            found[name].append(measure())
            progress.update()
    return {name: median(times) for name, times in found.items()}
