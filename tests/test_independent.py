"""Independent GANs against the loop that everybody writes, run T times: each pair is trained as it would be alone."""

from copy import deepcopy
from functools import partial
from math import log

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn.functional import softplus
from torch.nn.utils import clip_grad_norm_

from mixgan_lightning import GAN, MixGANModule, log_names, mix
from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.independent import IndependentGANs
from mixgan_lightning.objectives import NonSaturating, Wasserstein
from mixgan_lightning.penalties import R1, WeightClipping
from mixgan_lightning.schedule import Balance

SIZE, BATCH, BATCHES = 3, 16, 8
SGD = partial(torch.optim.SGD, lr=0.1)  # unlike Adam it tells a gradient that is too large or too small
ADAM = partial(torch.optim.Adam, lr=1e-2)


class Recording(GAN):
    """Keeps the latents that it draws, in the order of the draws."""

    drawn: list

    def latents(self, n, batch):
        self.drawn.append(super().latents(n, batch))
        return self.drawn[-1]


def play(generator, discriminator, data, latents, *, optimizer, wasserstein, r1, clip, n_critic, gradient_clip):
    """One GAN alone, on these batches and latents: the textbook loop."""
    optimizer_g, optimizer_d = optimizer(generator.parameters()), optimizer(discriminator.parameters())

    def step(own, network, loss):
        own.zero_grad()
        loss.backward()
        if gradient_clip:
            clip_grad_norm_(network.parameters(), gradient_clip)
        own.step()

    for k, real in enumerate(data.split(BATCH), start=1):
        if clip:
            for p in discriminator.parameters():
                p.data.clamp_(-clip, clip)
        fake = generator(next(latents)).detach()
        on_real, on_fake = discriminator(real), discriminator(fake)
        loss = on_fake.mean() - on_real.mean() if wasserstein else softplus(-on_real).mean() + softplus(on_fake).mean()
        if r1:
            inputs = real.clone().requires_grad_()
            (slope,) = torch.autograd.grad(discriminator(inputs).sum(), inputs, create_graph=True)
            loss = loss + r1 / 2 * slope.square().sum(1).mean()
        step(optimizer_d, discriminator, loss)
        if k % n_critic == 0:
            scores = discriminator(generator(next(latents)))
            step(optimizer_g, generator, -scores.mean() if wasserstein else softplus(-scores).mean())


PLAIN = {"optimizer": SGD, "wasserstein": False, "r1": 0, "clip": 0, "n_critic": 1, "gradient_clip": None}


GAMES = {
    "SGD": {},
    "Adam": {"optimizer": ADAM},
    "R1": {"r1": 2.0},
    "WGAN": {"wasserstein": True, "clip": 0.1, "n_critic": 3},
    "clipped gradients": {"r1": 2.0, "gradient_clip": 0.05},
}


