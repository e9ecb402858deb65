"""What the tests share: small networks, a quiet Trainer, a seed for every test."""

import logging
import resource
import signal
import sys
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader

from mixgan_lightning import GAN

sys.path.insert(0, str(Path(__file__).parent / "fixtures"))

import random_inception
import tiny_data

torch.set_num_threads(1)
logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)

LATENT_DIM = 3


@pytest.fixture(autouse=True)
def seed():
    """The seed of every random test; a test that depends on its draws seeds again where it matters."""
    torch.manual_seed(0)
    return 0


def build_networks(batchnorm=False):
    """A generator of points in the plane and a discriminator of them; smooth, so that float64 shows every digit."""

    def mlp(n, m):
        normalise = [nn.BatchNorm1d(5)] if batchnorm else []
        return nn.Sequential(nn.Linear(n, 5), *normalise, nn.Tanh(), nn.Linear(5, m))

    return mlp(LATENT_DIM, 2), mlp(2, 1)


@pytest.fixture
def toy_networks():
    return build_networks


@pytest.fixture
def toy():
    """``toy(kind=GAN, batchnorm=False, **options)``: a factory of GANs of points in the plane."""

    def factory(kind=GAN, *, batchnorm=False, **options):
        return lambda: kind(*build_networks(batchnorm), **{"latent_dim": LATENT_DIM} | options)

    return factory


class ConditionalGenerator(nn.Module):
    """Points whose first coordinate is the label, so that samples tell the label that they were made with."""

    def __init__(self):
        super().__init__()
        self.body = nn.Linear(LATENT_DIM, 1)

    def forward(self, latents, labels):
        return torch.cat([labels[:, None].to(latents), self.body(latents)], dim=1)


class ConditionalDiscriminator(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.body = nn.Linear(2, 4)
        self.embed = nn.Embedding(num_classes, 4)
        self.head = nn.Linear(4, 1)

    def forward(self, images, labels):
        return self.head(torch.tanh(self.body(images) + self.embed(labels)))


@pytest.fixture
def conditional_toy():
    """``conditional_toy(num_classes=3, **options)``: a factory of GANs whose points are (label, anything)."""

    def factory(kind=GAN, num_classes=3, **options):
        return lambda: kind(
            ConditionalGenerator(),
            ConditionalDiscriminator(num_classes),
            **{"latent_dim": LATENT_DIM, "num_classes": num_classes} | options,
        )

    return factory


@pytest.fixture
def make_trainer(tmp_path):
    """``make_trainer(**options)``: a Trainer on the CPU that writes nothing, unless asked."""

    def make(**options):
        quiet = {"accelerator": "cpu", "devices": 1, "max_epochs": 1, "logger": False, "enable_checkpointing": False}
        silent = {"enable_progress_bar": False, "enable_model_summary": False, "default_root_dir": tmp_path}
        return pl.Trainer(**quiet | silent | options)

    return make


class SeedEachBatch(pl.Callback):
    """Batch k is played with the global stream seeded to ``seed + k``."""

    def __init__(self, seed):
        self.seed = seed

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        torch.manual_seed(self.seed + batch_idx)


@pytest.fixture
def fit(make_trainer):
    """``fit(model, data, batch_size=16, seed=None, **trainer)``: train, and return the Trainer.

    ``data``: samples in memory, or a DataLoader. ``seed``: the global stream starts each batch k at ``seed + k``.
    """

    def train(model, data, batch_size=16, seed=None, ckpt_path=None, callbacks=(), **options):
        loader = data if isinstance(data, DataLoader | pl.LightningDataModule) else DataLoader(data, batch_size)
        callbacks = [*callbacks, *([] if seed is None else [SeedEachBatch(seed)])]
        trainer = make_trainer(callbacks=callbacks, **options)
        trainer.fit(model, loader, ckpt_path=ckpt_path)
        return trainer

    return train


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """``built(name)``: what ``tiny_data.build_<name>`` builds, once; to be read, not changed."""
    made = {}

    def build(name):
        if name not in made:
            made[name] = getattr(tiny_data, f"build_{name}")(tmp_path_factory.mktemp(name))
        return made[name]

    return build


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """A cache of this test's own."""
    monkeypatch.setenv("MIXGAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def tiny_cifar10(built):
    """CIFAR-10's archive with 260 + 52 images: ``.options`` for the datamodule, ``.overrides`` for a command."""
    return built("cifar10")


@pytest.fixture
def tiny_mnist(built):
    """MNIST's four files with 300 + 60 digits."""
    return built("mnist")


@pytest.fixture
def tiny_celeba(built, own_cache):
    """CelebA's archive and list of partitions with 280 + 40 faces."""
    return built("celeba")


@pytest.fixture
def tiny_folder(built, own_cache):
    """A folder of 3 × 40 pictures in subfolders; cached apart."""
    return built("folder")


@pytest.fixture(scope="session")
def inception_weights(tmp_path_factory):
    """A file of random weights in torch-fidelity's format; to be read, not changed."""
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    random_inception.write(path)
    return path


@pytest.fixture
def little_room():
    """No file may grow beyond 100 kB; writing more fails as on a full disk."""
    handler, limits = signal.getsignal(signal.SIGXFSZ), resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)


class WithLosses(nn.Module):
    """A module of one's own, played pair by pair."""

    def __init__(self):
        super().__init__()
        self.generator, self.discriminator = nn.Linear(2, 2), nn.Linear(2, 1)

    def generator_loss(self, batch):
        return -self.discriminator(self.generator(torch.randn_like(batch))).mean()

    def discriminator_loss(self, batch):
        fakes = self.generator(torch.randn_like(batch))
        return self.discriminator(fakes).mean() - self.discriminator(batch).mean()

    def configure_optimizers(self):
        return [torch.optim.SGD(player.parameters(), lr=0.01) for player in (self.generator, self.discriminator)]


@pytest.fixture
def module_with_losses():
    """A class of modules with loss methods, of points."""
    return WithLosses
