"""A mixture of size 1 against the loop that everybody writes: bit for bit, parameters and running statistics."""

from functools import partial

import pytest
import torch
from torch.nn.functional import softplus
from torch.utils.data import DataLoader

from mixgan_lightning import mix
from mixgan_lightning.objectives import NonSaturating, Wasserstein
from mixgan_lightning.penalties import WeightClipping

ADAM = partial(torch.optim.Adam, lr=1e-2, betas=(0.5, 0.999))
EPOCHS, BATCH = 3, 16  # 10 batches an epoch: 30 steps


def play(generator, discriminator, loader, *, loss_d, loss_g, optimizer, n_critic=1, clip=None):
    """The textbook loop: D on every batch, G on every n_critic-th, fresh latents for each."""
    optimizer_g, optimizer_d = optimizer(generator.parameters()), optimizer(discriminator.parameters())
    batches = 0
    for _ in range(EPOCHS):
        for real in loader:
            if clip is not None:
                for p in discriminator.parameters():
                    p.data.clamp_(-clip, clip)
            fake = generator(torch.randn(len(real), 3)).detach()
            optimizer_d.zero_grad()
            loss_d(discriminator(real).flatten(), discriminator(fake).flatten()).backward()
            optimizer_d.step()
            batches += 1
            if batches % n_critic == 0:
                optimizer_g.zero_grad()
                loss_g(discriminator(generator(torch.randn(len(real), 3))).flatten()).backward()
                optimizer_g.step()


def non_saturating():
    return {
        "gan": {"objective": NonSaturating(), "optimizer": ADAM},
        "plain": {
            "loss_d": lambda real, fake: softplus(-real).mean() + softplus(fake).mean(),
            "loss_g": lambda fake: softplus(-fake).mean(),
            "optimizer": ADAM,
        },
    }


def wasserstein():
    rmsprop = partial(torch.optim.RMSprop, lr=1e-2)
    return {
        "gan": {"objective": Wasserstein(), "optimizer": rmsprop, "penalty": WeightClipping(0.1), "n_critic": 5},
        "plain": {
            "loss_d": lambda real, fake: fake.mean() - real.mean(),
            "loss_g": lambda fake: -fake.mean(),
            "optimizer": rmsprop,
            "n_critic": 5,
            "clip": 0.1,
        },
    }


@pytest.mark.parametrize("fakes", ["split", "full"])
@pytest.mark.parametrize("entropy_weight", [0.0, 0.01])
@pytest.mark.parametrize("batchnorm", [False, True], ids=["plain", "BatchNorm"])
@pytest.mark.parametrize("game", [non_saturating, wasserstein])
def test_size_one_is_the_plain_gan(fit, toy, toy_networks, game, batchnorm, entropy_weight, fakes):
    options = game()
    loader = DataLoader(torch.randn(10 * BATCH, 2), BATCH, shuffle=True)

    torch.manual_seed(1)
    model = mix(toy(batchnorm=batchnorm, **options["gan"]), 1, fakes=fakes, entropy_weight=entropy_weight)
    torch.manual_seed(1)
    generator, discriminator = toy_networks(batchnorm)
    before = generator[-1].weight.clone()

    torch.manual_seed(2)
    fit(model, loader, max_epochs=EPOCHS)
    torch.manual_seed(2)
    play(generator, discriminator, loader, **options["plain"])

    assert not torch.equal(before, generator[-1].weight)
    for mixture, plain in ((model.generators, generator), (model.discriminators, discriminator)):
        found, expected = mixture.components[0].state_dict(), plain.state_dict()
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_the_draws_of_a_step_are_those_of_a_plain_gan(fit, toy):
    """One latent batch for D's step and one for G's, whatever T: the global stream ends where a plain GAN leaves it."""
    ends = []
    for size in (1, 3):
        model = mix(toy(), size)
        torch.manual_seed(3)
        fit(model, torch.randn(48, 2))
        ends.append(torch.get_rng_state())
    assert torch.equal(*ends)
