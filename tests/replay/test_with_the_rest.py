"""Mixtures of users' GANs with the rest of the package and of Lightning: averages, loggers, checkpoints, copies."""

import copy
import csv

import pytest
import pytorch_lightning as pl
import torch
import wandb
import zoo_drawn as drawn
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger
from runs import fit, random_states, seed_everything, trainer, user_value
from torch import nn
from torch.utils.data import DataLoader
from zoo import ZOO, Entry

from mixgan_lightning import MixGANModule, log_names, mix
from mixgan_lightning.callbacks import EMA, InceptionScoreCallback, MixtureMonitor, SampleGrid
from mixgan_lightning.loggers import wandb_logger

SIZES = {"size": 2, "num_discriminators": 3, "log_probability_lr": 0.5}


class Features(nn.Module):
    """Of points; draws nothing from the global stream."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(5)
            self.body = nn.Linear(2, 4)

    def forward(self, points):
        return self.body(points)


def mixture_of(gan, **options):
    seed_everything()
    return mix(gan, **SIZES | options)


def state_of(model):
    return {key: value.clone() for key, value in model.state_dict().items()}


def assert_equal(one, other):
    assert one.keys() == other.keys()
    assert [key for key, value in one.items() if not torch.equal(value, other[key])] == []


def trained(gan, tmp_path, *callbacks, data=drawn.points, **options):
    model = mixture_of(gan)
    return fit(model, Entry(gan, data=data), tmp_path, *callbacks, **options), model


# ---------------------------------------------------------------------------------------- watched


@pytest.mark.parametrize("data", [drawn.points, drawn.Points])
def test_training_is_the_same_with_and_without_pictures_and_monitor(data, tmp_path):
    """Bit for bit, with the random streams where they would be."""
    watchers = SampleGrid(tmp_path / "samples", num_images=4), MixtureMonitor()
    found = []
    for callbacks in ((), watchers):
        model = mixture_of(drawn.Learning)
        trainer(tmp_path, *callbacks, max_epochs=2).fit(model, data())
        found.append((state_of(model), random_states()))
    (states, streams), (watched_states, watched_streams) = found
    assert_equal(states, watched_states)
    assert torch.equal(streams[0], watched_streams[0])
    assert (streams[1][1] == watched_streams[1][1]).all()
    assert streams[2] == watched_streams[2]
    assert (tmp_path / "samples" / "epoch_0002.png").exists()


# ---------------------------------------------------------------------------------------- averaged weights


class Raw(pl.Callback):
    def __init__(self):
        self.states = []

    def on_train_batch_end(self, trainer, pl_module, *args):
        self.states.append({name: p.detach().clone() for name, p in pl_module.named_parameters()})


def test_averaged_weights_are_of_all_that_is_trained_and_training_goes_on_from_the_raw_ones(tmp_path):
    raw, plain = Raw(), Raw()
    quality = InceptionScoreCallback(Features(), num_samples=64)
    run, model = trained(drawn.Learning, tmp_path, raw, EMA(decay=0.5), quality)
    trained(drawn.Learning, tmp_path, plain, InceptionScoreCallback(Features(), num_samples=64))
    assert_equal(raw.states[-1], plain.states[-1])
    mean = raw.states[0]
    for state in raw.states[1:]:
        mean = {name: 0.5 * value + 0.5 * state[name] for name, value in mean.items()}
    for name, parameter in model.named_parameters():
        assert torch.allclose(parameter, mean[name], atol=1e-6), name
    assert quality.latest_weights == "ema"
    run.save_checkpoint(tmp_path / "model.ckpt")
    assert quality.measure(model) == pytest.approx(quality.latest)  # what is sampled is the average


def test_averaged_and_raw_weights_are_loaded(tmp_path):
    keep = ModelCheckpoint(tmp_path / "kept", save_last=True)
    raw = Raw()
    _, model = trained(drawn.Learning, tmp_path, raw, EMA(decay=0.5), keep, enable_checkpointing=True)
    path = tmp_path / "kept" / "last.ckpt"
    averaged = MixGANModule.load_from_checkpoint(path, make_gan=drawn.Learning)
    assert_equal(state_of(averaged), state_of(model))
    loaded = MixGANModule.load_from_checkpoint(path, make_gan=drawn.Learning, weights="raw")
    assert_equal(dict(loaded.named_parameters()), raw.states[-1])
    assert not torch.equal(loaded.sample(8, seed=0)[0], averaged.sample(8, seed=0)[0])


# ---------------------------------------------------------------------------------------- loggers


def test_loggers_get_the_users_names_and_ours(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    online = wandb_logger(tmp_path)
    logged = []
    log_metrics = online.log_metrics
    online.log_metrics = lambda metrics, step=None: (logged.append(set(metrics)), log_metrics(metrics, step))
    try:
        quality = InceptionScoreCallback(Features(), num_samples=64)
        loggers = [CSVLogger(tmp_path, name="", version=""), online]
        model = mixture_of(drawn.Learning, log_probability_lr=0)  # weights that stay: all losses are averaged by them
        watchers, entry = (quality, MixtureMonitor()), Entry(drawn.Learning, data=drawn.points)
        fit(model, entry, tmp_path, *watchers, logger=loggers, log_every_n_steps=2)
    finally:
        wandb.finish()
    expected = {
        "own/g",
        "own/d",
        log_names.IMAGES_SEEN,
        log_names.GENERATOR_LOSS,
        log_names.DISCRIMINATOR_LOSS,
        log_names.gradient_norm("generator"),
        log_names.gradient_norm("discriminator"),
        log_names.weight("discriminator", 2),
        log_names.effective("generator"),
        log_names.INCEPTION_SCORE_MEAN,
    }
    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert expected <= {name for row in rows for name, value in row.items() if value}
    assert expected <= set.union(*logged)
    assert list((tmp_path / "wandb").glob("offline-run-*/run-*.wandb"))
    by_steps = [row for row in rows if row["own/g"]]
    assert [float(row[log_names.IMAGES_SEEN]) for row in by_steps] == [16, 32]
    both = [float(row[log_names.GENERATOR_LOSS]) for row in by_steps]
    assert both == pytest.approx([float(row["own/g"]) for row in by_steps], rel=1e-5)  # w_uᵀ L w_v of its only loss


# ---------------------------------------------------------------------------------------- going on


class SeedEachBatch(pl.Callback):
    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        pl.seed_everything(100 * trainer.current_epoch + batch_idx, verbose=False)


def in_order():
    return DataLoader(drawn.points().dataset, 8)


class EvenLearning(drawn.Learning):
    """Without the counter, which only the pairs of a run have."""

    def fake(self, batch):
        self.steps = 1
        return super().fake(batch)


def test_a_resumed_run_ends_with_the_counts_and_optimisers_of_an_unbroken_one(tmp_path):
    whole, model = trained(EvenLearning, tmp_path, SeedEachBatch(), data=in_order, max_epochs=2)
    half, _ = trained(EvenLearning, tmp_path, SeedEachBatch(), data=in_order)
    half.save_checkpoint(tmp_path / "half.ckpt")
    resumed, again = mixture_of(EvenLearning), trainer(tmp_path, SeedEachBatch(), max_epochs=2)
    again.fit(resumed, in_order(), ckpt_path=tmp_path / "half.ckpt", weights_only=True)
    assert again.global_step == whole.global_step == 20
    assert resumed.played == model.played
    assert (model.played.generator_steps, model.played.discriminator_steps, model.played.images_seen) == (10, 10, 80)
    assert_equal(state_of(resumed), state_of(model))
    assert resumed.gan.template == model.gan.template
    for one, other in zip(whole.optimizers, again.optimizers, strict=True):
        mine, theirs = one.state_dict(), other.state_dict()
        assert mine["param_groups"] == theirs["param_groups"]
        assert mine["param_groups"][-1]["lr"] == 0.5  # the log-probabilities
        assert len(mine["state"]) == sum(len(group["params"]) for group in one.param_groups)
        for key, moments in mine["state"].items():
            assert all(torch.equal(value, theirs["state"][key][name]) for name, value in moments.items())


@pytest.mark.parametrize("name", ["toggled", "batchnorm", "schedulers", "optimizer_idx", "hooks"])
def test_a_second_fit_goes_on_as_the_users_own_would(name, tmp_path):
    """A mixture of one against the module itself, each trained twice: bit for bit."""
    entry = ZOO[name]
    found = []
    for make in (entry.plain or entry.make, lambda: mix(entry.make, size=1, **entry.options)):
        seed_everything()
        model = make()
        for _ in range(2):
            fit(model, entry, tmp_path)
        found.append(model)
    module, model = found
    for key, value in module.state_dict().items():
        assert torch.equal(value, user_value(model, entry, key)), key
    assert model.played.images_seen == 2 * 40


def test_a_loaded_mixture_trains_on(tmp_path):
    run, _ = trained(drawn.Learning, tmp_path)
    run.save_checkpoint(tmp_path / "model.ckpt")
    loaded = MixGANModule.load_from_checkpoint(tmp_path / "model.ckpt", make_gan=drawn.Learning)
    before = state_of(loaded)
    fit(loaded, Entry(drawn.Learning, data=drawn.points), tmp_path)
    still = {key for key, value in loaded.state_dict().items() if torch.equal(value, before[key])}
    assert not still
    assert loaded.played.images_seen == 80
    assert sum(loaded.gan.template.label_counts) == 80


# ---------------------------------------------------------------------------------------- validating and testing


class Validated(drawn.Learning):
    def validation_step(self, batch, batch_idx):
        self.log("val/score", self.discriminator(batch[0]).mean())

    def test_step(self, batch, batch_idx):
        self.log("test/score", self.discriminator(batch[0]).mean())


def test_a_loaded_mixture_is_validated_and_tested_with_all_pairs(tmp_path):
    run, model = trained(Validated, tmp_path)
    run.save_checkpoint(tmp_path / "model.ckpt")
    loaded = MixGANModule.load_from_checkpoint(tmp_path / "model.ckpt", make_gan=Validated)
    loaded.eval()
    with torch.no_grad():
        x = drawn.points().dataset.tensors[0]
        scores = torch.stack([discriminator(x).mean() for discriminator in loaded.discriminators])
        expected = float(scores @ loaded.discriminators.weights)
    before = state_of(loaded)
    for each in (loaded, model):
        (validated,) = trainer(tmp_path).validate(each, in_order(), verbose=False)
        (tested,) = trainer(tmp_path).test(each, in_order(), verbose=False)
        assert validated["val/score"] == pytest.approx(expected, abs=1e-6)
        assert tested["test/score"] == pytest.approx(expected, abs=1e-6)
    assert_equal(state_of(loaded), before)


def test_stopping_and_keeping_by_a_name_that_the_user_logs(tmp_path):
    stop = EarlyStopping("own/g", mode="max", patience=0, min_delta=100.0)
    keep = ModelCheckpoint(tmp_path / "kept", monitor="own/g", mode="min", save_top_k=1)
    run, _ = trained(drawn.Learning, tmp_path, stop, keep, enable_checkpointing=True, max_epochs=5)
    assert run.current_epoch == 2  # the first that is no better ends it
    assert keep.best_model_score == min(stop.best_score, run.callback_metrics["own/g"])
    loaded = MixGANModule.load_from_checkpoint(keep.best_model_path, make_gan=drawn.Learning)
    assert loaded.sample(4, seed=0)[0].shape == (4, 2)


# ---------------------------------------------------------------------------------------- the object


def test_a_component_is_of_the_users_own_class_and_trained(tmp_path):
    _, model = trained(drawn.Conditional, tmp_path)
    for i in range(2):
        assert type(model.component(i)) is drawn.TakesLabels
        assert model.component(i).offset is model.state_dict(keep_vars=True)[f"generators.components.{i}.offset"]
        points = model.component(i)(torch.zeros(2, 1), torch.tensor([0, 1]))
        assert torch.equal(points[1, 0], 1 + model.component(i).offset[0])


class OwnMixture(MixGANModule):
    def __init__(self, size=2, hidden=5):
        self.hidden = hidden
        super().__init__(size=size, log_probability_lr=0.5)

    def make_gan(self):
        return drawn.Learning()


def test_a_subclass_that_builds_lightning_modules_trains_and_is_loaded(tmp_path):
    seed_everything()
    model = OwnMixture(size=3)
    run = fit(model, Entry(OwnMixture, data=drawn.points), tmp_path)
    assert run.global_step == 10
    assert not torch.equal(model.generators.weights, torch.full((3,), 1 / 3))
    run.save_checkpoint(tmp_path / "model.ckpt")
    loaded = OwnMixture.load_from_checkpoint(tmp_path / "model.ckpt")
    assert len(loaded.generators) == 3
    assert torch.equal(loaded.sample(8, seed=0)[0], model.sample(8, seed=0)[0])


def test_mixed_precision_keeps_whole_weights(tmp_path):
    dtypes = set()

    class Seen(drawn.Learning):
        def fake(self, batch):
            made = super().fake(batch)
            dtypes.add(made.dtype)
            return made

    model = mixture_of(Seen)
    before = state_of(model)
    fit(model, Entry(Seen, data=drawn.points), tmp_path, precision="bf16-mixed")
    assert dtypes == {torch.bfloat16}
    for key, value in model.state_dict().items():
        assert value.dtype == before[key].dtype
        assert value.isfinite().all()
        assert not torch.equal(value, before[key]), key


def test_a_copy_is_another_mixture_with_the_same_values(tmp_path):
    _, model = trained(drawn.Learning, tmp_path)
    before = state_of(model)
    copied = copy.deepcopy(model)
    assert_equal(state_of(copied), before)
    assert torch.equal(copied.sample(8, seed=0)[0], model.sample(8, seed=0)[0])
    with torch.no_grad():
        for parameter in copied.parameters():
            parameter.zero_()
    assert_equal(state_of(model), before)
    assert not copied.sample(8, seed=0)[0].any()


def test_a_state_dict_goes_through_a_file_into_another_mixture(tmp_path):
    _, model = trained(drawn.Learning, tmp_path)
    torch.save(model.state_dict(), tmp_path / "state.pt")
    other = mix(drawn.Learning, **SIZES)
    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    other.gan.template = model.gan.template
    assert torch.equal(other.sample(8, seed=0)[0], model.sample(8, seed=0)[0])
