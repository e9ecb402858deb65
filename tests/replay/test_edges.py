"""Users' modules at the edges of what a replay must keep, each seen to go wrong once."""

from collections import namedtuple
from functools import partial

import pytest
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from runs import seed_everything, trainer
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from mixgan_lightning import mix
from mixgan_lightning.errors import ConfigurationError, GANError


class Usual(pl.LightningModule):
    """Discriminator first; ``penalty`` and ``after`` are for others to override."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.generator = nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 2))
        self.discriminator = nn.Sequential(nn.Linear(2, 6), nn.LeakyReLU(0.2), nn.Linear(6, 1))

    def noise(self, n):
        return torch.randn(n, 3)

    def losses(self, x):
        fake = self.generator(self.noise(len(x)))
        d = F.softplus(-self.discriminator(x)).mean() + F.softplus(self.discriminator(fake.detach())).mean()
        return d, lambda: F.softplus(-self.discriminator(fake)).mean()

    def training_step(self, batch, batch_idx):
        opt_g, opt_d = self.optimizers()
        loss_d, loss_g = self.losses(batch[0])
        opt_d.zero_grad()
        self.manual_backward(loss_d)
        opt_d.step()
        opt_g.zero_grad()
        self.manual_backward(loss_g())
        opt_g.step()

    def configure_optimizers(self):
        return [torch.optim.SGD(network.parameters(), lr=0.1) for network in (self.generator, self.discriminator)]


def points(n=32, labels=None):
    x = torch.randn(n, 2, generator=torch.Generator().manual_seed(0))
    return DataLoader(TensorDataset(x, torch.zeros(n).long() if labels is None else labels), 8)


def trained(make, tmp_path, size=2, data=None, discriminators=None, epochs=1, **options):
    seed_everything()
    model = mix(make, size=size, num_discriminators=discriminators)
    run = trainer(tmp_path, max_epochs=epochs, **options)
    run.fit(model, *([] if data is False else [data or points()]))
    return model


def same_as_plain(make, tmp_path, data=points, epochs=2, **options):
    seed_everything()
    plain = make()
    trainer(tmp_path, max_epochs=epochs, **options).fit(plain, *data_of(data))
    mixed = trained(make, tmp_path, 1, data_of(data)[0] if data else False, epochs=epochs, **options)
    return all(map(torch.equal, plain.generator.parameters(), mixed.component(0).parameters()))


def data_of(data):
    return [data()] if data else []


# ---------------------------------------------------------------------------------------- writes


class Clipped(Usual):
    """Weights clipped by setting ``.data``, or in place."""

    in_place = False

    def on_train_batch_end(self, *args):
        for p in self.discriminator.parameters():
            if self.in_place:
                p.data.clamp_(-0.3, 0.3)
            else:
                p.data = p.data.clamp(-0.3, 0.3)


@pytest.mark.parametrize("in_place", [False, True])
def test_discriminators_are_clipped_where_the_first_has_nothing_to_clip(in_place, tmp_path):
    kind = type("Kind", (Clipped,), {"in_place": in_place})
    seed_everything()
    model = mix(kind, size=2)
    with torch.no_grad():
        for p in model.discriminators.components[0].parameters():
            p.mul_(0.01)
        for p in model.discriminators.components[1].parameters():
            p.mul_(3)
    trainer(tmp_path, limit_train_batches=1).fit(model, points())
    assert max(float(p.abs().max()) for p in model.discriminators.components[1].parameters()) <= 0.3 + 1e-6


class AveragesItsDiscriminator(Usual):
    def __init__(self):
        super().__init__()
        self.average = nn.Sequential(nn.Linear(2, 6), nn.LeakyReLU(0.2), nn.Linear(6, 1))
        self.average.load_state_dict(self.discriminator.state_dict())

    def on_train_batch_end(self, *args):
        with torch.no_grad():
            for average, p in zip(self.average.parameters(), self.discriminator.parameters(), strict=True):
                average.lerp_(p, 0.5)


def test_an_average_of_the_discriminator_goes_with_its_own(tmp_path):
    model = trained(AveragesItsDiscriminator, tmp_path, size=2, discriminators=2)
    for k, discriminator in enumerate(model.discriminators):
        average = model.gan.hosts[k].average
        near = [float((a - p).norm()) for a, p in zip(average.parameters(), discriminator.parameters(), strict=True)]
        assert max(near) < 0.1


# ---------------------------------------------------------------------------------------- losses and α


def learnt(make, tmp_path, monkeypatch):
    """What each step of α learnt of pair (0, 0): (player, losses)."""
    from mixgan_lightning.replay.joint import JointOptimizers

    found, own = [], JointOptimizers._learn_weights

    def noted(self, player, pairs):
        found.append((player, [float(loss.value) for loss in self._pending[player][0].values()]))
        return own(self, player, pairs)

    monkeypatch.setattr(JointOptimizers, "_learn_weights", noted)
    trained(make, tmp_path)
    return found


class OneLossForTwo(Usual):
    """Encoder and generator step on one loss, the generator, listed last, first."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(3, 3)

    def noise(self, n):
        return self.encoder(torch.randn(n, 3))

    def training_step(self, batch, batch_idx):
        opt_e, opt_g, opt_d = self.optimizers()
        loss_d, loss_g = self.losses(batch[0])
        opt_d.zero_grad()
        self.manual_backward(loss_d)
        opt_d.step()
        opt_g.zero_grad()
        opt_e.zero_grad()
        self.manual_backward(loss_g())
        opt_g.step()
        opt_e.step()

    def configure_optimizers(self):
        return [torch.optim.SGD(n.parameters(), lr=0.1) for n in (self.encoder, self.generator, self.discriminator)]


