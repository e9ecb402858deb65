"""Samples of users' GANs: fed as their own step feeds them, and training goes on as if none had been drawn."""

import pytest
import torch
import zoo_drawn as drawn
from runs import fit, random_states, seed_everything
from zoo import ZOO, Entry

from mixgan_lightning import MixGANModule, mix
from mixgan_lightning.errors import ConfigurationError, GANError
from mixgan_lightning.sampling import CHUNK


@pytest.fixture
def trained(tmp_path):
    """``trained(GAN, data=points, epochs=1, **options)``: a mixture of 3 generators and 2 discriminators."""

    def make(gan, data=drawn.points, epochs=1, **options):
        seed_everything()
        model = mix(gan, **{"size": 3, "num_discriminators": 2, "log_probability_lr": 0.5} | options)
        fit(model, Entry(gan, data=data), tmp_path, max_epochs=epochs)
        return model

    return make


def fed(model, n=2_000, **options):
    """What the generators were fed with: samples less each one's offset."""
    images, components = model.sample(n, seed=0, **options)
    offsets = torch.stack([model.component(i).offset.detach() for i in range(3)])
    return images - offsets[components]


def near(value, expected, tolerance):
    return float((value - torch.as_tensor(expected)).abs().max()) < tolerance


# ---------------------------------------------------------------------------------------- laws and ways


@pytest.mark.parametrize(
    ("gan", "low", "high", "mean", "sd"),
    [
        (drawn.Plain, 0, 1, [0.5, 0.5], [0.29, 0.29]),
        (drawn.ScaledNoise, 75, 125, [100.0, 100.0], [5.0, 5.0]),
        (drawn.NumpyNoise, -1, 1, [0.0, 0.0], [0.58, 0.58]),
        (drawn.PythonNoise, -1, 7, [0.0, 7.0], [1.0, 0.0]),
        (drawn.DistributionNoise, 0, 10, [0.5, 0.5], [0.5, 0.5]),
    ],
)
def test_latents_follow_the_users_own_law(gan, low, high, mean, sd, trained):
    latents = fed(trained(gan))
    assert latents.min() >= low - 1e-4
    assert latents.max() <= high + 1e-4
    scale = max(1.0, *sd)
    assert near(latents.mean(0), mean, 0.1 * scale)
    assert near(latents.std(0), sd, 0.1 * scale)
    assert len(latents[:, 0].unique()) > (2 if gan is drawn.PythonNoise else 1_000) - 1  # no row is repeated


@pytest.mark.parametrize("gan", [drawn.TwoInputs, drawn.KeywordInputs, drawn.TupleInput])
def test_every_input_is_drawn_as_the_step_draws_it(gan, trained):
    """Noise in [0, 1) and, 10 times, a one-hot code of two."""
    latents = fed(trained(gan))
    code, noise = (latents + 1e-4).div(10, rounding_mode="floor"), latents.remainder(10)
    assert code.sum(1).eq(1).all()
    assert near(code.mean(0), 0.5, 0.05)
    assert near(noise.mean(0), 0.5, 0.05)


def test_a_number_beside_the_noise_is_handed_on(trained):
    assert near(fed(trained(drawn.NumberInput)).mean(0), 30.5, 0.05)


def test_a_step_may_draw_a_fixed_number_whatever_the_batch(trained):
    latents = fed(trained(drawn.FixedNumber), n=100)
    assert latents.shape == (100, 2)
    assert len(latents[:, 0].unique()) == 100
    assert near(latents.mean(0), 0.5, 0.15)


def test_the_modules_own_forward_is_used_where_only_that_gives_images(trained):
    def images():
        return torch.utils.data.DataLoader(
            torch.utils.data.TensorDataset(torch.randn(24, 1, 4, 4), torch.zeros(24).long()), batch_size=8
        )

    model = trained(drawn.ByForward, images)
    samples, components = model.sample(64, seed=0)
    assert samples.shape == (64, 1, 4, 4)
    with torch.no_grad():
        for parameter in model.component(1).parameters():
            parameter.fill_(7.0)
            parameter.mul_(parameter.ndim == 1)  # the bias alone: all its samples are 7 then
    after, _ = model.sample(64, seed=0)
    assert (components == 1).any()
    assert torch.equal((after == 7).flatten(1).all(1), components == 1)
    assert torch.equal(after[components != 1], samples[components != 1])


