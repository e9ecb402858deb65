import sys

import pytest
import pytorch_lightning as pl
import torch
from omegaconf import OmegaConf
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from mixgan_lightning import GAN, MixGANModule, mix
from mixgan_lightning.checkpoint import KEY
from mixgan_lightning.errors import CheckpointError, ConfigurationError
from mixgan_lightning.sampling import CHUNK
from mixgan_lightning.schedule import Constant, Played, WassersteinStart

CONFIG = {
    "_target_": "mixgan_lightning.GAN",
    "generator": {"_target_": "torch.nn.Linear", "in_features": 3, "out_features": 2},
    "discriminator": {"_target_": "torch.nn.Linear", "in_features": 2, "out_features": 1},
    "latent_dim": 3,
}
WITHOUT_BIAS = CONFIG | {"generator": CONFIG["generator"] | {"bias": False}}


# ------------------------------------------------------------------------------------------------ what it is


def test_components_are_the_users_own_modules(toy):
    model = mix(toy(), 3)
    assert model.component(2) is model.generators.components[2]
    assert isinstance(model.component(0), nn.Sequential)


@pytest.mark.parametrize("i", [3, -1, 1.0, True, None])
def test_a_component_that_is_not_there_is_told(toy, i):
    with pytest.raises(ConfigurationError, match=f"component: expected 0 … 2, got {i!r}"):
        mix(toy(), 3).component(i)


@pytest.mark.parametrize(("tu", "tv"), [(3, 3), (2, 4), (4, 2)])
def test_there_are_as_many_components_as_asked(toy, tu, tv):
    built = []
    model = mix(lambda: built.append(1) or toy()(), tu, num_discriminators=tv)
    assert (len(model.generators), len(model.discriminators)) == (tu, tv)
    assert len(built) == max(tu, tv)


def test_checkpoint_keys_are_the_documented_ones(toy):
    keys = set(mix(toy(), 2).state_dict())
    assert {"generators.log_probabilities", "discriminators.log_probabilities"} < keys
    assert {"generators.components.0.0.weight", "generators.components.1.2.bias"} < keys
    assert all(key.startswith(("generators.", "discriminators.")) for key in keys)


# ------------------------------------------------------------------------------------------------ sampling


def test_sample_gives_images_and_the_component_of_each(toy):
    images, components = mix(toy(), 3).sample(64, seed=0)
    assert images.shape == (64, 2)
    assert components.shape == (64,)
    assert components.dtype == torch.int64
    assert set(components.tolist()) == {0, 1, 2}
    assert not images.requires_grad


def test_a_seed_repeats_and_leaves_the_global_stream_alone(toy):
    model, before = mix(toy(), 2), torch.get_rng_state()
    first = model.sample(600, seed=4)
    assert torch.equal(torch.get_rng_state(), before)
    second = model.sample(600, seed=4)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[0], model.sample(600, seed=5)[0])


def test_without_a_seed_the_global_stream_decides(toy):
    model = mix(toy(), 2)
    torch.manual_seed(1)
    first, second = model.sample(8)[0], model.sample(8)[0]
    torch.manual_seed(1)
    assert torch.equal(first, model.sample(8)[0])
    assert not torch.equal(first, second)


@pytest.mark.parametrize("n", [0, -1, 2.5, True, "8"])
def test_a_number_of_samples_that_is_none_is_told(toy, n):
    with pytest.raises(ConfigurationError, match=f"n: expected a whole number of at least 1, got {n!r}"):
        mix(toy(), 2).sample(n)


@pytest.mark.parametrize("component", [2, -1, 0.5, True])
def test_sampling_a_component_that_is_not_there_is_told(toy, component):
    with pytest.raises(ConfigurationError, match="component: expected 0 … 1, got"):
        mix(toy(), 2).sample(4, seed=0, component=component)