def test_a_loss_of_two_optimisers_is_learnt_once(tmp_path, monkeypatch):
    of_g = [losses for player, losses in learnt(OneLossForTwo, tmp_path, monkeypatch) if player == "generator"]
    assert [len(losses) for losses in of_g] == [1, 1, 1, 1]
    assert len({value for losses in of_g for value in losses}) == 4


class AddedInPlace(Usual):
    def training_step(self, batch, batch_idx):
        opt_g, opt_d = self.optimizers()
        fake = self.generator(self.noise(8))
        opt_d.zero_grad()
        loss = F.softplus(-self.discriminator(batch[0])).mean()
        other = F.softplus(self.discriminator(fake.detach())).mean()
        self.manual_backward(loss)
        self.manual_backward(other)
        self.total = float(loss + other)
        with torch.no_grad():
            loss += other
        opt_d.step()
        opt_g.zero_grad()
        self.manual_backward(F.softplus(-self.discriminator(fake)).mean())
        opt_g.step()


def test_losses_added_in_place_afterwards_are_learnt_as_they_were(tmp_path, monkeypatch):
    (player, losses), *_ = learnt(AddedInPlace, tmp_path, monkeypatch)
    assert player == "discriminator"
    assert len(losses) == 2
    assert abs(sum(losses) - 1.4) < 0.3  # 2 log 2 at first; counted twice it would be 2


class Saturated(Usual):
    """A loss with a gradient of zero, clipped."""

    def training_step(self, batch, batch_idx):
        opt_g, opt_d = self.optimizers()
        loss_d, loss_g = self.losses(batch[0])
        opt_d.zero_grad()
        self.manual_backward(3 + 0 * loss_d)
        self.clip_gradients(opt_d, 1.0)
        opt_d.step()
        opt_g.zero_grad()
        self.manual_backward(loss_g())
        opt_g.step()


def test_a_loss_without_gradient_is_learnt_after_clipping(tmp_path, monkeypatch):
    found = learnt(Saturated, tmp_path, monkeypatch)
    assert [losses for player, losses in found if player == "discriminator"] == [[3.0]] * 4


class SometimesNone(pl.LightningModule):
    """Of Lightning 1; the generator has a loss in the first batch alone."""

    def __init__(self):
        super().__init__()
        usual = Usual()
        self.generator, self.discriminator = usual.generator, usual.discriminator

    def training_step(self, batch, batch_idx, optimizer_idx):
        fake = self.generator(torch.randn(8, 3))
        if optimizer_idx == 0:
            return F.softplus(-self.discriminator(fake)).mean() if batch_idx == 0 else None
        return F.softplus(-self.discriminator(batch[0])).mean() + F.softplus(self.discriminator(fake.detach())).mean()

    def configure_optimizers(self):
        return [torch.optim.Adam(network.parameters(), lr=0.01) for network in (self.generator, self.discriminator)]


def test_without_a_loss_the_weights_do_not_move(tmp_path):
    seed_everything()
    model = mix(SometimesNone, size=2)
    trainer(tmp_path, limit_train_batches=1).fit(model, points())
    once = model.generators.log_probabilities.clone()
    model = trained(SometimesNone, tmp_path)
    assert torch.equal(once, model.generators.log_probabilities)
    assert (model.played.generator_steps, model.played.discriminator_steps) == (1, 4)


# ---------------------------------------------------------------------------------------- hooks and data


class GrowingBatches(Usual):
    size = 4

    def train_dataloader(self):
        self.asked = True
        return DataLoader(points().dataset, self.size)

    def training_step(self, batch, batch_idx):
        assert self.asked
        self.seen = len(batch[0])
        super().training_step(batch, batch_idx)

    def on_train_epoch_end(self):
        self.size = 8