@pytest.mark.parametrize("sizes", [(3, 2), (2, 3), (1, 2), (2, 1)])
def test_any_numbers_of_generators_and_discriminators_are_sampled(sizes, trained):
    model = trained(drawn.Plain, size=sizes[0], num_discriminators=sizes[1])
    images, components = model.sample(200, seed=0)
    assert images.shape == (200, 2)
    assert components.unique().tolist() == list(range(sizes[0]))


def test_one_component_alone_is_drawn_where_asked(trained):
    model = trained(drawn.Plain)
    images, components = model.sample(50, seed=0, component=2)
    assert components.unique().tolist() == [2]
    assert near((images - model.component(2).offset.detach()).mean(0), 0.5, 0.2)


# ---------------------------------------------------------------------------------------- labels


def test_asked_for_labels_are_fed(trained):
    model = trained(drawn.Conditional, data=lambda: drawn.points(torch.arange(drawn.N) % 5))
    assert near(fed(model, 8, labels=3)[:, 0], 3, 1e-4)
    asked = torch.arange(600) % 4
    assert near(fed(model, 600, labels=asked)[:, 0], asked, 1e-4)
    with pytest.raises(ConfigurationError, match=r"labels: expected 8 whole numbers in 0 … 4 "):
        model.sample(8, labels=5)


def test_labels_are_drawn_as_often_as_seen_in_training(trained):
    assert near(fed(trained(drawn.Conditional))[:, 0].mean(), 0.8, 0.04)
    sorted_first = drawn.points(torch.cat([torch.zeros(8), torch.ones(32)]).long())  # the first batch holds zeros alone
    in_order = torch.utils.data.DataLoader(sorted_first.dataset, batch_size=8)
    assert near(fed(trained(drawn.Conditional, lambda: in_order))[:, 0].mean(), 0.8, 0.04)


def test_the_labels_of_a_chunk_are_those_of_its_samples(trained):
    model = trained(drawn.Conditional)
    draw = model.sampler.chunk(0, 0, component=1)
    assert near((draw.images - model.component(1).offset.detach())[:, 0], draw.labels, 1e-4)


def test_a_gan_that_does_not_look_at_labels_refuses_them(trained):
    model = trained(drawn.Plain)
    with pytest.raises(ConfigurationError, match="labels: this GAN is unconditional; leave them out"):
        model.sample(8, labels=1)
    assert model.sampler.chunk(0, 0).labels is None


# ---------------------------------------------------------------------------------------- the same images


DRAWABLE = [name for name in ZOO if name not in ("noise in the batch", "vae", "cyclegan")]


@pytest.mark.parametrize("name", DRAWABLE)
def test_the_same_seed_gives_the_same_images_before_and_after_loading(name, tmp_path):
    entry = ZOO[name]
    seed_everything()
    model = mix(entry.make, size=2, num_discriminators=3, **entry.options)
    fit(model, entry, tmp_path, limit_train_batches=3).save_checkpoint(tmp_path / "model.ckpt")
    images, components = model.sample(16, seed=0)
    assert not torch.equal(images, model.sample(16, seed=1)[0])
    loaded = MixGANModule.load_from_checkpoint(tmp_path / "model.ckpt", make_gan=entry.make)
    for other in (model, loaded):
        again, components_again = other.sample(16, seed=0)
        assert torch.equal(again, images)
        assert torch.equal(components_again, components)
    assert len(images.flatten(1).unique(dim=0)) == 16


def test_labels_are_drawn_alike_after_loading(trained, tmp_path):
    model = trained(drawn.Conditional)
    model.trainer.save_checkpoint(tmp_path / "model.ckpt")
    loaded = MixGANModule.load_from_checkpoint(tmp_path / "model.ckpt", make_gan=drawn.Conditional)
    assert torch.equal(loaded.sample(600, seed=0)[0], model.sample(600, seed=0)[0])
    assert near(loaded.sample(8, seed=0, labels=1)[0], model.sample(8, seed=0, labels=1)[0], 0.0 + 1e-9)


def test_chunks_are_the_same_however_many_are_drawn(trained):
    model = trained(drawn.Learning)
    images, components = model.sample(CHUNK + 30, seed=0)
    second = model.sampler.chunk(0, 1)
    assert torch.equal(images[CHUNK:], second.images[:30])
    assert torch.equal(components[CHUNK:], second.components[:30])
    assert torch.equal(model.sample(10, seed=0)[0], images[:10])


