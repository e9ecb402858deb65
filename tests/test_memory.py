import os
import re
import subprocess
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch import nn, optim

from mixgan_lightning import GAN, MixGANModule, memory, mix, options
from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.optimizers import player_optimizers
from mixgan_lightning.payoff import choice

TOY = 4 * (3 * 5 + 5 + 5 * 2 + 2), 4 * (2 * 5 + 5 + 5 * 1 + 1)  # bytes of the toys' generator and discriminator
ALPHA = 4  # of one component
BATCH = torch.randn(16, 2, generator=torch.Generator().manual_seed(0))


def optimizers_of(model):
    players = player_optimizers(model._gans, model.generators, model.discriminators, None)
    return [own.optimizer for own in players]


@pytest.fixture
def machine(monkeypatch):
    """``machine(*left)``: what is free, asked for the first time, the second …"""

    def of(*left):
        answers = list(left)
        monkeypatch.setattr(memory, "free", lambda device: answers.pop(0) if len(answers) > 1 else answers[0])

    return of


# ------------------------------------------------------------------------------------------------ the parts


@pytest.mark.parametrize(("tu", "tv"), [(1, 1), (3, 2)])
def test_parameters_gradients_and_adams_two_moments_are_exact(toy, tu, tv):
    model = mix(toy(), tu, num_discriminators=tv)
    found = memory.need(model, optimizers_of(model), activations=None)
    parameters = tu * (TOY[0] + ALPHA) + tv * (TOY[1] + ALPHA)
    steps = 4 * (tu * 4 + tv * 4 + 2)  # one number for each of a network's four tensors, and for each α
    assert found == memory.Need(parameters, parameters, 2 * parameters + steps, None, held=parameters)
    assert found.total == 4 * parameters + steps


def test_frozen_networks_have_no_gradients_and_no_states(toy):
    def make():
        gan = toy()()
        gan.classifier = nn.Linear(2, 1000).requires_grad_(False)
        return gan

    plain, frozen = (mix(each, 1) for each in (toy(), make))
    without, found = (memory.need(model, optimizers_of(model), None) for model in (plain, frozen))
    assert found.parameters == without.parameters + 4 * 3000
    assert (found.gradients, found.optimizers) == (without.gradients, without.optimizers)


