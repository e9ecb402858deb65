"""Training a classifier of the data once, and keeping it on this machine."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from mixgan_lightning.cache import cache_folder, trained_once

RECIPE = 2  # raise it when the training changes: the names of the cached files follow
STEPS = 4_000  # 10 epochs of CIFAR-10, where a network of this kind has learnt what it can without augmentation
BATCH = 128
SHIFT = 8  # images are moved by up to a part of so many of their side: the classifier must not hang on a pixel


def fitted(classifier: nn.Module, images: Tensor, labels: Tensor) -> None:
    """Train a classifier on these images, or read what was trained on them before, in place.

    AdamW with one cycle of the learning rate, from fresh weights; the images shifted a little. The file's name holds a
    checksum of the images, the labels, the classifier's layers and the training. Call it where the random stream is
    forked and seeded: what comes out must not depend on the run that happens to be the first.

    Args:
        classifier: images (N, …) -> logits (N, K), of layers with ``reset_parameters``; its parameters may be frozen.
        images: (N, C, H, W).
        labels: (N,), integers in 0 … K − 1.
    """
    path = cache_folder() / f"encoder_v{RECIPE}_{_fingerprint(classifier, images, labels)}.pt"

    def train() -> None:
        print(f"training SGAN's encoder on {len(images):,} images, once; to be kept in {path}", flush=True)
        _train(classifier, images, labels)

    trained_once(classifier, path, train)


def _fingerprint(classifier: nn.Module, images: Tensor, labels: Tensor) -> str:
    digest = hashlib.sha256(repr((classifier, tuple(images.shape), STEPS, BATCH, SHIFT)).encode())
    for tensor in (images, labels):
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


@torch.enable_grad()
def _train(classifier: nn.Module, images: Tensor, labels: Tensor) -> None:
    for layer in classifier.modules():
        if callable(reset := getattr(layer, "reset_parameters", None)):
            reset()
    parameters = [p.detach().requires_grad_() for p in classifier.parameters()]
    trained = dict(zip((name for name, _ in classifier.named_parameters()), parameters, strict=True))
    optimizer = torch.optim.AdamW(parameters, lr=2e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, STEPS)
    for _ in tqdm(range(STEPS), desc="training the encoder", leave=False, disable=None):
        batch = torch.randint(len(images), (BATCH,), device=images.device)
        logits = torch.func.functional_call(classifier, trained, (_shifted(images[batch]),))
        optimizer.zero_grad()
        cross_entropy(logits, labels[batch]).backward()
        optimizer.step()
        schedule.step()


def _shifted(images: Tensor) -> Tensor:
    """All images of a batch moved by whole pixels, what leaves at one side coming back at the other."""
    most = images.shape[-1] // SHIFT
    down, right = torch.randint(-most, most + 1, (2,)).tolist()
    return images.roll((down, right), dims=(2, 3))
