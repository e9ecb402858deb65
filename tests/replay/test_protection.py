"""What pairs must not do to each other: each test fails where one pair's doings reach another, or happen T² times."""

import random
from collections import defaultdict
from typing import ClassVar

import numpy as np
import pytest
import torch
from reference import Watch
from runs import fit, seed_everything
from torch import nn
from zoo import ZOO, Entry
from zoo_classic import DocsGAN, ToggledGAN
from zoo_layers import AveragedGAN, BatchNormGAN
from zoo_networks import LATENT, images
from zoo_training import DecayInPlaceGAN, ManualGAN, SchedulerGAN, gan_losses
from zoo_wasserstein import WGANGP

from mixgan_lightning import mix

BATCHES = 5  # in an epoch


def trained(make, tmp_path, tu=2, tv=3, epochs=1, weights=None, entry=None, **options):
    """(the mixture after training, its Trainer)."""
    seed_everything()
    model = mix(make, size=tu, num_discriminators=tv, **options)
    if weights is not None:
        with torch.no_grad():
            model.generators.log_probabilities.copy_(torch.tensor(weights[0]).log())
            model.discriminators.log_probabilities.copy_(torch.tensor(weights[1]).log())
    trainer = fit(model, entry or Entry(make), tmp_path, max_epochs=epochs)
    return model, trainer


class StandingStillGAN(ManualGAN):
    """Plays both steps, and learns nothing: whatever changes was changed otherwise."""

    def training_step(self, batch, batch_idx):
        opt_g, opt_d = self.optimizers()
        self.before(batch, batch_idx)
        for opt, which in ((opt_d, 0), (opt_g, 1)):
            loss = gan_losses(self, batch[0])[which]
            opt.zero_grad()
            self.manual_backward(loss)
            opt.step()
            self.between(batch, batch_idx)

    def before(self, batch, batch_idx):
        pass

    def between(self, batch, batch_idx):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.generator.parameters(), lr=0.0), torch.optim.SGD(
            self.discriminator.parameters(), lr=0.0
        )


# ---------------------------------------------------------------------------------------- writes in place


class Halving(StandingStillGAN):
    """Halves its discriminator after each optimiser step, its generator at the start: twice is not as once."""

    def before(self, batch, batch_idx):
        with torch.no_grad():
            for p in self.generator.parameters():
                p.mul_(0.5)

    def between(self, batch, batch_idx):
        for p in self.discriminator.parameters():
            p.data.mul_(0.5)


def test_a_write_in_place_by_one_pair_does_not_reach_the_next(tmp_path):
    seed_everything()
    before = mix(Halving, size=2, num_discriminators=3)
    after, _ = trained(Halving, tmp_path)
    for old, new in zip(before.generators.parameters(), after.generators.parameters(), strict=True):
        if old.shape != (2,):
            assert torch.equal(new, old * 0.5**BATCHES)
    for old, new in zip(before.discriminators.parameters(), after.discriminators.parameters(), strict=True):
        if old.shape != (3,):
            assert torch.equal(new, old * 0.25**BATCHES)


class ClippingSpy(ManualGAN):
    """Clips weights before its generator's step, and tells what it found first."""

    found: ClassVar = defaultdict(list)

    def training_step(self, batch, batch_idx):
        opt_g, opt_d = self.optimizers()
        name = round(self.generator.model[0].bias[0].item(), 6)  # which generator
        first = self.discriminator.model[0].weight.detach().clone()
        loss_d, _ = gan_losses(self, batch[0])
        opt_d.zero_grad()
        self.manual_backward(loss_d)
        opt_d.step()
        stepped = self.discriminator.model[0].weight.detach().clone()
        for p in self.discriminator.parameters():
            p.data.clamp_(-0.01, 0.01)
        self.found[batch_idx].append((name, first, stepped))
        _, loss_g = gan_losses(self, batch[0])
        opt_g.zero_grad()
        self.manual_backward(loss_g)
        opt_g.step()

    def configure_optimizers(self):
        return torch.optim.SGD(self.generator.parameters(), 0.01), torch.optim.SGD(self.discriminator.parameters(), 0.1)


def test_every_pair_finds_the_weights_as_if_no_other_had_clipped_them(tmp_path):
    ClippingSpy.found.clear()
    trained(ClippingSpy, tmp_path, tu=3, tv=1)
    for pairs in ClippingSpy.found.values():
        assert len(pairs) == 3
        assert len({name for name, _, _ in pairs}) == 3
        for _, first, stepped in pairs:
            assert torch.equal(first, pairs[0][1])
            assert torch.equal(stepped, pairs[0][2])
            assert stepped.abs().max() > 0.01


