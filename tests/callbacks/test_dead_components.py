import warnings

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from mixgan_lightning import GAN, mix
from mixgan_lightning.callbacks import DeadComponents


class At(pl.Callback):
    """Does something to the module before batch 2."""

    def __init__(self, change):
        self.change = change

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if batch_idx == 2:
            with torch.no_grad():
                self.change(module)


def said_of(fit, change, size=3, **options):
    model = mix(lambda: GAN(nn.Linear(2, 2), nn.Linear(2, 1), latent_dim=2), size, **options)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        callbacks = [At(change), DeadComponents()]
        fit(model, torch.randn(96, 2), callbacks=callbacks, log_every_n_steps=1, max_epochs=2)
    assert all(p.isfinite().all() for p in model.parameters())
    return [str(each.message) for each in said if "dead" in str(each.message)]


def test_a_generator_that_gives_one_sample_is_told_once(fit):
    def constant(module):
        component = module.generators.components[1]
        component.forward = lambda latents: latents * 0 + component.bias

    assert said_of(fit, constant, evaluation="loop") == ["generator 1 is dead at batch 2: its samples are all the same"]


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_a_component_without_weight_is_told_once(fit, player):
    def starve(module):
        getattr(module, f"{player}s").log_probabilities[2] = -8

    (line,) = said_of(fit, starve, log_probability_lr=0)
    assert line.startswith(f"{player} 2 is dead at batch 2: its weight is 0.00017, below 0.1 / 3")


def test_of_a_healthy_mixture_nothing_is_said(fit):
    assert said_of(fit, lambda module: None) == []
    assert said_of(fit, lambda module: None, size=1) == []


def test_the_training_is_the_same_with_and_without_it(fit, digits_model, digits):
    ends = []
    for callbacks in ([], [DeadComponents()]):
        torch.manual_seed(0)
        model = digits_model(size=3)
        fit(model, digits, callbacks=callbacks, log_every_n_steps=1)
        ends.append(model.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(ends[0].values(), ends[1].values(), strict=True))


def test_labels_stand_beside_the_latents(fit, conditional_toy):
    batch = [torch.randn(32, 2), torch.arange(32) % 3]
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*batch), 16)
    trainer = fit(mix(conditional_toy(), 2), loader, callbacks=[DeadComponents()], log_every_n_steps=1)
    assert trainer.global_step == 4  # of both players, twice
