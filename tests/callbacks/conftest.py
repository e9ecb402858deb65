"""Small GANs of digits and of points, and what the loggers were told."""

import csv

import pytest
import torch
from pytorch_lightning.loggers import CSVLogger, Logger
from torch import nn

from mixgan_lightning import GAN, mix
from mixgan_lightning.data import DigitsDataModule, GaussiansRing


def digits_gan():
    """8×8 images; BatchNorm has buffers to disturb, Dropout draws from the random stream at each step."""
    generator = nn.Sequential(
        nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 64), nn.Tanh(), nn.Unflatten(1, (1, 8, 8))
    )
    discriminator = nn.Sequential(
        nn.Flatten(), nn.Linear(64, 16), nn.BatchNorm1d(16), nn.Dropout(0.5), nn.LeakyReLU(0.2), nn.Linear(16, 1)
    )
    return GAN(generator, discriminator, latent_dim=4)


def points_gan():
    return GAN(nn.Linear(2, 2), nn.Linear(2, 1), latent_dim=2)


@pytest.fixture
def digits_model():
    """``digits_model(size=2, **options)``."""
    return lambda size=2, **options: mix(digits_gan, size, **options)


@pytest.fixture
def points_model():
    """``points_model(size=2, **options)``."""
    return lambda size=2, **options: mix(points_gan, size, **options)


@pytest.fixture
def digits():
    """1,437 training digits in three whole batches, none dropped; 360 held out."""
    data = DigitsDataModule(batch_size=479)
    data.setup()
    return data


@pytest.fixture
def ring():
    data = GaussiansRing(num_samples=5_000)
    data.setup()
    return data


@pytest.fixture
def rows(tmp_path):
    """``rows(name)``: (epoch, value) of each row of metrics.csv that has the value; log to ``rows.logger``."""

    class Rows:
        logger = CSVLogger(tmp_path, name="", version="")

        def __call__(self, name, at="epoch"):
            with (tmp_path / "metrics.csv").open() as file:
                return [(int(float(row[at])), float(row[name])) for row in csv.DictReader(file) if row.get(name)]

    return Rows()


class Count:
    """A measure of the user's own: it remembers each set of samples that it is shown, and counts them."""

    needs, least = None, 1

    def __init__(self, reference=None, real_rows=("held_out",), while_updating=lambda: None):
        self.reference, self.real_rows, self.while_updating = reference, real_rows, while_updating
        self.observed, self.sets = [], []

    def forget(self):
        self.observed = []

    def observe(self, seen):
        self.observed.append(seen.samples)

    def ready(self, device):
        self.device = device

    def reset(self):
        self.sets.append([])

    def update(self, seen):
        self.while_updating()
        self.sets[-1].append(seen.samples)

    def values(self):
        return {"quality/count": float(len(self.measured[-1]))}

    @property
    def measured(self):
        return [torch.cat(batches) for batches in self.sets]


@pytest.fixture
def count():
    """``count(reference=None, real_rows=("held_out",))``: a measure that counts samples, ``quality/count``."""
    return Count


class ImageLogger(Logger):
    """Remembers the images that it is handed."""

    def __init__(self):
        super().__init__()
        self.images = []

    name, version = "images", 0

    def log_hyperparams(self, *args, **kwargs):
        pass

    def log_metrics(self, metrics, step):
        pass

    def log_image(self, key, images, caption):
        self.images += [(key, *shown) for shown in zip(images, caption, strict=True)]


@pytest.fixture
def image_logger():
    return ImageLogger()
