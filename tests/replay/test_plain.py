"""A mixture of one is the user's own training, bit for bit: parameters, buffers, ``global_step``, everything logged."""

import importlib.util

import pytest
import torch
from runs import fit, seed_everything, user_value
from zoo import ZOO, Entry

from mixgan_lightning import mix

EPOCHS = 4  # of five batches


def train_both(entry, tmp_path, **options):
    """The user's module and its Trainer; the mixture of one and its Trainer."""
    found = []
    for make in (entry.plain or entry.make, lambda: mix(entry.make, size=1, **entry.options)):
        seed_everything()
        model = make()
        found.append((model, fit(model, entry, tmp_path, max_epochs=EPOCHS, **options)))
    return found


def assert_same(entry, plain, mixed):
    (module, trainer), (model, mixed_trainer) = plain, mixed
    assert trainer.global_step >= 20
    assert mixed_trainer.global_step == trainer.global_step
    for key, value in module.state_dict().items():
        assert torch.equal(value, user_value(model, entry, key)), key
    names = {name for _, name, _ in trainer.logger.values} - {"epoch"}
    assert mixed_trainer.logger.named(names) == trainer.logger.named(names)


@pytest.mark.parametrize("name", ZOO)
def test_size_one_is_the_users_own_training(name, tmp_path):
    entry = ZOO[name]
    assert_same(entry, *train_both(entry, tmp_path))


@pytest.mark.parametrize("name", ["docs", "batchnorm"])
def test_size_one_shows_the_users_own_images(name, tmp_path):
    (_, trainer), (_, mixed_trainer) = train_both(ZOO[name], tmp_path)
    images, mixed_images = trainer.logger.experiment.images, mixed_trainer.logger.experiment.images
    assert images
    assert [(tag, step) for tag, _, step in mixed_images] == [(tag, step) for tag, _, step in images]
    for (_, ours, _), (_, theirs, _) in zip(mixed_images, images, strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("name", ["toggled", "batchnorm", "gradient penalty", "optimizer_idx", "decay in place"])
def test_the_random_streams_end_where_the_users_would(name, tmp_path):
    """What is drawn after training, shuffling in the next epoch included, is the same."""
    drawn = []
    entry = ZOO[name]
    for make in (entry.plain or entry.make, lambda: mix(entry.make, size=1, **entry.options)):
        seed_everything()
        fit(make(), entry, tmp_path)
        drawn.append(torch.rand(3))
    assert torch.equal(*drawn)


@pytest.mark.parametrize("precision", ["64-true", "bf16-mixed"])
def test_size_one_is_the_users_own_training_in_other_precisions(precision, tmp_path):
    entry = ZOO["toggled"]
    assert_same(entry, *train_both(entry, tmp_path, precision=precision))


@pytest.mark.skipif(importlib.util.find_spec("lightning") is None, reason="the lightning package is not installed")
def test_a_module_of_the_lightning_package_trains_as_it_would(tmp_path):
    import lightning as L
    from zoo_lightning2 import LightningPackageGAN

    entry = Entry(LightningPackageGAN)
    seed_everything()
    module = LightningPackageGAN()
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    own = L.Trainer(max_epochs=EPOCHS, accelerator="cpu", devices=1, logger=False, default_root_dir=tmp_path, **quiet)
    own.fit(module, entry.data())
    seed_everything()
    model = mix(LightningPackageGAN, size=1)
    trainer = fit(model, entry, tmp_path, max_epochs=EPOCHS)
    assert trainer.global_step == own.global_step >= 20
    for key, value in module.state_dict().items():
        assert torch.equal(value, user_value(model, entry, key)), key
