"""Exact resumption through the Trainer, with data of a user's own."""

import random

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset

from mixgan_lightning import GAN, MixGANModule, mix
from mixgan_lightning.callbacks import LastCheckpoint, StepSeeding
from mixgan_lightning.errors import ConfigurationError


class Augmented(Dataset):
    """Every sample is drawn with noise of torch, numpy and random."""

    def __init__(self):
        self.samples = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        noise = [float(torch.rand(())), float(np.random.rand()) + random.random()]  # noqa: NPY002
        return self.samples[index] + torch.tensor(noise)


class Stream(IterableDataset):
    """Of unknown length, drawn as it goes."""

    def __iter__(self):
        return (torch.randn(2) for _ in range(40))


class Seen(pl.Callback):
    """The batches trained on."""

    def __init__(self):
        self.batches = []

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        self.batches.append((trainer.fit_loop.total_batch_idx + 1, batch.clone()))


class Break(pl.Callback):
    def __init__(self, batch):
        self.batch = batch

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if trainer.fit_loop.total_batch_idx + 1 == self.batch:
            raise KeyError("broken")


def gan():
    discriminator = nn.Sequential(nn.Linear(2, 4), nn.Dropout(0.5), nn.Linear(4, 1))
    return GAN(nn.Linear(2, 2), discriminator, latent_dim=2)


class Mine(MixGANModule):
    """Draws in a hook that comes after those of all callbacks, and before a dataset in this process draws."""

    def on_train_batch_end(self, outputs, batch, batch_idx):
        torch.rand(3)


class Unsaved(LastCheckpoint):
    """What a killed process leaves: the error itself saves nothing."""

    def on_exception(self, trainer, pl_module, exception):
        pass


LOADERS = {
    "shuffled": lambda: DataLoader(Augmented(), 8, shuffle=True),
    "with workers": lambda: DataLoader(Augmented(), 8, shuffle=True, num_workers=2),
    "in order": lambda: DataLoader(Augmented(), 8),
    "a stream": lambda: DataLoader(Stream(), 8),
}


def train(fit, folder, loader, *more, ckpt_path=None, **options):
    torch.manual_seed(1)  # of the networks
    model, seen = (Mine if loader.num_workers else MixGANModule)(gan, 2), Seen()
    callbacks = [StepSeeding(5), seen, Unsaved(folder, every_n_batches=2), *more]
    options = {"max_epochs": 3, "enable_checkpointing": True} | options
    fit(model, loader, callbacks=callbacks, ckpt_path=ckpt_path, **options)
    return model, seen.batches


@pytest.mark.parametrize("batch", [6, 13])
@pytest.mark.parametrize("name", LOADERS)
def test_a_training_that_goes_on_sees_and_learns_what_it_would_have(name, batch, fit, tmp_path):
    whole, batches = train(fit, tmp_path / "whole", LOADERS[name]())
    with pytest.raises(KeyError, match="broken"):
        train(fit, tmp_path / "cut", LOADERS[name](), Break(batch))
    last = str(tmp_path / "cut" / "last.ckpt")
    resumed, again = train(fit, tmp_path / "cut", LOADERS[name](), ckpt_path=last)
    assert 0 < len(again) < len(batches) == 15
    for (number, seen), (number_again, seen_again) in zip(batches[-len(again) :], again, strict=True):
        assert number == number_again
        assert torch.equal(seen, seen_again)
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key


@pytest.mark.parametrize("batch", range(5, 13))
def test_with_a_number_of_steps_it_goes_on_at_the_end_of_an_epoch_too(batch, fit, tmp_path):
    options = {"max_epochs": -1, "max_steps": 26}  # 13 batches, in epochs of 5
    whole, batches = train(fit, tmp_path / "whole", LOADERS["shuffled"](), **options)
    with pytest.raises(KeyError, match="broken"):
        train(fit, tmp_path / "cut", LOADERS["shuffled"](), Break(batch), **options)
    last = str(tmp_path / "cut" / "last.ckpt")
    resumed, again = train(fit, tmp_path / "cut", LOADERS["shuffled"](), ckpt_path=last, **options)
    assert [number for number, _ in batches[-len(again) :]] == [number for number, _ in again]
    assert all(
        torch.equal(a, b) for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True)
    )