@pytest.mark.parametrize("size", [1, 2])
def test_dataloaders_follow_what_the_training_sets(size, tmp_path):
    model = trained(GrowingBatches, tmp_path, size, data=False, epochs=2, reload_dataloaders_every_n_epochs=1)
    assert {pair.view.seen for pair in model.replay.game.pairs} == {8}


def test_dataloaders_by_attributes_train_as_the_user_would(tmp_path):
    assert same_as_plain(GrowingBatches, tmp_path, data=None, reload_dataloaders_every_n_epochs=1)


class AccumulatesOverValidation(Usual):
    def training_step(self, batch, batch_idx):
        opt_g, opt_d = self.optimizers()
        loss_d, loss_g = self.losses(batch[0])
        opt_d.zero_grad()
        self.manual_backward(loss_d)
        opt_d.step()
        self.toggle_optimizer(opt_g)
        self.manual_backward(loss_g())
        if batch_idx % 2:
            opt_g.step()
            opt_g.zero_grad()
        self.untoggle_optimizer(opt_g)

    def losses(self, x):
        return super().losses(x)[0], lambda: F.softplus(-self.discriminator(self.generator(self.noise(8)))).mean()

    def validation_step(self, batch, batch_idx):
        self.log("validated", 1.0)

    def val_dataloader(self):
        return points()


def test_an_evaluation_clears_the_gradients_of_every_pair(tmp_path):
    assert same_as_plain(AccumulatesOverValidation, tmp_path, val_check_interval=1)


class OwnGenerator(Usual):
    """Noise from a generator of the module's own."""

    def __init__(self):
        super().__init__()
        self.stream, self.firsts = torch.Generator().manual_seed(3), []

    def noise(self, n):
        noise = torch.randn(n, 3, generator=self.stream)
        self.firsts.append(float(noise[0, 0]))
        return noise


def test_a_stream_of_the_modules_own_is_alike_in_every_pair(tmp_path):
    assert same_as_plain(OwnGenerator, tmp_path)
    model = trained(OwnGenerator, tmp_path)
    firsts = {tuple(pair.view.firsts) for pair in model.replay.game.pairs}
    assert len(firsts) == 1


class DrawsByItsLoss(Usual):
    def training_step(self, batch, batch_idx):
        if float(self.losses(batch[0])[0]) > self.median:
            torch.randn(1)
        super().training_step(batch, batch_idx)


def test_draws_that_depend_on_a_pairs_own_loss_are_refused(tmp_path):
    with torch.random.fork_rng():
        seed_everything()
        model = mix(DrawsByItsLoss, size=2)
    losses = [float(F.softplus(-d(next(iter(points()))[0])).mean()) for d in model.discriminators]
    DrawsByItsLoss.median = sum(losses) / 2 + 0.69
    with pytest.raises(GANError, match="branch differently"):
        trainer(tmp_path, max_epochs=5).fit(model, points())


class Saves(Usual):
    def __init__(self):
        super().__init__()
        self.count = 0

    def on_train_batch_start(self, batch, batch_idx):
        self.count += 1

    def on_save_checkpoint(self, checkpoint):
        checkpoint["own"] = {"epoch": checkpoint["epoch"], "count": self.count}

    def on_load_checkpoint(self, checkpoint):
        self.count = checkpoint["own"]["count"]


def test_what_a_module_saves_goes_back_to_every_pair(tmp_path):
    model = trained(Saves, tmp_path)
    model.trainer.save_checkpoint(tmp_path / "own.ckpt")
    trainer(tmp_path, max_epochs=2).fit(model, points(), ckpt_path=tmp_path / "own.ckpt")
    assert {pair.view.count for pair in model.replay.game.pairs} == {8}
    other = mix(Saves, size=2)
    trainer(tmp_path, max_epochs=2).fit(other, points(), ckpt_path=tmp_path / "own.ckpt")
    assert {pair.view.count for pair in other.replay.game.pairs} == {8}


Named = namedtuple("Named", "x y")


class TakesNamed(Usual):
    def training_step(self, batch, batch_idx):
        super().training_step([batch.x], batch_idx)


def test_batches_of_named_tuples_train_are_sampled_and_saved(tmp_path):
    rows = [Named(x, y) for x, y in zip(torch.randn(32, 2), torch.zeros(32), strict=True)]
    model = trained(TakesNamed, tmp_path, data=DataLoader(rows, 8))
    assert model.sample(4, seed=0)[0].shape == (4, 2)
    model.trainer.save_checkpoint(tmp_path / "named.ckpt")
    assert torch.load(tmp_path / "named.ckpt", weights_only=True)["mixgan_lightning"]["batch"] is None