def test_sampling_one_component_is_that_generator_alone(toy):
    model = mix(toy(), 2)
    mixed, chosen = model.sample(CHUNK, seed=0)
    for i in range(2):
        images, components = model.sample(CHUNK, seed=0, component=i)
        assert (components == i).all()
        assert torch.allclose(images[chosen == i], mixed[chosen == i], atol=1e-6)


def test_forward_sends_each_latent_through_a_generator_of_the_mixture(toy):
    model, latents = mix(toy(), 3), torch.randn(40, 3)
    torch.manual_seed(2)
    images = model(latents)
    torch.manual_seed(2)
    chosen = model.generators.choose(40)
    expected = torch.stack([model.component(int(i))(h) for i, h in zip(chosen, latents, strict=True)])
    assert torch.allclose(images, expected, atol=1e-6)
    assert images.requires_grad
    assert set(chosen.tolist()) == {0, 1, 2}


def test_forward_takes_labels(conditional_toy):
    labels = torch.arange(12) % 3
    images = mix(conditional_toy(), 2)(torch.randn(12, 3), labels)
    assert torch.equal(images[:, 0].long(), labels)


def test_predict_samples_as_many_as_each_batch_is_long(make_trainer, toy):
    model = mix(toy(), 2)
    loader = DataLoader(torch.zeros(20, 2), 8)
    torch.manual_seed(0)
    found = make_trainer().predict(model, loader)
    assert [tuple(images.shape) for images, _ in found] == [(8, 2), (8, 2), (4, 2)]
    assert [len(components) for _, components in found] == [8, 8, 4]
    assert not torch.equal(found[0][0], found[1][0])
    torch.manual_seed(0)
    again = make_trainer().predict(model, loader)
    assert torch.equal(found[0][0], again[0][0])


def test_predict_uses_the_labels_of_the_batch(make_trainer, conditional_toy):
    labels = torch.arange(20) % 3
    loader = DataLoader(TensorDataset(torch.zeros(20, 2), labels), 8)
    found = make_trainer().predict(mix(conditional_toy(), 2), loader)
    assert torch.equal(torch.cat([images for images, _ in found])[:, 0].long(), labels)


# ------------------------------------------------------------------------------------------------ labels


def labelled(n=160):
    """Classes 0, 1, 2 with frequencies 1/2, 1/2, 0, in points whose first coordinate is the label."""
    labels = torch.arange(n) % 2
    return TensorDataset(torch.stack([labels.float(), torch.randn(n)], dim=1), labels)


@pytest.mark.parametrize("fakes", ["split", "full"])
def test_a_conditional_gan_trains_and_samples_the_classes_it_has_seen(fit, conditional_toy, fakes):
    model = mix(conditional_toy(), 2, fakes=fakes)
    images, _ = model.sample(900, seed=0)
    assert set(images[:, 0].long().tolist()) == {0, 1, 2}  # untrained: all alike
    fit(model, labelled(), max_epochs=2)
    assert model.label_counts.tolist() == [160, 160, 0]
    images, _ = model.sample(900, seed=0)
    ones = float(images[:, 0].mean())
    assert set(images[:, 0].long().tolist()) == {0, 1}
    assert abs(ones - 0.5) < 4 * (0.25 / 900) ** 0.5


def test_labels_are_counted_exactly_in_any_precision(fit, conditional_toy):
    """In whole numbers: bfloat16 cannot count in fives beyond 256."""
    model = mix(conditional_toy(), 2)
    fit(model, labelled(800), batch_size=5, precision="bf16-mixed")
    assert model.label_counts.tolist() == [400, 400, 0]
    assert model.label_counts.dtype == torch.int64


def test_labels_may_be_asked_for(conditional_toy):
    model = mix(conditional_toy(), 2)
    assert model.sample(5, seed=0, labels=[2, 1, 0, 0, 2])[0][:, 0].tolist() == [2, 1, 0, 0, 2]
    assert model.sample(5, seed=0, labels=1)[0][:, 0].tolist() == [1] * 5
    with pytest.raises(ConfigurationError, match=r"expected 5 whole numbers in 0 … 2 \(or one for all\), got 2"):
        model.sample(5, labels=[0, 1])


