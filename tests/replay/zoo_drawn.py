"""Users' GANs of points of the plane whose samples tell what their generator was fed with."""

import random

import numpy as np
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

N, BATCH = 40, 8


class Shows(nn.Module):
    """What it is fed with, and an offset by which to tell it from others."""

    def __init__(self):
        super().__init__()
        self.offset = nn.Parameter(torch.randn(2))

    def forward(self, z):
        return z + self.offset


class FirstTwo(Shows):
    def forward(self, z):
        return z[:, :2] + self.offset


class OwnGAN(pl.LightningModule):
    """Override ``fake`` and ``networks``; hardly learns, so that what is drawn stays as told."""

    lr = 1e-4

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.discriminator = self.networks()

    def networks(self):
        return Shows(), nn.Sequential(nn.Flatten(), nn.LazyLinear(1))

    def fake(self, batch):
        return self.generator(torch.rand(len(batch[0]), 2, device=self.device))

    def training_step(self, batch, batch_idx):
        opt_g, opt_d = self.optimizers()
        real, fake = batch[0], self.fake(batch)
        d_loss = F.softplus(-self.discriminator(real)).mean() + F.softplus(self.discriminator(fake.detach())).mean()
        opt_d.zero_grad()
        self.manual_backward(d_loss)
        opt_d.step()
        g_loss = F.softplus(-self.discriminator(fake)).mean()
        opt_g.zero_grad()
        self.manual_backward(g_loss)
        opt_g.step()
        self.log_dict({"own/g": g_loss, "own/d": d_loss})

    def of_generator(self):
        return self.generator.parameters()

    def configure_optimizers(self):
        return (
            torch.optim.Adam(self.of_generator(), lr=self.lr),
            torch.optim.Adam(self.discriminator.parameters(), lr=self.lr),
        )


def points(labels=None):
    """Batches of (points, labels), a fifth of these 0, the others 1, unless given."""
    x = torch.randn(N, 2, generator=torch.Generator().manual_seed(1))
    labels = (torch.arange(N) % 5 > 0).long() if labels is None else labels
    return DataLoader(TensorDataset(x, labels), batch_size=BATCH, shuffle=True)


class Points(pl.LightningDataModule):
    def train_dataloader(self):
        return points()

    def val_dataloader(self):
        return points()


# ---------------------------------------------------------------------------------------- laws of the noise


class Plain(OwnGAN):
    def networks(self):
        return Shows(), nn.Linear(2, 1)


class ScaledNoise(Plain):
    def fake(self, batch):
        return self.generator(5 * torch.randn(len(batch[0]), 2) + 100)


class NumpyNoise(Plain):
    def fake(self, batch):
        return self.generator(torch.from_numpy(np.random.uniform(-1, 1, (len(batch[0]), 2))).float())  # noqa: NPY002


class PythonNoise(Plain):
    def fake(self, batch):
        return self.generator(torch.tensor([[random.choice([-1.0, 1.0]), 7.0] for _ in batch[0]]))


class DistributionNoise(Plain):
    def __init__(self):
        super().__init__()
        self.law = torch.distributions.Exponential(2.0)

    def fake(self, batch):
        return self.generator(self.law.sample((len(batch[0]), 2)))


# ---------------------------------------------------------------------------------------- ways of feeding


class TakesTwo(Shows):
    def forward(self, z, code):
        return z + 10 * code + self.offset


class TakesTuple(Shows):
    def forward(self, both):
        z, code = both
        return z + 10 * code + self.offset


def noise_and_code(n):
    return torch.rand(n, 2), F.one_hot(torch.randint(2, (n,)), 2)


class TwoInputs(Plain):
    def networks(self):
        return TakesTwo(), nn.Linear(2, 1)

    def fake(self, batch):
        return self.generator(*noise_and_code(len(batch[0])))


class KeywordInputs(TwoInputs):
    def fake(self, batch):
        z, code = noise_and_code(len(batch[0]))
        return self.generator(code=code, z=z)


class TupleInput(TwoInputs):
    def networks(self):
        return TakesTuple(), nn.Linear(2, 1)

    def fake(self, batch):
        return self.generator(noise_and_code(len(batch[0])))


class NumberInput(TwoInputs):
    """A number beside the noise: a temperature, a resolution."""

    def fake(self, batch):
        return self.generator(torch.rand(len(batch[0]), 2), code=3)


class ScalarTensorInput(TwoInputs):
    def fake(self, batch):
        return self.generator(torch.rand(len(batch[0]), 2), torch.tensor(3))


class DrawsItself(Plain):
    """The generator is told how many, and draws its noise itself."""

    class Network(Shows):
        def forward(self, n):
            return torch.rand(n, 2) + self.offset

    def networks(self):
        return self.Network(), nn.Linear(2, 1)

    def fake(self, batch):
        return self.generator(len(batch[0]))