def test_labels_may_be_missing_in_later_batches(tmp_path):
    labels = torch.cat([torch.ones(16), -torch.ones(16)]).long()
    model = trained(Usual, tmp_path, data=points(labels=labels))
    assert model.gan.template.label_counts == [0, 16]


class CountsBackwards(pl.Callback):
    before, after = 0, 0

    def on_before_backward(self, *args):
        self.before += 1

    def on_after_backward(self, *args):
        self.after += 1


def test_callbacks_are_told_of_every_backward(tmp_path):
    told = CountsBackwards()
    seed_everything()
    trainer(tmp_path, told).fit(mix(Usual, size=1), points())
    assert (told.before, told.after) == (8, 8)


class WithSchedulers(nn.Module):
    """Two losses, and schedulers that nobody else would step."""

    def __init__(self):
        super().__init__()
        usual = Usual()
        self.generator, self.discriminator = usual.generator, usual.discriminator

    def discriminator_loss(self, batch):
        fake = self.generator(torch.randn(8, 3)).detach()
        return F.softplus(-self.discriminator(batch[0])).mean() + F.softplus(self.discriminator(fake)).mean()

    def generator_loss(self, batch):
        return F.softplus(-self.discriminator(self.generator(torch.randn(8, 3)))).mean()

    def configure_optimizers(self):
        optimizers = [torch.optim.SGD(n.parameters(), lr=0.1) for n in (self.generator, self.discriminator)]
        return optimizers, [torch.optim.lr_scheduler.ExponentialLR(optimizers[0], 0.5)]


def test_schedulers_of_modules_with_two_losses_step_by_epochs(tmp_path):
    model = trained(WithSchedulers, tmp_path, epochs=3)
    rates = [group["lr"] for optimizer in model.trainer.optimizers for group in optimizer.param_groups]
    assert rates == [0.0125, 0.0125, 0.1, 0.1]


def test_such_schedulers_go_on_from_a_checkpoint(tmp_path):
    trained(WithSchedulers, tmp_path, epochs=2).trainer.save_checkpoint(tmp_path / "two.ckpt")
    model = mix(WithSchedulers, size=2)
    run = trainer(tmp_path, max_epochs=3)
    run.fit(model, points(), ckpt_path=tmp_path / "two.ckpt")
    (scheduler,) = [config.scheduler for config in run.lr_scheduler_configs]
    assert scheduler.last_epoch == 3
    assert [group["lr"] for group in run.optimizers[0].param_groups] == [0.0125, 0.0125]


# ---------------------------------------------------------------------------------------- told before training


class WithoutStep(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.discriminator = nn.Linear(3, 2), nn.Linear(2, 1)

    configure_optimizers = Usual.configure_optimizers


class Needs(Usual):
    def __init__(self, width):
        super().__init__()


class HoldsALambda(Usual):
    def __init__(self):
        super().__init__()
        generator = self.generator
        self.functions = {"draw": [lambda z: generator(z)]}


@pytest.mark.parametrize(
    ("make", "options", "error", "message"),
    [
        (WithoutStep, {}, GANError, "cannot tell how it plays"),
        (Needs, {}, GANError, r"missing a required argument: 'width'.*partial"),
        (HoldsALambda, {}, GANError, r"functions is a function that holds the module itself.*make it a method"),
        (Usual, {"share": "lock"}, ConfigurationError, r"share: expected a list.*\('lock',\)"),
        (Usual, {"players": ("discriminator", "generator")}, ConfigurationError, "by its name the generator"),
    ],
)
def test_slips_are_told_when_the_mixture_is_built(make, options, error, message):
    with pytest.raises(error, match=message):
        mix(make, size=2, **options)


def test_arguments_are_given_by_a_partial():
    assert len(mix(partial(Needs, 3), size=2).generators) == 2


class OnlyTheDiscriminator(Usual):
    def training_step(self, batch, batch_idx):
        opt_d = self.optimizers()[1]
        opt_d.zero_grad()
        self.manual_backward(self.losses(batch[0])[0])
        opt_d.step()


def test_a_player_that_never_steps_is_warned_of(tmp_path):
    with pytest.warns(UserWarning, match="the generator's optimiser has made no step"):
        trained(OnlyTheDiscriminator, tmp_path)


class Resized(Usual):
    """The step makes another size of the data than the loader gives."""

    def training_step(self, batch, batch_idx):
        super().training_step([batch[0][:, :2]], batch_idx)


def test_data_that_the_step_resizes_are_sampled_as_the_discriminator_sees_them(tmp_path):
    wide = DataLoader(TensorDataset(torch.randn(32, 5)), 8)
    assert trained(Resized, tmp_path, data=wide).sample(4, seed=0)[0].shape == (4, 2)