def test_labels_of_an_unconditional_mixture_are_refused(toy):
    with pytest.raises(ConfigurationError, match="unconditional"):
        mix(toy(), 2).sample(2, labels=[0, 1])


# ------------------------------------------------------------------------------------------------ checkpoints

USERS_MODULE = """
from torch import nn
from mixgan_lightning import GAN, MixGANModule

class MyGAN(GAN):
    def __init__(self):
        super().__init__(nn.Linear(3, 2), nn.Linear(2, 1), latent_dim=3)

class MyMix(MixGANModule):
    def make_gan(self):
        return MyGAN()
"""


@pytest.fixture
def users(tmp_path, monkeypatch):
    """A module of the user's own, as a script beside the data would be."""
    name = "users_gans_of_test_mixture_module"
    (tmp_path / f"{name}.py").write_text(USERS_MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield __import__(name)
    sys.modules.pop(name, None)


@pytest.fixture
def trained(fit, tmp_path):
    """``trained(model, batches=4)``: the path of a Trainer's checkpoint after that many batches."""

    def train(model, batches=4, **options):
        trainer = fit(model, torch.randn(16 * batches, 2), **options)
        trainer.save_checkpoint(tmp_path / "last.ckpt")
        return tmp_path / "last.ckpt"

    return train


def same(a, b):
    ours, theirs = a.state_dict(), b.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.parametrize("form", ["class", "import path", "config", "DictConfig"])
def test_a_checkpoint_knows_how_to_build_its_gan(users, trained, form):
    factory = {
        "class": users.MyGAN,
        "import path": f"{users.__name__}.MyGAN",
        "config": CONFIG,
        "DictConfig": OmegaConf.create(CONFIG),
    }[form]
    model = mix(factory, 3, num_discriminators=2, entropy_weight=0.2, log_probability_lr=0.1, n_critic=2, fakes="full")
    path = trained(model)
    torch.load(path, weights_only=True)  # plain values only
    loaded = MixGANModule.load_from_checkpoint(path)
    assert same(model, loaded)
    assert (loaded.entropy_weight, loaded.log_probability_lr, loaded.schedule) == (0.2, 0.1, Constant(2))
    assert loaded.pairs.fakes.name == "full"
    assert loaded.played == model.played == Played(4, 2, 0, 64)
    assert torch.equal(loaded.sample(7, seed=0)[0], model.sample(7, seed=0)[0])


def test_a_lambda_is_asked_for_and_then_taken(toy, trained):
    model = mix(toy(), 2)
    path = trained(model)
    with pytest.raises(CheckpointError, match=r"last\.ckpt does not say how to build its GAN .*lambda.*pass make_gan="):
        MixGANModule.load_from_checkpoint(path)
    assert same(model, MixGANModule.load_from_checkpoint(path, make_gan=toy()))
    assert same(model, MixGANModule.load_from_checkpoint(str(path), "cpu", make_gan=toy()))


def test_a_subclass_loads_itself(users, trained):
    model = users.MyMix(size=2)
    path = trained(model)
    loaded = users.MyMix.load_from_checkpoint(path)
    assert type(loaded) is users.MyMix
    assert same(model, loaded)
    with pytest.raises(CheckpointError, match=r"subclass.*call load_from_checkpoint on your own class"):
        MixGANModule.load_from_checkpoint(path)


def test_a_subclass_with_a_constructor_of_its_own_loads_itself(trained):
    class Fixed(MixGANModule):
        def __init__(self, entropy_weight=0.5):
            super().__init__(CONFIG, 2, entropy_weight=entropy_weight)

    model = Fixed(0.7)
    loaded = Fixed.load_from_checkpoint(trained(model))
    assert same(model, loaded)
    assert loaded.entropy_weight == 0.7


@pytest.mark.parametrize("averaged", [False, True])
def test_weights_are_loaded_by_name_and_averaged_ones_by_default(trained, averaged):
    """Lightning's averaging callbacks put the averaged weights in the place of the raw ones, and these beside them."""
    model = mix(CONFIG, 2)
    path = trained(model)
    contents = torch.load(path, weights_only=True)
    if averaged:
        contents["current_model_state"] = contents["state_dict"]
        contents["state_dict"] = {key: value + 1 for key, value in contents["state_dict"].items()}
        torch.save(contents, path)
    assert same(model, MixGANModule.load_from_checkpoint(path, weights="raw"))
    assert same(model, MixGANModule.load_from_checkpoint(path)) is not averaged
    if averaged:
        loaded = MixGANModule.load_from_checkpoint(path, weights="ema")
        assert torch.equal(loaded.component(1).weight, model.component(1).weight + 1)
        assert same(loaded, MixGANModule.load_from_checkpoint(path, "cpu", weights=None))
    else:
        with pytest.raises(CheckpointError, match="weights=ema: the checkpoint holds raw weights alone"):
            MixGANModule.load_from_checkpoint(path, weights="ema")
    with pytest.raises(ConfigurationError, match="weights: expected ema, raw or null, got 'best'"):
        MixGANModule.load_from_checkpoint(path, weights="best")


def test_options_override_the_saved_ones(trained):
    path = trained(mix(CONFIG, 2, entropy_weight=0.2))
    loaded = MixGANModule.load_from_checkpoint(path, entropy_weight=0.3, n_critic=4)
    assert (loaded.entropy_weight, loaded.schedule) == (0.3, Constant(4))
    with pytest.raises(TypeError, match="entropy_wieght"):
        MixGANModule.load_from_checkpoint(path, entropy_wieght=0.3)


def test_schedules_come_back(trained):
    path = trained(mix(CONFIG, 2, n_critic=WassersteinStart(n_critic=2, warm_critic=3)))
    assert MixGANModule.load_from_checkpoint(path).schedule == WassersteinStart(2, 3)


def test_label_counts_come_back(fit, conditional_toy, tmp_path):
    model = mix(conditional_toy(), 2)
    fit(model, labelled()).save_checkpoint(tmp_path / "a.ckpt")
    loaded = MixGANModule.load_from_checkpoint(tmp_path / "a.ckpt", make_gan=conditional_toy())
    assert loaded.label_counts.tolist() == [80, 80, 0]


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({"size": 3}, r"generators\.log_probabilities: \(2,\) in the checkpoint, \(3,\) in the model"),
        ({"make_gan": WITHOUT_BIAS}, r"left over generators\.components\.0\.bias"),
        ({"num_discriminators": 1}, r"left over discriminators\.components\.1\.weight"),
    ],
)
def test_another_architecture_is_told(trained, change, finding):
    path = trained(mix(CONFIG, 2))
    with pytest.raises(
        CheckpointError, match=rf"holds another architecture than the model: .*{finding}.*mixture\.size="
    ):
        MixGANModule.load_from_checkpoint(path, **change)