# ---------------------------------------------------------------------------------------- buffers


def test_batchnorm_counts_the_batches_that_a_single_gan_would(tmp_path):
    seed_everything()
    plain = BatchNormGAN()
    fit(plain, ZOO["batchnorm"], tmp_path)
    model, _ = trained(BatchNormGAN, tmp_path, entry=ZOO["batchnorm"])
    for mixture, network in ((model.generators, plain.generator), (model.discriminators, plain.discriminator)):
        count = network.model[1].num_batches_tracked
        assert count >= 2 * BATCHES
        for component in mixture.components:
            assert component.model[1].num_batches_tracked == count
            assert component.model[1].running_mean.abs().min() > 0


class CountingBuffers(StandingStillGAN):
    """Buffers of the module itself: one written in place, one assigned anew."""

    def __init__(self):
        super().__init__()
        self.register_buffer("in_place", torch.zeros(()))
        self.register_buffer("anew", torch.zeros(()))

    def before(self, batch, batch_idx):
        self.in_place.add_(1)
        self.anew = self.anew + 1
        self.log_dict({"in_place": self.in_place, "anew": self.anew}, on_step=True)


def test_buffers_of_the_module_itself_go_on_from_batch_to_batch(tmp_path):
    _, trainer = trained(CountingBuffers, tmp_path)
    for name in ("in_place", "anew"):
        assert trainer.logger.named([name]) == [(k, name, k + 1.0) for k in range(BATCHES)]


# ---------------------------------------------------------------------------------------- random streams


class DrawingSpy(StandingStillGAN):
    """Draws from all three streams, at the start and after each optimiser step."""

    drawn: ClassVar = defaultdict(list)

    def before(self, batch, batch_idx):
        self.draw(batch_idx, "before")
        self.turn = 0

    def between(self, batch, batch_idx):
        self.turn += 1
        self.draw(batch_idx, self.turn)

    def draw(self, batch_idx, when):
        values = torch.rand(()).item(), float(np.random.rand()), random.random()  # noqa: NPY002
        self.drawn[batch_idx, when].append(values)


def test_all_pairs_of_a_batch_draw_the_same(tmp_path):
    DrawingSpy.drawn.clear()
    trained(DrawingSpy, tmp_path)
    assert len(DrawingSpy.drawn) == 3 * BATCHES
    for draws in DrawingSpy.drawn.values():
        assert len(draws) == 6
        assert len(set(draws)) == 1


def test_batches_draw_anew_from_all_three_streams(tmp_path):
    DrawingSpy.drawn.clear()
    trained(DrawingSpy, tmp_path)
    firsts = [draws[0] for draws in DrawingSpy.drawn.values()]
    for stream in zip(*firsts, strict=True):
        assert len(set(stream)) == len(firsts)


# ---------------------------------------------------------------------------------------- counters, rates, schedulers


def test_a_counter_of_the_module_counts_batches_not_pairs(tmp_path):
    _, trainer = trained(WGANGP, tmp_path)
    name = "critic_iterations"
    assert trainer.logger.named([name]) == [(k, name, k + 1.0) for k in range(BATCHES)]
    assert trainer.global_step == BATCHES + BATCHES // 2


def test_a_list_of_the_module_collects_once_a_batch(tmp_path):
    entry = ZOO["numpy noise"]
    _, trainer = trained(entry.make, tmp_path, entry=entry, epochs=2)
    assert [value for _, _, value in trainer.logger.named(["count"])] == [BATCHES, BATCHES]


def test_a_learning_rate_changed_in_place_changes_once_a_batch(tmp_path):
    _, trainer = trained(DecayInPlaceGAN, tmp_path)
    for optimizer in trainer.optimizers:
        assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * 0.9**BATCHES)
    assert [v for _, _, v in trainer.logger.named(["lr"])] == pytest.approx(
        [0.1 * 0.9 ** (k + 1) for k in range(BATCHES)]
    )


def test_schedulers_step_once_a_batch_and_once_an_epoch(tmp_path):
    _, trainer = trained(SchedulerGAN, tmp_path, epochs=2)
    opt_g, opt_d = trainer.optimizers
    assert opt_g.param_groups[0]["lr"] == pytest.approx(0.01 * 0.95 ** (2 * BATCHES))
    assert opt_d.param_groups[0]["lr"] == pytest.approx(0.005)


def test_optimisers_step_once_for_all_pairs(tmp_path):
    _, trainer = trained(ToggledGAN, tmp_path)
    assert trainer.global_step == 2 * BATCHES


# ---------------------------------------------------------------------------------------- logging


