"""Tiny networks and data for the zoo: images of 1 × 4 × 4, three labels; points of the plane."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

LATENT = 3
PIXELS = 16
CLASSES = 3
BATCH = 8
BATCHES = 5


class Generator(nn.Module):
    def __init__(self, latent_dim=LATENT, batchnorm=False):
        super().__init__()
        self.model = nn.Sequential(
            nn.Linear(latent_dim, 6),
            *([nn.BatchNorm1d(6)] if batchnorm else []),
            nn.Tanh(),
            nn.Linear(6, PIXELS),
            nn.Tanh(),
        )

    def forward(self, z):
        return self.model(z).view(z.size(0), 1, 4, 4)


class Discriminator(nn.Module):
    def __init__(self, sigmoid=False, batchnorm=False, dropout=0.0):
        super().__init__()
        self.model = nn.Sequential(
            nn.Linear(PIXELS, 6),
            *([nn.BatchNorm1d(6)] if batchnorm else []),
            nn.LeakyReLU(0.2),
            *([nn.Dropout(dropout)] if dropout else []),
            nn.Linear(6, 1),
            *([nn.Sigmoid()] if sigmoid else []),
        )

    def forward(self, img):
        return self.model(img.view(img.size(0), -1))


class ConditionalGenerator(nn.Module):
    def __init__(self, num_classes=CLASSES, latent_dim=LATENT):
        super().__init__()
        self.label_emb = nn.Embedding(num_classes, 2)
        self.model = nn.Sequential(nn.Linear(latent_dim + 2, 6), nn.Tanh(), nn.Linear(6, PIXELS), nn.Tanh())

    def forward(self, z, labels):
        return self.model(torch.cat([self.label_emb(labels), z], dim=1)).view(z.size(0), 1, 4, 4)


class ConditionalDiscriminator(nn.Module):
    def __init__(self, num_classes=CLASSES):
        super().__init__()
        self.label_emb = nn.Embedding(num_classes, 2)
        self.model = nn.Sequential(nn.Linear(PIXELS + 2, 6), nn.LeakyReLU(0.2), nn.Linear(6, 1))

    def forward(self, img, labels):
        return self.model(torch.cat([img.view(img.size(0), -1), self.label_emb(labels)], dim=1))


def images(n=BATCH * BATCHES):
    """(n images in [−1, 1], their labels); the same every time, whatever the global stream."""
    stream = torch.Generator().manual_seed(1)
    labels = torch.arange(n) % CLASSES
    noise = 0.3 * torch.randn(n, 1, 4, 4, generator=stream)
    return (noise + labels.view(-1, 1, 1, 1) / CLASSES - 0.3).clamp(-1, 1), labels


def labelled():
    return DataLoader(TensorDataset(*images()), batch_size=BATCH, shuffle=True)


def unlabelled():
    """Batches are tensors, not tuples."""
    return DataLoader(images()[0], batch_size=BATCH, shuffle=True)


def with_noise():
    """Batches of (images, the noise to make fakes of)."""
    x = images()[0]
    noise = torch.randn(len(x), LATENT, generator=torch.Generator().manual_seed(2))
    return DataLoader(TensorDataset(x, noise), batch_size=BATCH, shuffle=True)


def two_domains():
    """Batches of (images of A, images of B)."""
    x = images()[0]
    return DataLoader(TensorDataset(x, -x.flip(0)), batch_size=BATCH, shuffle=True)
