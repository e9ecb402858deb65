"""Samples of users' GANs that are fed, built or labelled in less usual ways."""

import pytest
import torch
import zoo_drawn as drawn
from runs import fit, seed_everything
from test_drawing import fed, near
from zoo import Entry

from mixgan_lightning import MixGANModule, mix
from mixgan_lightning.errors import GANError


@pytest.fixture
def trained(tmp_path):
    """``trained(GAN, data=points, epochs=1, **options)``: a mixture of 3 generators and 2 discriminators."""

    def make(gan, data=drawn.points, epochs=1, **options):
        seed_everything()
        model = mix(gan, **{"size": 3, "num_discriminators": 2, "log_probability_lr": 0.5} | options)
        fit(model, Entry(gan, data=data), tmp_path, max_epochs=epochs)
        return model

    return make


def test_a_tensor_of_one_number_beside_the_noise_is_handed_on(trained):
    assert near(fed(trained(drawn.ScalarTensorInput)).mean(0), 30.5, 0.05)


def test_a_generator_that_draws_its_noise_itself_is_sampled(trained):
    latents = fed(trained(drawn.DrawsItself))
    assert near(latents.mean(0), 0.5, 0.05)
    assert len(latents[:, 0].unique()) > 1_000


@pytest.mark.parametrize(("gan", "network"), [(drawn.TwoNetworks, "mapping"), (drawn.LabelEmbedding, "label_emb")])
def test_each_generator_is_fed_by_its_own_networks(gan, network, trained):
    model = trained(gan)
    before, components = model.sample(64, seed=0)
    with torch.no_grad():
        for name, parameter in model.generators.components[1].named_parameters():
            if network in name:
                parameter.zero_()
    after, _ = model.sample(64, seed=0)
    changed = (after != before).any(1)
    assert changed.any()
    assert torch.equal(changed, components == 1)


def test_a_network_before_the_generator_is_not_taken_for_it(trained):
    model = trained(drawn.TwoNetworksOfOneShape, size=1)
    images, _ = model.sample(8, seed=0)
    with torch.no_grad():
        model.component(0).generator.offset += 1
    assert torch.allclose(model.sample(8, seed=0)[0], images + 1)


def test_asked_for_labels_are_fed_where_a_step_makes_its_fakes_in_parts(trained):
    asked = torch.arange(600) // 300
    assert near(fed(trained(drawn.ConditionalHalves), 600, labels=asked)[:, 0], asked, 1e-4)


def test_samples_do_not_depend_on_the_number_of_the_step(trained, tmp_path):
    """A step that draws more at first; after loading it would be the first one again."""
    model = trained(drawn.Annealed)
    model.trainer.save_checkpoint(tmp_path / "model.ckpt")
    loaded = MixGANModule.load_from_checkpoint(tmp_path / "model.ckpt", make_gan=drawn.Annealed)
    assert torch.equal(loaded.sample(16, seed=0)[0], model.sample(16, seed=0)[0])


@pytest.mark.parametrize("gan", [drawn.SetsItsScaleLater, drawn.SetsItsScaleInSetup])
def test_what_only_a_run_sets_is_missed_by_its_name_after_loading(gan, trained, tmp_path):
    model = trained(gan)
    assert near(fed(model).mean(0), 1.0, 0.1)  # twice what is drawn in [0, 1)
    model.trainer.save_checkpoint(tmp_path / "model.ckpt")
    loaded = MixGANModule.load_from_checkpoint(tmp_path / "model.ckpt", make_gan=gan)
    with pytest.raises(GANError, match=r"its step fails outside of a training run, with AttributeError: .*'scale'"):
        loaded.sample(16, seed=0)


def test_latents_of_ones_own_come_with_labels(trained):
    model = trained(drawn.Conditional)
    images = model(torch.full((50, 1), 9.0), torch.ones(50, dtype=torch.int64))
    offsets = torch.stack([generator.offset for generator in model.generators])
    assert all((image - offsets - torch.tensor([1.0, 9.0])).abs().sum(1).min() < 1e-4 for image in images)


def tensors_in(value):
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict | list | tuple):
        for each in value.values() if isinstance(value, dict) else value:
            yield from tensors_in(each)


def test_a_checkpoint_holds_no_training_data(trained, tmp_path):
    """Neither samples nor what stands beside them, names of people or files."""
    marked = torch.full((40, 2), 0.12345)

    def collate(rows):
        return {"images": torch.stack(rows), "names": ["Ada Lovelace"] * len(rows), "note": "kept in the ward"}

    class Named(drawn.Plain):
        def training_step(self, batch, batch_idx):
            return super().training_step([batch["images"], None], batch_idx)

    model = trained(Named, lambda: torch.utils.data.DataLoader(marked, batch_size=8, collate_fn=collate))
    model.trainer.save_checkpoint(tmp_path / "model.ckpt")
    contents = torch.load(tmp_path / "model.ckpt", weights_only=True)
    assert not any(value.is_floating_point() and (value == 0.12345).any() for value in tensors_in(contents))
    assert b"Lovelace" not in (tmp_path / "model.ckpt").read_bytes()
    assert b"ward" not in (tmp_path / "model.ckpt").read_bytes()
    assert MixGANModule.load_from_checkpoint(tmp_path / "model.ckpt", make_gan=Named).sample(4, seed=0)