class FixedNumber(Plain):
    """So many fakes, however long the batch."""

    def fake(self, batch):
        return self.generator(torch.rand(16, 2))


class TwoNetworks(Plain):
    """The generator's player has a mapping network before the one that makes points."""

    def __init__(self):
        super().__init__()
        self.mapping = nn.Linear(3, self.width)

    width = 4

    def networks(self):
        return FirstTwo(), nn.Linear(2, 1)

    def fake(self, batch):
        return self.generator(self.mapping(torch.randn(len(batch[0]), 3)))

    def of_generator(self):
        return [*self.generator.parameters(), *self.mapping.parameters()]


class TwoNetworksOfOneShape(TwoNetworks):
    """What the mapping network gives has the shape of a sample."""

    width = 2


class ByForward(Plain):
    """Its network gives rows, the module's own ``forward`` images."""

    def networks(self):
        return nn.Linear(3, 16), nn.Sequential(nn.Flatten(), nn.Linear(16, 1))

    def forward(self, z):
        return self.generator(z).view(-1, 1, 4, 4)

    def fake(self, batch):
        return self(torch.randn(len(batch[0]), 3))


# ---------------------------------------------------------------------------------------- labels


class TakesLabels(Shows):
    def forward(self, z, labels):
        return torch.stack([labels.to(z), z[:, 0]], dim=1) + self.offset


class Conditional(Plain):
    """Makes points whose first coordinate is the batch's label."""

    def networks(self):
        return TakesLabels(), nn.Linear(2, 1)

    def fake(self, batch):
        return self.generator(torch.rand(len(batch[0]), 1), batch[1])


class ConditionalHalves(Conditional):
    """Fakes of half a batch at a time."""

    def fake(self, batch):
        halves = batch[1].chunk(2)
        return torch.cat([self.generator(torch.rand(len(half), 1), half) for half in halves])


class LabelEmbedding(Plain):
    """The embedding of labels is an attribute of the module."""

    def __init__(self):
        super().__init__()
        self.label_emb = nn.Embedding(2, 4)

    def networks(self):
        return FirstTwo(), nn.Linear(2, 1)

    def fake(self, batch):
        return self.generator(torch.rand(len(batch[0]), 4) * self.label_emb(batch[1]))

    def of_generator(self):
        return [*self.generator.parameters(), *self.label_emb.parameters()]


# ---------------------------------------------------------------------------------------- what happens between


class Learning(Plain):
    """Learns; BatchNorm, dropout, three random streams, a counter: all that sampling could disturb."""

    lr = 0.02

    def __init__(self):
        super().__init__()
        self.steps = 0

    def networks(self):
        generator = nn.Sequential(nn.Linear(3, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 2))
        return generator, nn.Sequential(nn.Linear(2, 6), nn.Dropout(0.3), nn.ReLU(), nn.Linear(6, 1))

    def fake(self, batch):
        self.steps += 1
        z = torch.randn(len(batch[0]), 3) + float(np.random.rand()) + random.random()  # noqa: NPY002
        return self.generator(z * (1 + self.steps % 2))


class Annealed(Plain):
    """Noise on the data in the first steps: a step draws less later."""

    def training_step(self, batch, batch_idx):
        x, labels = batch
        if self.global_step < 4:
            x = x + 0.1 * torch.randn_like(x)
        super().training_step((x, labels), batch_idx)


class OptimizersOfInit(Learning):
    """Its optimisers are made once."""

    def __init__(self):
        super().__init__()
        self.made = super().configure_optimizers()

    def configure_optimizers(self):
        return self.made


class SetsItsScaleLater(Plain):
    """What its step needs is set by a hook."""

    def on_train_start(self):
        self.scale = 2.0

    def fake(self, batch):
        return self.generator(self.scale * torch.rand(len(batch[0]), 2))


class SetsItsScaleInSetup(SetsItsScaleLater):
    on_train_start = pl.LightningModule.on_train_start

    def setup(self, stage):
        self.scale = 2.0


class Reshaped(Plain):
    """Data come as whole numbers, (1, 2), and are what the networks take only once on the device."""

    def on_after_batch_transfer(self, batch, dataloader_idx):
        x, labels = batch
        return x.float().flatten(1) / 10, labels


class Counted(Plain):
    """Tells everybody of each call."""

    calls: tuple[str, ...] = ()

    def training_step(self, batch, batch_idx):
        Counted.calls += ("training_step",)
        super().training_step(batch, batch_idx)

    def fake(self, batch):
        Counted.calls += ("fake",)
        return super().fake(batch)