class TellingGAN(StandingStillGAN):
    """Logs what only this pair has."""

    def before(self, batch, batch_idx):
        value = self.generator.model[0].weight[0, 0] + 10 * self.discriminator.model[0].weight[0, 0]
        self.log("own", value)
        self.log_dict({"squared": value.detach() ** 2, "averaged": value}, on_step=False, on_epoch=True)


def test_logged_values_are_the_weighted_mean_once(tmp_path):
    w_u, w_v = [0.2, 0.8], [0.5, 0.1, 0.4]
    model, trainer = trained(TellingGAN, tmp_path, weights=(w_u, w_v), log_probability_lr=0.0)
    g = torch.stack([c.model[0].weight[0, 0] for c in model.generators.components]).detach()
    d = torch.stack([c.model[0].weight[0, 0] for c in model.discriminators.components]).detach()
    values = g[:, None] + 10 * d
    expected = {
        "own": torch.tensor(w_u) @ values @ torch.tensor(w_v),
        "squared": torch.tensor(w_u) @ values**2 @ torch.tensor(w_v),
    }
    expected["averaged"] = expected["own"]
    for name, value in expected.items():
        logged = [v for _, _, v in trainer.logger.named([name])]
        assert logged == pytest.approx([value.item()] * (BATCHES if name == "own" else 1), rel=1e-5)


def test_images_are_shown_once_a_batch(tmp_path):
    _, trainer = trained(DocsGAN, tmp_path)
    assert len(trainer.logger.experiment.images) == BATCHES


def test_gradient_clip_is_of_each_component_apart(tmp_path):
    """The option of mix(), beside whatever the user's step clips."""
    seed_everything()
    model, watch = mix(ToggledGAN, size=2, num_discriminators=3, gradient_clip=1e-3), Watch()
    fit(model, ZOO["toggled"], tmp_path, watch)
    for grads in watch.steps:
        for component in (*model.generators.components, *model.discriminators.components):
            found = [grads[id(p)].norm() for p in component.parameters() if id(p) in grads]
            assert not found or torch.stack(found).norm() == pytest.approx(1e-3, rel=1e-3)


# ---------------------------------------------------------------------------------------- hooks, errors


def test_every_host_averages_its_own_generator(tmp_path):
    seed_everything()
    before = mix(AveragedGAN, size=2)
    starts = [c.model[0].weight.detach().clone() for c in before.generators.components]
    seed_everything()
    model = mix(AveragedGAN, size=2)
    fit(model, ZOO["moving average"], tmp_path, limit_train_batches=1)
    state = model.state_dict()
    for i, start in enumerate(starts):
        end = model.generators.components[i].model[0].weight
        assert not torch.equal(end, start)
        assert torch.allclose(state[f"gan.hosts.{i}.generator_ema.model.0.weight"], 0.9 * start + 0.1 * end)


class FailingGAN(StandingStillGAN):
    def between(self, batch, batch_idx):
        if batch_idx == 1:
            raise KeyError("the user's own mistake")


def test_an_error_in_the_users_step_is_the_users_error(tmp_path):
    backward = torch.autograd.backward
    with pytest.raises(KeyError, match="own mistake"):
        trained(FailingGAN, tmp_path)
    assert torch.autograd.backward is backward
    assert torch.is_grad_enabled()


class EvalInStep(StandingStillGAN):
    """Leaves its generator in eval mode while the other pairs run."""

    modes: ClassVar = []

    def before(self, batch, batch_idx):
        self.modes.append((self.generator.training, torch.is_grad_enabled()))
        self.generator.eval()
        with torch.no_grad():
            self.generator(torch.zeros(2, LATENT))

    def between(self, batch, batch_idx):
        self.generator.train()


def test_eval_mode_in_one_pair_is_not_another_pairs(tmp_path):
    EvalInStep.modes.clear()
    trained(EvalInStep, tmp_path)
    assert EvalInStep.modes == [(True, True)] * 6 * BATCHES


class UnsharedFeatures(StandingStillGAN):
    """A frozen network that all should share."""

    copies: ClassVar = set()

    def __init__(self):
        super().__init__()
        self.vgg = nn.Linear(2, 2).requires_grad_(False)

    def before(self, batch, batch_idx):
        self.copies.add(self.vgg.weight.data_ptr())


def test_a_shared_network_is_one_in_all_pairs(tmp_path):
    UnsharedFeatures.copies.clear()
    trained(UnsharedFeatures, tmp_path, share=("vgg",))
    assert len(UnsharedFeatures.copies) == 1


def test_the_data_of_the_zoo_are_the_same_every_time():
    assert torch.equal(images()[0], images()[0])