def test_a_truncated_checkpoint_and_none_at_all_are_told(trained, tmp_path):
    path = trained(mix(CONFIG, 2))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"last\.ckpt cannot be read as a checkpoint"):
        MixGANModule.load_from_checkpoint(path)
    with pytest.raises(CheckpointError, match=r"no checkpoint at .*none\.ckpt"):
        MixGANModule.load_from_checkpoint(tmp_path / "none.ckpt")


@pytest.mark.parametrize("option", ["make_gan", "n_critic"])
def test_a_checkpoint_that_asks_to_call_something_else_is_refused_uncalled(trained, tmp_path, option):
    path, mark = trained(mix(CONFIG, 2)), tmp_path / "was_here"
    contents = torch.load(path, weights_only=True)
    contents["hyper_parameters"][option] = {"_target_": "pathlib.Path.touch", "_args_": [str(mark)]}
    torch.save(contents, path)
    with pytest.raises(CheckpointError, match=r"asks to call pathlib\.Path\.touch"):
        MixGANModule.load_from_checkpoint(path)
    assert not mark.exists()
    loaded = MixGANModule.load_from_checkpoint(path, **{option: {"make_gan": CONFIG, "n_critic": 1}[option]})
    assert isinstance(loaded.gan, GAN)  # the way out that the message names


