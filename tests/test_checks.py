import re
import warnings
from types import SimpleNamespace

import pytest
import torch
from pytorch_lightning.plugins.layer_sync import TorchSyncBatchNorm
from pytorch_lightning.strategies import (
    DDPStrategy,
    DeepSpeedStrategy,
    FSDPStrategy,
    ModelParallelStrategy,
    SingleDeviceStrategy,
)
from torch import nn
from torch.utils.data import DataLoader

from mixgan_lightning import GAN, checks, mix
from mixgan_lightning.errors import ConfigurationError, DataError, GANError


def trainer_with(strategy=None, precision="32-true"):
    return SimpleNamespace(strategy=strategy or SingleDeviceStrategy("cpu"), precision=precision)


class OtherStrategy:
    """One that nobody has tried."""


# ------------------------------------------------------------------------------------------------ the Trainer


def test_one_device_is_taken(make_trainer):
    checks.check_trainer(make_trainer())


@pytest.mark.parametrize("strategy", [FSDPStrategy, DeepSpeedStrategy, ModelParallelStrategy, OtherStrategy])
def test_strategies_other_than_one_device_and_ddp_are_refused_with_what_to_use(strategy):
    built = strategy.__new__(strategy)  # DeepSpeed's constructor wants the package
    with pytest.raises(ConfigurationError, match=rf"{strategy.__name__} cannot .*ddp_find_unused_parameters_true"):
        checks.check_trainer(trainer_with(built))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"find_unused_parameters": False},
        {"static_graph": True},
        {"find_unused_parameters": True, "static_graph": True},
    ],
)
def test_plain_and_static_ddp_are_refused_with_what_to_use(options):
    with pytest.raises(ConfigurationError, match=r"plain DDP .*static_graph.* waits.*ddp_find_unused_parameters_true"):
        checks.check_trainer(trainer_with(DDPStrategy(**options)))


def test_ddp_that_finds_unused_parameters_is_taken():
    checks.check_trainer(trainer_with(DDPStrategy(find_unused_parameters=True)))


def test_synchronised_batchnorm_on_the_cpu_is_refused_with_what_to_set(make_trainer):
    """torch refuses it as well, but in the first step and of a layer."""
    ddp = {"devices": 2, "strategy": "ddp_find_unused_parameters_true"}
    checks.check_trainer(make_trainer(**ddp))
    with pytest.raises(ConfigurationError, match=r"SyncBatchNorm works on GPUs only; set sync_batchnorm=false"):
        checks.check_trainer(make_trainer(**ddp, sync_batchnorm=True))


def test_synchronised_batchnorm_on_gpus_is_taken():
    strategy = DDPStrategy(find_unused_parameters=True, parallel_devices=[torch.device("cuda", 0)])
    strategy._layer_sync = TorchSyncBatchNorm()
    checks.check_trainer(trainer_with(strategy))


def test_synchronised_batchnorm_takes_the_place_of_every_components_own_and_keeps_its_parameters(toy):
    """So optimisers, which were given them before, find them."""
    model = mix(toy(batchnorm=True), 2)
    parameters, (images, components) = list(model.parameters()), model.sample(4, seed=0)
    model = TorchSyncBatchNorm().apply(model)
    assert not any(isinstance(module, nn.BatchNorm1d) for module in model.modules())
    assert sum(isinstance(module, nn.SyncBatchNorm) for module in model.modules()) == 4  # 2 generators, as many others
    assert all(a is b for a, b in zip(parameters, model.parameters(), strict=True))
    found = model.sample(4, seed=0)
    assert torch.equal(found[0], images)
    assert torch.equal(found[1], components)


@pytest.mark.parametrize("precision", ["16-mixed", "16-true", "bf16-true"])
def test_fp16_is_refused_with_what_to_use(precision):
    with pytest.raises(ConfigurationError, match=rf"precision='{precision}'.*use precision='bf16-mixed' or '32-true'"):
        checks.check_trainer(trainer_with(precision=precision))


@pytest.mark.parametrize("precision", ["32-true", "64-true", "bf16-mixed"])
def test_other_precisions_are_taken(precision):
    checks.check_trainer(trainer_with(precision=precision))


def test_the_trainer_is_checked_before_training(make_trainer, toy, monkeypatch):
    trainer = make_trainer()
    monkeypatch.setattr(type(trainer), "precision", "16-true")
    with pytest.raises(ConfigurationError, match="16-true"):
        trainer.fit(mix(toy(), 2), DataLoader(torch.randn(16, 2), 16))


# ------------------------------------------------------------------------------------------------ the data


@pytest.fixture
def refused(fit, toy):
    """``refused(data, error, match, model=None)``: fitting is refused, and nothing has been trained."""

    def check(data, error, match, model=None, **options):
        model = model or mix(toy(), 2)
        before = [p.clone() for p in model.state_dict().values()]
        with pytest.raises(error, match=match):
            fit(model, data, **options)
        assert all(torch.equal(p, q) for p, q in zip(before, model.state_dict().values(), strict=True))
        assert model.played.discriminator_steps == 0

    return check


