"""Small image GANs, features that count what they are asked for, samples and real data in memory."""

from collections import Counter

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from mixgan_lightning import GAN, mix
from mixgan_lightning.evaluation import RealSamples
from mixgan_lightning.gan import images_of
from mixgan_lightning.processes import ALL, Share


@pytest.fixture
def shares():
    """``shares(size)``: what each of so many processes is given."""
    return lambda size: [Share(rank, size) for rank in range(size)]


@pytest.fixture
def image_model():
    """``image_model(*end)``: two generators of 1×2×2 images that end with these layers; default: tanh."""

    def make(*end):
        def build():
            generator = nn.Sequential(nn.Linear(3, 4), *(end or [nn.Tanh()]), nn.Unflatten(1, (1, 2, 2)))
            return GAN(generator, nn.Sequential(nn.Flatten(), nn.Linear(4, 1)), latent_dim=3)

        return mix(build, 2)

    return make


class CountingFeatures(nn.Module):
    """1×2×2 images → an embedding of 5 → 3 logits; counts the samples that each was asked for."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(4, 5), nn.Dropout(0.5))
        self.head = nn.Linear(5, 3)
        self.asked = Counter()

    def embedding(self, images):
        self.asked["embedding"] += len(images)
        return self.body(images)

    def logits(self, embedding):
        self.asked["logits"] += len(embedding)
        return self.head(embedding)

    def forward(self, images):
        self.asked["forward"] += len(images)
        return self.head(self.body(images))


@pytest.fixture
def features():
    torch.manual_seed(0)
    return CountingFeatures()


class InMemory:
    """Samples in memory, in batches of 7; counts the passes over them."""

    def __init__(self, images, size=7):
        self.images, self.size, self.passes = images, size, 0

    def __len__(self):
        return len(self.images)

    def batches(self, share=ALL):
        self.passes += 1
        for start in range(share.rank * self.size, len(self), share.size * self.size):
            batch = self.images[start : start + self.size]
            yield batch, torch.arange(start, start + len(batch))


@pytest.fixture
def in_memory():
    """``in_memory(images, size=7)``: samples."""
    return InMemory


@pytest.fixture
def images():
    """``images(n, seed=0)``: uniform noise, (n, 1, 2, 2) in [−1, 1]."""
    return lambda n, seed=0: 2 * torch.rand(n, 1, 2, 2, generator=torch.Generator().manual_seed(seed)) - 1


@pytest.fixture
def data():
    """``data(train=None, held_out=None)``: a datamodule of these images; None: it has no such split."""

    def make(train=None, held_out=None):
        class Data(pl.LightningDataModule):
            if train is not None:

                def train_dataloader(self):
                    return DataLoader(TensorDataset(train), 8, shuffle=True, drop_last=True)

            if held_out is not None:

                def val_dataloader(self):
                    return DataLoader(TensorDataset(held_out), 8)

        return Data()

    return make


@pytest.fixture
def real():
    """``real(datamodule)``: what ``Scoring.prepare`` is given."""
    return lambda datamodule: lambda split, limit: RealSamples(datamodule, split, images_of, limit)
