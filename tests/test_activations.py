"""The estimate of activations beside what autograd keeps in the steps themselves."""

import copy
from contextlib import nullcontext
from functools import partial

import pytest
import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.utils.parametrizations import spectral_norm

from mixgan_lightning import GAN, mix
from mixgan_lightning.activations import Kept, Measured, activations
from mixgan_lightning.networks import DCGANDiscriminator, DCGANGenerator
from mixgan_lightning.payoff import Way, expectation
from mixgan_lightning.penalties import GradientPenalty
from mixgan_lightning.room import held_by

ACTIVATION = 4 * 5  # bytes a sample: of the toys' layers only tanh keeps something, its five outputs
POINT = 4 * 2


def kept_of(model, batch, **options):
    return activations(model.pairs, batch, nullcontext, **options)


@pytest.mark.parametrize(
    ("options", "n_d", "n_g", "fakes"),  # samples that discriminators and generators keep in the larger step; fakes
    [
        ({"fakes": "split"}, 3 * 2 * 12, 0, 12),
        ({"fakes": "proportional"}, 3 * 2 * 12, 0, 12),
        ({"fakes": "full"}, 3 * (1 + 3) * 12, 0, 3 * 12),
        ({"fakes": "full", "judges": "one"}, 3 * (1 + 3) * 12, 0, 3 * 12),
        ({"fakes": "split", "num_discriminators": 1}, 2 * 12, 0, 12),
        ({"fakes": "full", "num_discriminators": 1}, 3 * 12, 3 * 12, 3 * 12),  # of the generators' step
    ],
)
def test_those_of_small_networks_are_what_is_counted_by_hand(toy, options, n_d, n_g, fakes):
    model = mix(toy(), 3, **options)
    assert kept_of(model, torch.randn(12, 2)) == ACTIVATION * (n_d + n_g) + POINT * fakes


def test_recomputed_ones_are_those_of_one_network(toy):
    model = mix(toy(), 3, fakes="full", recompute=True)
    assert kept_of(model, torch.randn(12, 2), recompute=True) == ACTIVATION * (1 + 3) * 12 + POINT * 3 * 12


def small_dcgan(**options):
    shape = [1, 8, 8]
    return GAN(DCGANGenerator(shape, 4, width=8), DCGANDiscriminator(shape, width=8, **options), latent_dim=4)


def normalised():
    discriminator = nn.Sequential(nn.Flatten(), spectral_norm(nn.Linear(64, 32)), nn.ReLU(), nn.Linear(32, 1))
    return GAN(DCGANGenerator([1, 8, 8], 4, width=4), discriminator, latent_dim=4)


def penalised():
    return GAN(
        DCGANGenerator([1, 8, 8], 4, width=8),
        DCGANDiscriminator([1, 8, 8], width=8, batch_norm=False),
        latent_dim=4,
        penalty=GradientPenalty(10.0),
    )


def counted(model, batch):
    """Bytes that the steps of both players keep: the larger."""
    pairs, sizes = copy.deepcopy(model.pairs), []
    for player, losses in (("discriminators", pairs.discriminator_losses), ("generators", pairs.generator_losses)):
        for mixture in (pairs.generators, pairs.discriminators):
            mixture.requires_grad_(mixture is getattr(pairs, player))
        kept = Kept([batch, *held_by(pairs.generators), *held_by(pairs.discriminators)])
        with saved_tensors_hooks(kept.pack, lambda tensor: tensor):
            w_u, w_v = pairs.generators.weights, pairs.discriminators.weights
            loss = expectation(w_u, losses(batch), w_v)
            if player == "discriminators":
                penalty = pairs.penalty(batch, w_u.detach(), w_v.detach())
                loss = loss if penalty is None else loss + penalty
        sizes.append(kept.size)
        loss.backward()
    return max(sizes)


WAYS = {"loop": Way(), "concat": Way(joined=True), "vectorised": Way(vectorised=True)}


@pytest.mark.parametrize("make", [small_dcgan, normalised, penalised])
@pytest.mark.parametrize("sizes", [(1, 1), (3, 3), (4, 1), (1, 4)])
@pytest.mark.parametrize("fakes", ["split", "full"])
def test_they_are_what_the_steps_keep(make, sizes, fakes):
    model = mix(make, sizes[0], num_discriminators=sizes[1], fakes=fakes, evaluation="loop")
    batch = torch.randn(16, 1, 8, 8).tanh()
    estimate, found = kept_of(model, batch), counted(model, batch)
    of_fakes = batch.nbytes * (sizes[0] if fakes == "full" else 1)  # which hang on no graph where nobody saves them
    assert estimate - of_fakes <= 1.02 * found <= 1.04 * estimate


@pytest.mark.parametrize("way", WAYS)
def test_no_way_of_evaluating_keeps_more(way):
    networks = partial(small_dcgan, batch_norm=False)
    model, batch = mix(networks, 3, fakes="full", evaluation="loop"), torch.randn(16, 1, 8, 8).tanh()
    expected = kept_of(model, batch)
    model.pairs.evaluate(WAYS[way])
    assert 0.7 * expected < counted(model, batch) <= 1.02 * expected  # vectorised: real images are joined once


def test_weights_that_autocast_converts_once_count_once(toy_networks):
    wide = lambda: GAN(nn.Linear(3, 2), nn.Sequential(nn.Linear(2, 999), nn.Linear(999, 1)), latent_dim=3)  # noqa: E731
    model = mix(wide, 1)
    measured = Measured(model.pairs, torch.randn(8, 2), partial(torch.autocast, "cpu", torch.bfloat16))
    assert measured.discriminators.once >= 2 * 999
    assert measured.discriminators.call == 0


def test_lone_samples_are_measured_too(toy):
    model = mix(toy(), 2, fakes="full")
    assert kept_of(model, torch.randn(1, 2)) == ACTIVATION * 2 * 3 + POINT * 2