@pytest.mark.filterwarnings("ignore:Total length of")
@pytest.mark.parametrize("n", [0, 5])
def test_no_whole_batch_is_told(refused, n):
    loader = DataLoader(torch.randn(n, 2), 16, drop_last=True)
    refused(loader, DataError, "yields no batch: the dataset is empty, or smaller than a batch.*drop_last=True")


def test_asking_for_no_batches_is_no_error(fit, toy):
    fit(mix(toy(), 2), torch.randn(16, 2), limit_train_batches=0)


def test_a_batch_too_small_to_split_is_told(refused, toy):
    match = (
        r"a batch of 8 is too small to split between 5 generators.*batch_size >= 10, a smaller size, or fakes='full'"
    )
    refused(torch.randn(64, 2), DataError, match, mix(toy(), 5), batch_size=8)


def test_in_full_a_small_batch_will_do(fit, toy):
    fit(mix(toy(), 5, fakes="full"), torch.randn(16, 2), batch_size=4)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_counted(refused, bad):
    data = torch.randn(16, 2)
    data[3, 1] = data[4, 0] = bad
    refused(data, DataError, "the first batch holds 2 values that are NaN or infinite; clean the data")


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
def test_integer_images_are_told_how_to_convert(refused, dtype):
    data = torch.randint(0, 255, (16, 2)).to(dtype)
    refused(data, DataError, rf"floating-point images in \[-1, 1\], got {dtype}; convert .*Normalize\(0.5, 0.5\)")


def image_gan(generator_end=None, channels=1):
    """8×8 images; ``generator_end``: a module after the last layer."""
    generator = nn.Sequential(
        nn.Linear(3, 64 * channels), generator_end or nn.Tanh(), nn.Unflatten(1, (channels, 8, 8))
    )
    return GAN(generator, nn.Sequential(nn.Flatten(), nn.Linear(64, 1)), latent_dim=3)


@pytest.mark.parametrize(("low", "high"), [(0, 255), (-1.1, 0.5), (-3, 3)])
def test_images_out_of_range_are_told(refused, low, high):
    data = torch.linspace(low, high, 16 * 64).reshape(16, 1, 8, 8)
    match = rf"expected images in \[-1, 1\], got \[{low:.4g}, {high:.4g}\]; rescale"
    refused(data, DataError, match, mix(image_gan, 2))


def test_points_may_lie_anywhere(fit, toy):
    fit(mix(toy(), 2), 100 * torch.randn(16, 2))


def test_a_generator_that_cannot_reach_the_data_is_told(refused):
    data = 2 * torch.rand(16, 1, 8, 8) - 1
    match = r"output is never negative \(from .* to .*\) but the data lie in \[-.*\]; end the generator with tanh"
    refused(data, GANError, match, mix(lambda: image_gan(nn.Sigmoid()), 2))


def test_images_without_a_negative_value_are_told_to_be_normalised(refused):
    match = r"expected images in \[-1, 1\], got .*without one negative value.*Normalize"
    refused(torch.rand(16, 1, 8, 8), DataError, match, mix(lambda: image_gan(nn.Sigmoid()), 2))


# ------------------------------------------------------------------------------------------------ the networks


def test_a_generator_of_another_shape_is_told(refused):
    match = r"the generator gives samples of shape \(2, 8, 8\), the data are \(1, 8, 8\)"
    refused(torch.zeros(16, 1, 8, 8), GANError, match, mix(lambda: image_gan(channels=2), 2))


class Returns(nn.Module):
    """A network that makes something else of its output."""

    def __init__(self, body, what):
        super().__init__()
        self.body, self.what = body, what

    def forward(self, inputs):
        return self.what(self.body(inputs))


@pytest.mark.parametrize(
    ("what", "match"),
    [
        (lambda x: x.round().long(), "the generator gives torch.int64.*it must give floating point"),
        (lambda x: x / 0, "the untrained generator gives NaN or infinite values; check its initialisation"),
        (lambda x: (x, x), r"the generator gives samples of shape tuple, the data are \(2,\)"),
        (lambda x: x[:5], r"the generator gives samples of shape"),
    ],
)
def test_a_generator_of_something_else_is_told(refused, what, match):
    make = lambda: GAN(Returns(nn.Linear(3, 2), what), nn.Linear(2, 1), latent_dim=3)  # noqa: E731
    refused(torch.randn(16, 2), GANError, match, mix(make, 2))


@pytest.mark.parametrize(
    ("what", "got"),
    [(lambda s: s.expand(-1, 3), r"\(16, 3\)"), (lambda s: s.mean(), r"\(\)"), (lambda s: s[:4], r"\(4, 1\)")],
)
def test_a_discriminator_that_gives_no_score_a_sample_is_told(refused, what, got):
    make = lambda: GAN(nn.Linear(3, 2), Returns(nn.Linear(2, 1), what), latent_dim=3)  # noqa: E731
    match = rf"the discriminator gives {got} for 16 samples; expected one score each, \(16,\) or \(16, 1\): .*GAN.score"
    refused(torch.randn(16, 2), GANError, match, mix(make, 2))


# ------------------------------------------------------------------------------------------------ labels


