"""What is checked before the first step: the Trainer's settings, the first batch, what the two networks give."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.strategies import DDPStrategy, DeepSpeedStrategy, SingleDeviceStrategy
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import DataLoader, IterableDataset

from mixgan_lightning.errors import ConfigurationError, DataError
from mixgan_lightning.gan import GAN
from mixgan_lightning.memory import check_fits
from mixgan_lightning.mixture import Mixture
from mixgan_lightning.payoff import Choice, Fakes, Pairs
from mixgan_lightning.payoff.matrix import unchanged_buffers
from mixgan_lightning.payoff.trees import first_rows
from mixgan_lightning.sampling import evaluating, own_stream
from mixgan_lightning.trial import check_networks

SMALLEST_BATCHNORM = 8  # below it the statistics of a batch are mostly noise


def check_trainer(trainer: pl.Trainer) -> None:
    """Strategies and precisions that cannot train two players in turn.

    Raises:
        ConfigurationError: naming what to use instead.
    """
    strategy = trainer.strategy
    if not isinstance(strategy, SingleDeviceStrategy | DDPStrategy) or isinstance(strategy, DeepSpeedStrategy):
        raise ConfigurationError(
            f"{type(strategy).__name__} cannot train two players in turn (FSDP and DeepSpeed shard one optimiser's "
            "parameters, others have not been tried); "
            "use strategy='ddp_find_unused_parameters_true' or one device"
        )
    if isinstance(strategy, DDPStrategy):
        _check_ddp(strategy)
    if trainer.precision in ("16-mixed", "16-true", "bf16-true"):
        raise ConfigurationError(
            f"precision={trainer.precision!r}: a loss scaler cannot serve two players, and a step of the "
            "log-probabilities is lost in 16 bits; use precision='bf16-mixed' or '32-true'"
        )


def _check_ddp(strategy: DDPStrategy) -> None:
    options = strategy._ddp_kwargs
    if not options.get("find_unused_parameters") or options.get("static_graph"):
        raise ConfigurationError(
            "plain DDP (and static_graph=True) waits for gradients of the player that is not playing; "
            "use strategy='ddp_find_unused_parameters_true'"
        )
    if strategy._layer_sync is not None and strategy.root_device.type == "cpu":
        raise ConfigurationError(
            "sync_batchnorm=true: torch's SyncBatchNorm works on GPUs only; set sync_batchnorm=false on the CPU"
        )


def check_data_loaded(trainer: pl.Trainer, smallest: int) -> None:
    """At least one batch, and none of fewer than ``smallest`` samples at the end of an epoch.

    Raises:
        DataError: when the dataset is empty or smaller than a batch, or its last batch is too small.
    """
    trainer.fit_loop.setup_data()
    if trainer.limit_train_batches != 0 and trainer.num_training_batches == 0:
        raise DataError(
            "the training dataloader yields no batch: the dataset is empty, or smaller than a batch while "
            "drop_last=True; use a smaller batch_size or more data"
        )
    last = _last_batch(trainer.train_dataloader)
    if 0 < last < smallest:
        raise DataError(
            f"the last batch of an epoch would hold {last} samples, too few to share between the networks "
            f"({smallest} at least); build the DataLoader with drop_last=True, or use fakes='full', judges='all'"
        )


def _last_batch(loader: Any) -> int:
    """How many samples are left for a smaller batch at the end of an epoch; 0: none, or not known."""
    known = isinstance(loader, DataLoader) and loader.batch_size and not isinstance(loader.dataset, IterableDataset)
    return len(loader.sampler) % loader.batch_size if known and not loader.drop_last else 0


def check_first_batch(trainer: pl.Trainer, choice: Choice, pairs: Pairs, batch: Any) -> None:
    """The first batch, whether a step on it fits into memory, what the networks make of it. Changes nothing.

    Raises:
        DataError, GANError, ConfigurationError: saying what was expected, what came, and how to mend it.
    """
    check_batch(pairs.gan, batch)
    pairs.check_size(len(pairs.gan.images(batch)))
    known = not pairs.through_autograd  # losses of one's own keep what they keep
    check_fits(trainer, choice, pairs if known else None, batch)
    check_game(pairs.gan, pairs.generators, pairs.discriminators, pairs.fakes, batch)
    if 1 in (len(pairs.gan.images(batch)), _last_batch(trainer.train_dataloader)):
        check_lone_sample(pairs.gan, pairs.generators.components[0], pairs.discriminators.components[0], batch)


def check_game(gan: GAN, generators: Mixture, discriminators: Mixture, fakes: Fakes, batch: Any) -> None:
    """What the networks make of the first batch; draws from a forked random stream and changes nothing.

    Raises:
        DataError, GANError: saying what was expected, what came, and how to mend it.
    """
    groups = fakes.groups(len(gan.images(batch)), generators)
    generator, discriminator = generators.components[0], discriminators.components[0]
    with evaluating(gan, generators, discriminators), own_stream(gan.like.device, seed=0):
        check_networks(gan, generator, discriminator, batch)
    seen = (
        ("generators", generator, min(group.samples for group in groups)),
        ("discriminators", discriminator, len(gan.images(batch))),
    )
    warn_of_small_batchnorm(seen)


def check_lone_sample(gan: GAN, generator: nn.Module, discriminator: nn.Module, batch: Any) -> None:
    """Whether networks in training take a batch of one sample, which some BatchNorm cannot normalise.

    Raises:
        DataError: naming the network.
    """
    one = first_rows(batch, len(gan.images(batch)), 1)
    calls = {
        "generator": lambda: gan.generate(generator, gan.latents(1, one), one),
        "discriminator": lambda: gan.score(discriminator, gan.images(one), one),
    }
    for name, call in calls.items():
        with unchanged_buffers(gan, generator, discriminator), own_stream(gan.like.device, seed=0), torch.no_grad():
            try:
                call()
            except ValueError as error:
                if "more than 1 value per channel" not in str(error):  # torch's words
                    raise
                raise DataError(
                    f"a batch of 1 sample: BatchNorm in the {name} has one value a channel, and no variance to divide "
                    "by; use a batch_size that leaves 2 samples or more for the last batch (or drop_last=True), or "
                    "another normalisation"
                ) from error


def check_batch(gan: GAN, batch: Any) -> None:
    """The first batch: tensors, finite, with usable labels.

    Raises:
        DataError: saying what is wrong with it.
    """
    images = gan.images(batch)
    if not isinstance(images, Tensor) or not images.is_floating_point():
        kind = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise DataError(
            f"expected batches of floating-point images in [-1, 1], got {kind}; convert in the dataset "
            "(torchvision: ToTensor() and Normalize(0.5, 0.5))"
        )
    if images.dtype != gan.like.dtype:
        raise DataError(
            f"the data are {images.dtype}, the networks {gan.like.dtype}; convert the data in the dataset "
            "(images.float()), or the model (model.double())"
        )
    bad = int((~torch.isfinite(images)).sum())
    if bad:
        raise DataError(f"the first batch holds {bad} values that are NaN or infinite; clean the data")
    labels = gan.labels(batch)
    if labels is not None and gan.num_classes is not None:
        _check_labels(labels, len(images), gan.num_classes)


def _check_labels(labels: Any, n: int, num_classes: int) -> None:
    whole = isinstance(labels, Tensor) and labels.dtype in (torch.int64, torch.int32)  # what nn.Embedding takes
    if not whole or tuple(labels.shape) != (n,) or int(labels.min()) < 0 or int(labels.max()) >= num_classes:
        got = f"{labels.dtype} of shape {tuple(labels.shape)}" if isinstance(labels, Tensor) else type(labels).__name__
        if whole:
            got += f" with values {int(labels.min())} … {int(labels.max())}"
        raise DataError(f"labels: expected {n} whole numbers (int64) in 0 … {num_classes - 1}, got {got}")


def warn_of_small_batchnorm(players: Iterable[tuple[str, nn.Module, int]]) -> None:
    """A warning where a BatchNorm would see fewer than 8 samples. ``players``: (name, network, samples it sees)."""
    for name, network, n in players:
        if n < SMALLEST_BATCHNORM and any(isinstance(layer, _BatchNorm) for layer in network.modules()):
            rank_zero_warn(
                f"BatchNorm in the {name} would see {n} sample{'s' * (n != 1)} a step, fewer than "
                f"{SMALLEST_BATCHNORM}: its statistics will be noise; a larger batch, fewer components or another "
                "normalisation would help"
            )