def test_a_checkpoint_of_something_else_is_told(fit, tmp_path):
    class Other(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.save_hyperparameters({"size": 2})
            self.layer = nn.Linear(2, 1)

        def training_step(self, batch, batch_idx):
            return self.layer(batch).mean()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    fit(Other(), torch.randn(4, 2)).save_checkpoint(tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match=r"is not a checkpoint of mixgan_lightning.*'mixgan_lightning'"):
        MixGANModule.load_from_checkpoint(tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match="this is not a checkpoint of mixgan_lightning"):
        fit(mix(CONFIG, 2), torch.randn(16, 2), ckpt_path=tmp_path / "other.ckpt")


# ------------------------------------------------------------------------------------------------ going on


def test_resuming_goes_on_counting_and_with_the_optimisers_state(fit, trained):
    """5 batches an epoch and a generator step every 3: forgetting the count would lose one of 3 generator steps."""
    path = trained(mix(CONFIG, 2, n_critic=3), batches=5)
    model = mix(CONFIG, 2, n_critic=3)
    trainer = fit(model, torch.randn(80, 2), max_epochs=2, ckpt_path=path)
    assert model.played == Played(10, 3, 1, 160)
    assert {int(state["step"]) for state in trainer.optimizers[0].state.values()} == {3}
    assert {int(state["step"]) for state in trainer.optimizers[1].state.values()} == {10}


def test_resuming_is_going_on_bit_for_bit(fit, trained):
    """With the same data and a seed for each batch: parameters, averages of the optimisers, learning rates."""
    data = torch.randn(64, 2)

    class Halving(GAN):
        def configure_optimizers(self):
            optimizers = [torch.optim.Adam(n.parameters(), lr=0.1) for n in (self.generator, self.discriminator)]
            return optimizers, [torch.optim.lr_scheduler.StepLR(o, 1, 0.5) for o in optimizers]

    def make():
        return Halving(
            nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)), nn.Linear(2, 1), latent_dim=3
        )

    torch.manual_seed(0)
    whole = mix(make, 2, log_probability_lr=0.3)
    torch.manual_seed(0)
    half = mix(make, 2, log_probability_lr=0.3)
    straight = fit(whole, data, max_epochs=4, seed=7)
    first = fit(half, data, max_epochs=2, seed=7)
    path = first.default_root_dir + "/half.ckpt"
    first.save_checkpoint(path)
    model = mix(make, 2, log_probability_lr=0.3)
    second = fit(model, data, max_epochs=4, seed=7, ckpt_path=path)
    assert same(model, whole)
    assert model.played == whole.played
    for a, b in zip(second.optimizers, straight.optimizers, strict=True):
        assert [group["lr"] for group in a.param_groups] == [group["lr"] for group in b.param_groups]
    assert straight.optimizers[0].param_groups[0]["lr"] < 0.1


def test_resuming_with_another_architecture_is_told(fit, trained):
    path = trained(mix(CONFIG, 2))
    with pytest.raises(CheckpointError, match="another architecture"):
        fit(mix(CONFIG, 3), torch.randn(64, 2), ckpt_path=path)


def test_what_a_checkpoint_holds_of_ours_is_the_version_and_the_counts(trained):
    contents = torch.load(trained(mix(CONFIG, 2)), weights_only=True)
    taken = {"vectorised": True, "joined": True, "filled": True, "channels_last": False, "recompute": False}
    assert contents[KEY] == {
        "version": 1,
        "played": vars(Played(4, 4, 0, 64)),
        "evaluation": {"device": "cpu", **taken},
    }
    assert contents["hyper_parameters"]["make_gan"] == CONFIG


def test_one_gan_is_not_called_a_mixture(toy):
    assert [mix(toy(), size).title for size in (1, 3)] == ["one GAN", "MIX+ of 3"]