@pytest.mark.parametrize("batchnorm", [False, True], ids=["plain", "BatchNorm"])
@pytest.mark.parametrize("game", GAMES.values(), ids=GAMES)
def test_each_pair_is_trained_as_the_single_gan_that_it_is(fit, toy, game, batchnorm):
    played = PLAIN | game
    rules = {
        "objective": Wasserstein() if played["wasserstein"] else NonSaturating(),
        "penalty": R1(played["r1"]) if played["r1"] else WeightClipping(played["clip"]) if played["clip"] else None,
        "optimizer": played["optimizer"],
        "n_critic": played["n_critic"],
    }
    model = IndependentGANs(toy(Recording, batchnorm=batchnorm, **rules), SIZE, gradient_clip=played["gradient_clip"])
    model.double().gan.drawn = []
    alone = deepcopy([*zip(model.generators, model.discriminators, strict=True)])
    data = torch.randn(BATCHES * BATCH, 2, dtype=torch.float64)
    fit(model, data, batch_size=BATCH)
    _, *drawn = model.gan.drawn  # the first for the look at the first batch
    assert len(drawn) == SIZE * (BATCHES + BATCHES // played["n_critic"])
    for i, (generator, discriminator) in enumerate(alone):
        before = deepcopy(generator)
        play(generator, discriminator, data, iter(drawn[i::SIZE]), **played)
        assert not torch.equal(generator[-1].weight, before[-1].weight)
        for mixture, plain in ((model.generators, generator), (model.discriminators, discriminator)):
            found, expected = mixture.components[i].state_dict(), plain.state_dict()
            assert found.keys() == expected.keys()
            assert all((found[key] - expected[key]).abs().max() <= 1e-12 for key in expected)


def test_one_of_them_is_the_plain_gan_bit_for_bit(fit, toy):
    trained = []
    for make in (mix, IndependentGANs):
        torch.manual_seed(1)
        model = make(toy(penalty=R1(1.0), optimizer=ADAM), 1, log_probability_lr=0)
        fit(model, torch.randn(BATCHES * BATCH, 2), seed=2)
        trained.append(model.state_dict())
    assert trained[0].keys() == trained[1].keys()
    assert all(torch.equal(trained[0][key], trained[1][key]) for key in trained[0])


def test_no_latents_are_shared(fit, toy):
    model = IndependentGANs(toy(Recording), SIZE)
    model.gan.drawn = []
    fit(model, torch.randn(BATCH, 2))
    _, *drawn = model.gan.drawn
    assert len(drawn) == 2 * SIZE
    assert not any(torch.equal(a, b) for i, a in enumerate(drawn) for b in drawn[:i])


@pytest.mark.parametrize("size", [1, 4])
def test_every_network_plays_one_opponent_alone_so_that_the_cost_grows_with_the_size(fit, toy, size):
    model, calls = IndependentGANs(toy(penalty=R1(1.0)), size), []
    for player in (model.generators, model.discriminators):
        for network in player:
            network.register_forward_hook(lambda called, *_: calls.append(called))
    fit(model, torch.randn(BATCH, 2))
    step = calls[-6 * size :]  # before it stands the look at the first batch
    assert [step.count(network) for network in model.generators] == [2] * size  # in D's step and in G's
    assert [step.count(network) for network in model.discriminators] == [4] * size  # real, fake, penalty; in G's step


def test_the_weights_stay_uniform_and_all_are_sampled(fit, toy):
    model = IndependentGANs(toy(optimizer=ADAM), 4)
    fit(model, torch.randn(BATCHES * BATCH, 2))
    for mixture in (model.generators, model.discriminators):
        assert mixture.weights.tolist() == [0.25] * 4
    assert set(model.sample(100, seed=0)[1].tolist()) == {0, 1, 2, 3}


def test_the_losses_logged_are_the_means_of_the_gans_own(fit, toy):
    model = IndependentGANs(toy(optimizer=partial(torch.optim.SGD, lr=0.0)), SIZE)
    with torch.no_grad():
        for network in model.discriminators:  # scores 0: each loss is 2 log 2, and log 2
            network[-1].weight.zero_()
            network[-1].bias.zero_()
    trainer = fit(model, torch.randn(BATCH, 2), log_every_n_steps=1)
    assert float(trainer.callback_metrics[log_names.DISCRIMINATOR_LOSS]) == pytest.approx(
        2 * torch.log(torch.tensor(2.0))
    )
    assert float(trainer.callback_metrics[log_names.GENERATOR_LOSS]) == pytest.approx(log(2))


def test_a_checkpoint_is_that_of_a_mixture(fit, toy, tmp_path):
    model = IndependentGANs(toy(), SIZE)
    trainer = fit(model, torch.randn(BATCHES * BATCH, 2), enable_checkpointing=True)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    for kind in (IndependentGANs, MixGANModule):
        loaded = kind.load_from_checkpoint(tmp_path / "last.ckpt", make_gan=toy())
        assert type(loaded) is kind
        assert torch.equal(loaded.sample(9, seed=0)[0], model.sample(9, seed=0)[0])
        assert loaded.log_probability_lr == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"log_probability_lr": 1e-3}, "log_probability_lr=0.001: the weights of independent GANs are uniform"),
        ({"num_discriminators": 2}, "num_discriminators=2: each of the 3 independent GANs has its own"),
        ({"fakes": "split"}, "fakes='split' shares batches"),
        ({"n_critic": Balance()}, "n_critic=Balance goes by the discriminators' scores"),
    ],
    ids=str,
)
def test_what_would_couple_them_is_refused(toy, options, said):
    with pytest.raises(ConfigurationError, match=said):
        IndependentGANs(toy(), SIZE, **options)


def test_an_unmodified_gan_is_refused():
    class Unmodified(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.automatic_optimization = False
            self.generator, self.discriminator = nn.Linear(3, 2), nn.Linear(2, 1)

        def training_step(self, batch, batch_idx): ...

        def configure_optimizers(self):
            return [SGD(network.parameters()) for network in (self.generator, self.discriminator)]

    with pytest.raises(ConfigurationError, match="IndependentGANs"):
        IndependentGANs(Unmodified, SIZE)


def test_independent_gans_are_not_called_a_mixture(toy):
    assert IndependentGANs(toy(), 3).title == "3 independent GANs"