OPTIMIZERS = {
    "Adam": partial(optim.Adam, lr=1e-3),
    "Adam, fused": partial(optim.Adam, lr=1e-3, fused=True),
    "Adam, foreach": partial(optim.Adam, lr=1e-3, foreach=True),
    "AdamW, amsgrad": partial(optim.AdamW, lr=1e-3, amsgrad=True),
    "SGD": partial(optim.SGD, lr=1e-3),
    "SGD, momentum": partial(optim.SGD, lr=1e-3, momentum=0.9),
    "RMSprop, centred": partial(optim.RMSprop, lr=1e-3, centered=True),
    "Adagrad": partial(optim.Adagrad, lr=1e-3),  # whose states are there from the start
    "Adafactor": partial(optim.Adafactor, lr=1e-3),  # rows and columns
    "NAdam": partial(optim.NAdam, lr=1e-3),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_states_of_any_optimizer_are_told_before_its_first_step(name):
    network = nn.Sequential(nn.Linear(7, 5), nn.Linear(5, 5), nn.BatchNorm1d(5))
    optimizer = OPTIMIZERS[name](network.parameters())
    optim.lr_scheduler.StepLR(optimizer, 1)  # which wraps the optimiser's step
    before = memory.size_of_states(optimizer)
    assert memory.size_of_states(optimizer) == before  # nothing has been made
    network(torch.randn(4, 7)).square().sum().backward()
    optimizer.step()
    states = [t for state in optimizer.state.values() for t in state.values() if isinstance(t, torch.Tensor)]
    assert before == sum(t.nbytes for t in states)
    assert memory.size_of_states(optimizer) == before


class LooksAtGradients(optim.SGD):
    """A step that the estimate cannot take without data."""

    def step(self, closure=None):
        if self.param_groups[0]["params"][0].grad.abs().sum() > 0:
            return super().step(closure)
        return None


def test_an_optimizer_that_cannot_be_tried_counts_as_what_it_has(toy, fit):
    assert memory.size_of_states(LooksAtGradients(nn.Linear(2, 2).parameters(), lr=0.1, momentum=0.9)) == 0
    fit(mix(toy(optimizer=partial(LooksAtGradients, lr=0.1)), 2), BATCH)  # and trains


# ------------------------------------------------------------------------------------------------ refused or told


def refused(fit, model, match, data=BATCH):
    before = [p.clone() for p in model.parameters()]
    with pytest.raises(ConfigurationError, match=match):
        fit(model, data)
    assert all(map(torch.equal, before, model.parameters()))
    assert model.played.discriminator_steps == 0


ACTIVATIONS = 12_000  # free bytes: enough for the networks of the tests below, not for what they keep


@pytest.mark.parametrize(
    ("given", "mend"),
    [
        ({"size": 3, "fakes": "full"}, "a smaller batch_size or mixture.size, fakes='split', or recompute=true$"),
        ({"size": 3, "fakes": "split"}, "a smaller batch_size or mixture.size, or recompute=true$"),
        ({"size": 1, "fakes": "full"}, "a smaller batch_size or smaller networks, or recompute=true$"),
        ({"size": 3, "fakes": "full", "recompute": True}, "a smaller batch_size or mixture.size, or fakes='split'$"),
    ],
)
def test_a_step_that_does_not_fit_is_refused_with_what_takes_less(fit, toy, machine, given, mend):
    machine(ACTIVATIONS)
    data = torch.randn(1024, 2)
    refused(partial(fit, batch_size=1024), mix(toy(), **given), f"{NEEDS}; use {mend}", data)


NEEDS = r"a step would need about [\d.]+ kB \([\d.]+ \w+ parameters, .* kB activations\), and this machine has .* left"


def test_networks_that_do_not_fit_want_to_be_fewer_or_smaller(fit, toy, machine):
    machine(100)
    refused(fit, mix(toy(), 3), "left; use a smaller mixture.size or smaller networks$")


def test_a_comparison_that_does_not_fit_is_told_from_the_training(fit, toy, machine):
    wide = lambda: GAN(nn.Linear(3, 2), nn.Sequential(nn.Linear(2, 500), nn.Linear(500, 1)), latent_dim=3)  # noqa: E731
    model = mix(lambda: GAN(*networks_of(wide), latent_dim=3, optimizer=partial(optim.SGD, lr=0.1)), 2, recompute=True)
    machine(60_000)
    match = r"before it .* kB to compare recompute=true with plain loops\).*use recompute=false, or a smaller mixture"
    refused(fit, model, match, torch.randn(4, 2))


def networks_of(make):
    gan = make()
    return gan.generator, gan.discriminator


def test_what_is_there_already_is_not_asked_for_again(fit, toy, machine):
    model = mix(toy(), 3)
    found = memory.need(model, optimizers_of(model), memory.activations(model.pairs, BATCH, nullcontext))
    machine(found.total - found.held)
    fit(model, BATCH)
    machine(found.total - found.held - 1)
    refused(fit, mix(toy(), 3), "would need")


def test_what_an_earlier_training_has_left_is_given_back_before_it_is_refused(fit, toy, machine):
    machine(0, 10**9)  # at first, and then
    model = mix(toy(), 2)
    fit(model, BATCH)
    assert model.played.discriminator_steps == 1


@pytest.mark.parametrize(("share", "told"), [(1.9, True), (2.1, False)])
def test_more_than_half_of_what_there_is_gives_a_line(fit, toy, machine, recwarn, share, told):
    model = mix(toy(), 3)
    found = memory.need(model, optimizers_of(model), memory.activations(model.pairs, BATCH, nullcontext))
    machine(round(share * found.total) - found.held)
    fit(model, BATCH)
    lines = [str(w.message) for w in recwarn if "a step will need about" in str(w.message)]
    assert len(lines) == told
    assert model.played.discriminator_steps == 1


def test_where_nothing_is_known_nothing_is_refused(fit, toy, machine):
    machine(None)
    fit(mix(toy(), 3), BATCH)


class OwnLosses(MixGANModule):
    def generator_losses(self, batch):
        return super().generator_losses(batch)


class Uncopied(nn.Linear):
    def __deepcopy__(self, memo):
        raise TypeError("not to be copied")


@pytest.mark.parametrize(
    "make",
    [
        lambda toy: OwnLosses(toy(), 2),
        lambda toy: mix(toy(), 2, compiled=True),
        lambda toy: mix(lambda: GAN(nn.Linear(3, 2), Uncopied(2, 1), latent_dim=3), 2, evaluation="loop"),
    ],
)
def test_activations_that_cannot_be_known_are_not_counted(toy, make, make_trainer, machine):
    model = make(toy)
    machine(0)
    trainer = make_trainer()
    trainer.strategy.connect(model)
    trainer.strategy._lightning_module, trainer.strategy.optimizers = model, optimizers_of(model)
    pairs = None if model.pairs.through_autograd else model.pairs
    with pytest.raises(ConfigurationError, match=r"\([\d.]+ \w+ parameters, gradients and optimisers\), and"):
        memory.check_fits(trainer, model._evaluation, pairs, BATCH)


class Unmodified(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.discriminator = nn.Linear(3, 2), nn.Linear(2, 1)

    def configure_optimizers(self):
        return optim.Adam(self.generator.parameters()), optim.Adam(self.discriminator.parameters())

    def training_step(self, batch, batch_idx):
        for optimizer, sign in zip(self.optimizers(), (-1, 1), strict=True):
            loss = sign * self.discriminator(self.generator(torch.randn(len(batch), 3))).mean()
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()


def test_unmodified_gans_are_refused_by_parameters_gradients_and_optimizers(fit, machine):
    machine(100)
    parameters = 2 * 4 * (8 + 3 + 2)  # two of each network, and α
    match = rf"about {4 * parameters + 4 * 2 * 5} bytes \(.* optimisers\), .*use a smaller mixture.size or smaller netw"
    refused(fit, mix(Unmodified, 2), match)
    machine(10_000)
    fit(mix(Unmodified, 2), BATCH)


# ------------------------------------------------------------------------------------------------ before that


def test_networks_that_cannot_all_be_built_are_refused_after_the_first(toy, monkeypatch):
    built = []

    def make():
        built.append(1)
        return toy()()

    monkeypatch.setattr(options, "free", lambda device: 100 * sum(TOY))
    mix(make, 101)
    built.clear()
    match = r"the parameters of 102 GANs would take .*; use a smaller mixture.size or smaller networks"
    with pytest.raises(ConfigurationError, match=match):
        mix(make, 102)
    assert len(built) == 1


@pytest.mark.parametrize("left", [0, 10**9])
def test_ways_of_evaluating_are_not_compared_where_the_copies_would_not_fit(fit, toy, monkeypatch, caplog, left):
    monkeypatch.setattr(choice, "free", lambda device: left)
    model = mix(toy(), 3)
    with caplog.at_level("INFO", logger="pytorch_lightning.utilities.rank_zero"):
        fit(model, BATCH)
    assert model.pairs.way.name == ("vectorised" if left else "loop")
    told = "comparing it on copies would take 4.0 kB, and 0 bytes are left" in caplog.text
    assert told == (not left)


# ------------------------------------------------------------------------------------------------ what it changes


class Noisy(nn.Sequential):
    """A network that counts its calls and has noise of its own."""

    calls = 0

    def forward(self, inputs):
        self.calls += 1
        return super().forward(inputs + 0.1 * torch.randn_like(inputs))


def peculiar():
    spectral = nn.utils.parametrizations.spectral_norm(nn.Linear(2, 5))
    generator = Noisy(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 2))
    return GAN(generator, Noisy(spectral, nn.Dropout(0.5), nn.Linear(5, 1)), latent_dim=3)


@pytest.mark.parametrize("fakes", ["split", "full"])
def test_trainings_are_the_same_with_and_without_the_estimate(fit, monkeypatch, fakes):
    outcomes = []
    for check in (memory.check_fits, lambda *_: None):
        monkeypatch.setattr("mixgan_lightning.checks.check_fits", check)
        torch.manual_seed(3)
        model = mix(peculiar, 3, fakes=fakes, evaluation="loop")
        fit(model, BATCH.repeat(4, 1), max_epochs=2)
        calls = [module.calls for module in model.modules() if isinstance(module, Noisy)]
        outcomes.append((model.state_dict(), torch.get_rng_state(), calls))
    (state, stream, calls), (others, other_stream, other_calls) = outcomes
    assert all(torch.equal(state[name], others[name]) for name in state)
    assert torch.equal(stream, other_stream)
    assert calls == other_calls


def test_it_is_made_of_few_samples_and_once(fit, toy, monkeypatch):
    seen = []
    generate = GAN.generate
    monkeypatch.setattr(GAN, "generate", lambda gan, g, h, batch: (seen.append(len(h)), generate(gan, g, h, batch))[1])
    check = memory.check_fits
    calls = []

    def noted(*args):
        seen.clear()
        check(*args)
        calls.append(list(seen))

    monkeypatch.setattr("mixgan_lightning.checks.check_fits", noted)
    fit(mix(toy(), 2), BATCH.repeat(4, 1), max_epochs=2)
    assert calls == [[2, 2, 4]]


# ------------------------------------------------------------------------------------------------ measured

ROWS = [
    ("split", 1, {"fakes": "split"}),
    ("split", 5, {"fakes": "split"}),
    ("full", 5, {"fakes": "full"}),
    ("split", 5, {"fakes": "split", "recompute": True}),
    ("full", 5, {"fakes": "full", "recompute": True}),
]


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak of a process, in KiB")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[2]}, {row[1]}")
def test_the_estimate_is_near_the_peak_of_a_training(row):
    code = f"import memory; print(*memory.measure({row[2]!r}, {row[1]}, 'cpu'))"
    # of the C library's allocator, which else keeps up to half as much again of what is freed
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"}
    benchmarks = Path(__file__).parents[1] / "benchmarks"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=benchmarks, env=environment, capture_output=True, text=True, check=True
    )
    peak, estimate = map(float, re.findall(r"[\d.]+", done.stdout)[-2:])
    assert peak / 1.5 < estimate < 1.2 * peak