# ---------------------------------------------------------------------------------------- own latents, predicting


def test_latents_of_ones_own_are_fed_as_they_are(trained):
    model = trained(drawn.Plain)
    latents = torch.tensor([[5.0, 6.0]]).expand(50, 2)
    torch.manual_seed(0)
    components = model.generators.choose(50)
    torch.manual_seed(0)
    offsets = torch.stack([generator.offset for generator in model.generators])
    assert torch.equal(model(latents), latents + offsets[components])


def test_trainer_predict_samples(trained, tmp_path):
    model = trained(drawn.Conditional)
    model.trainer.save_checkpoint(tmp_path / "model.ckpt")
    loaded = MixGANModule.load_from_checkpoint(tmp_path / "model.ckpt", make_gan=drawn.Conditional)
    for each in (model, loaded):
        batches = model.trainer.predict(each, drawn.points())
        offsets = torch.stack([generator.offset.detach() for generator in each.generators])
        found = torch.cat([images[:, 0] - offsets[components, 0] for images, components in batches])
        assert [len(images) for images, _ in batches] == [8] * 5
        assert near(found.sort().values, torch.cat([torch.zeros(8), torch.ones(32)]), 1e-4)  # the batches' labels


# ---------------------------------------------------------------------------------------- nothing is disturbed


def test_the_random_streams_go_on_as_if_nothing_was_drawn(trained):
    model = trained(drawn.Learning)
    before = random_states()
    model.sample(20, seed=0)
    after = random_states()
    assert torch.equal(before[0], after[0])
    assert (before[1][1] == after[1][1]).all()
    assert before[1][2:] == after[1][2:]
    assert before[2] == after[2]


def test_samples_are_made_in_eval_mode_and_no_mode_or_buffer_changes(trained):
    model = trained(drawn.Learning)
    model.train()
    model.discriminators.components[0].eval()
    model.generators.components[1][1].eval()
    modes = {name: module.training for name, module in model.named_modules()}
    buffers = {name: value.clone() for name, value in model.named_buffers()}
    images, _ = model.sample(64, seed=0)
    assert torch.equal(model.sample(64, seed=0)[0], images)
    assert {name: module.training for name, module in model.named_modules()} == modes
    assert all(torch.equal(value, buffers[name]) for name, value in model.named_buffers())
    with torch.no_grad():  # so that eval mode is what makes the difference
        for component in model.generators:
            component[1].running_mean += 100
    assert not torch.equal(model.sample(64, seed=0)[0], images)
    model.eval()
    again, _ = model.sample(64, seed=0)
    model.train()
    assert torch.equal(again, model.sample(64, seed=0)[0])


def test_no_step_is_run_for_sampling_before_samples_are_asked_for(trained):
    drawn.Counted.calls = ()
    model = trained(drawn.Counted)
    assert drawn.Counted.calls == ("training_step", "fake") * (3 * 2 * 5)  # by each pair, each batch
    model.sample(4, seed=0)
    assert drawn.Counted.calls[60:]


def test_before_it_has_seen_a_batch_it_cannot_be_sampled():
    model = mix(drawn.Plain, size=2)
    said = "cannot draw samples of this GAN before it has seen a batch: train it, or load a checkpoint"
    with pytest.raises(GANError, match=said):
        model.sample(4)
    with pytest.raises(GANError, match=said):
        model(torch.randn(4, 2))


@pytest.mark.parametrize("name", ["cyclegan", "noise in the batch"])
def test_a_gan_fed_with_data_trains_and_says_that_it_cannot_be_sampled(name, tmp_path):
    entry = ZOO[name]
    seed_everything()
    model = mix(entry.make, size=2, **entry.options)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    trainer = fit(model, entry, tmp_path)
    assert trainer.global_step >= 10
    moved = [key for key, value in model.state_dict().items() if not torch.equal(value, before[key])]
    assert any(key.startswith("generators.components.1.") for key in moved)
    with pytest.raises(GANError, match=r"cannot draw samples of this GAN: .*arguments that are not made of the data"):
        model.sample(4)
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    loaded = MixGANModule.load_from_checkpoint(tmp_path / "model.ckpt", make_gan=entry.make)
    with pytest.raises(GANError, match="cannot draw samples of this GAN"):
        loaded.sample(4)