def labelled(labels):
    return [(torch.randn(2), label) for label in labels]


def test_missing_labels_are_told(refused, conditional_toy):
    match = r"conditional \(3 classes\): expected batches \(images, labels\), got images alone"
    refused(torch.randn(16, 2), DataError, match, mix(conditional_toy(), 2))


@pytest.mark.parametrize(
    ("labels", "got"),
    [
        (torch.arange(16) % 4, "torch.int64 of shape (16,) with values 0 … 3"),
        (torch.arange(16) % 3 - 1, "torch.int64 of shape (16,) with values -1 … 1"),
        (torch.zeros(16), "torch.float32 of shape (16,)"),
        (torch.zeros(16, dtype=torch.uint8), "torch.uint8 of shape (16,)"),
        (torch.zeros(16, 3, dtype=torch.int64), "torch.int64 of shape (16, 3) with values 0 … 0"),
        (["cat"] * 16, "tuple"),
    ],
)
def test_labels_that_are_no_classes_are_told(refused, conditional_toy, labels, got):
    match = re.escape(f"labels: expected 16 whole numbers (int64) in 0 … 2, got {got}")
    refused(labelled(labels), DataError, match, mix(conditional_toy(), 2))


# ------------------------------------------------------------------------------------------------ what changes nothing


def test_the_trial_changes_nothing(toy):
    model, batch = mix(toy(batchnorm=True), 2).train(), torch.randn(16, 2)
    state, stream = [p.clone() for p in model.state_dict().values()], torch.get_rng_state()
    modes = [module.training for module in model.modules()]
    checks.check_game(model.gan, model.generators, model.discriminators, model.pairs.fakes, batch)
    assert all(torch.equal(p, q) for p, q in zip(state, model.state_dict().values(), strict=True))
    assert torch.equal(stream, torch.get_rng_state())
    assert modes == [module.training for module in model.modules()]
    assert all(p.grad is None for p in model.parameters())


# ------------------------------------------------------------------------------------------------ BatchNorm


@pytest.mark.parametrize(
    ("fakes", "batch", "who"),
    [
        ("split", 16, None),  # 8 samples a generator
        ("split", 15, "generators would see 7 samples"),
        ("full", 8, None),
        ("full", 7, "generators would see 7 samples"),
    ],
)
def test_batchnorm_over_fewer_than_eight_samples_gives_a_warning(fit, toy, recwarn, fakes, batch, who):
    fit(mix(toy(batchnorm=True), 2, fakes=fakes), torch.randn(batch, 2), batch_size=batch)
    found = [str(w.message) for w in recwarn if "BatchNorm" in str(w.message)]
    assert bool(found) == (who is not None)
    if who:
        assert who in found[0]
        assert "a larger batch, fewer components or another normalisation would help" in found[0]
    assert len(found) == (0 if who is None else 2 if fakes == "full" else 1)  # in split D sees the whole batch


def test_without_batchnorm_there_is_no_warning(fit, toy):
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*BatchNorm")
        fit(mix(toy(), 2), torch.randn(4, 2), batch_size=4)


# ------------------------------------------------------------------------------------------------ before the first step


def test_a_last_batch_too_small_to_split_is_refused_before_the_first_step(make_trainer, toy):
    model = mix(toy(), 3)
    loader = DataLoader(torch.randn(21, 2), 16)  # the last batch holds 5, and 3 generators need 6
    with pytest.raises(DataError, match=r"last batch of an epoch would hold 5 samples.*6 at least.*drop_last=True"):
        make_trainer().fit(model, loader)
    assert model.played.discriminator_steps == 0


@pytest.mark.parametrize("options", [{"drop_last": True}, {"batch_size": 15}])
def test_a_last_batch_that_can_be_split_or_is_dropped_is_taken(make_trainer, toy, options):
    make_trainer().fit(mix(toy(), 3), DataLoader(torch.randn(21, 2), **{"batch_size": 16} | options))


def test_data_of_another_precision_than_the_networks_are_refused(make_trainer, toy):
    loader = DataLoader(torch.randn(16, 2, dtype=torch.float64), 16)
    with pytest.raises(DataError, match=r"data are torch.float64, the networks torch.float32; convert"):
        make_trainer().fit(mix(toy(), 2), loader)


def test_batches_without_images_in_front_are_refused_with_what_to_override(make_trainer, toy):
    loader = DataLoader([{"image": torch.randn(2)} for _ in range(16)], 16)
    with pytest.raises(DataError, match=r"got dict; override GAN.images"):
        make_trainer().fit(mix(toy(), 2), loader)


@pytest.mark.parametrize("seed", [-1, 0.5, True])
def test_a_seed_is_a_whole_number(toy, seed):
    with pytest.raises(ConfigurationError, match="seed: expected a whole number"):
        mix(toy(), 2).sample(4, seed=seed)


def test_lbfgs_is_refused(make_trainer, toy):
    with pytest.raises(GANError, match="LBFGS"):
        make_trainer().fit(mix(toy(optimizer=torch.optim.LBFGS), 2), DataLoader(torch.randn(16, 2), 16))