class BreakAt(pl.Callback):
    """In a hook of a batch, or at the end of an epoch."""

    def __init__(self, hook, batch):
        self.hook, self.batch = hook, batch

    def _now(self, trainer, hook):
        if hook == self.hook and trainer.fit_loop.total_batch_idx + 1 == self.batch:
            raise KeyError("broken")

    def on_train_batch_start(self, trainer, *_):
        self._now(trainer, "on_train_batch_start")

    def on_before_optimizer_step(self, trainer, *_):
        self._now(trainer, "on_before_optimizer_step")

    def on_train_batch_end(self, trainer, *_):
        self._now(trainer, "on_train_batch_end")

    def on_train_epoch_end(self, trainer, *_):
        self._now(trainer, "on_train_epoch_end")


@pytest.mark.parametrize("batch", [4, 5, 6, 10])  # in epochs of 5
@pytest.mark.parametrize(
    "hook", ["on_train_batch_start", "on_before_optimizer_step", "on_train_batch_end", "on_train_epoch_end"]
)
def test_whatever_breaks_the_last_checkpoint_is_exact(hook, batch, fit, tmp_path):
    def once(folder, *more, **options):
        torch.manual_seed(1)
        model = mix(gan, 2)
        callbacks = [StepSeeding(5), *more, LastCheckpoint(folder)]
        fit(model, LOADERS["shuffled"](), callbacks=callbacks, max_epochs=3, enable_checkpointing=True, **options)
        return model.state_dict()

    if hook == "on_train_epoch_end" and batch % 5:
        batch = 15
    whole = once(tmp_path / "whole")
    with pytest.raises(KeyError, match="broken"):
        once(tmp_path / "cut", BreakAt(hook, batch))
    last = tmp_path / "cut" / "last.ckpt"
    nothing_new = batch == 6 and hook in ("on_train_batch_start", "on_before_optimizer_step")  # since the epoch's end
    assert (tmp_path / "cut" / "interrupted.ckpt").exists() != nothing_new
    resumed = once(tmp_path / "cut", ckpt_path=last if last.exists() else None)
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_an_epoch_that_has_become_shorter_is_said(fit, tmp_path):
    with pytest.raises(KeyError, match="broken"):
        train(fit, tmp_path, LOADERS["in order"](), Break(5))
    with pytest.raises(ConfigurationError, match=r"after 4 batches of an epoch, and an epoch has only 2 now"):
        train(fit, tmp_path, DataLoader(Augmented(), 20), ckpt_path=str(tmp_path / "last.ckpt"))


def test_epochs_are_shuffled_differently(fit, tmp_path):
    _, batches = train(fit, tmp_path, DataLoader(torch.arange(80.0).view(40, 2), 8, shuffle=True))
    epochs = [torch.cat([batch for _, batch in batches[k : k + 5]]) for k in (0, 5, 10)]
    assert all(torch.equal(epoch.sort(0).values, torch.arange(80.0).view(40, 2)) for epoch in epochs)
    assert not torch.equal(epochs[0], epochs[1])
    assert not torch.equal(epochs[1], epochs[2])


def test_the_seed_decides(fit, tmp_path):
    def batches(seed):
        seen = Seen()
        torch.manual_seed(seed)
        fit(mix(gan, 2), LOADERS["shuffled"](), callbacks=[StepSeeding(seed % 2), seen])
        return torch.cat([batch for _, batch in seen.batches])

    assert torch.equal(batches(1), batches(3))
    assert not torch.equal(batches(1), batches(2))


def test_a_seed_that_is_none_is_refused():
    with pytest.raises(ConfigurationError, match="seed: expected a whole number"):
        StepSeeding(-1)
