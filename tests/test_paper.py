"""The paper's experiments: what their sources say, line by line."""

import hashlib
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from mixgan_lightning import MixGANModule
from mixgan_lightning.cli import train
from mixgan_lightning.cli.model import model_of
from mixgan_lightning.errors import DataError
from mixgan_lightning.gans import SGAN
from mixgan_lightning.payoff import FullFakes, SplitFakes
from mixgan_lightning.penalties import WeightClipping
from mixgan_lightning.schedule import Balance, WassersteinStart

PAPER = Path(__file__).parents[1] / "conf" / "experiment" / "paper"


@pytest.fixture
def composed(tmp_path):
    def compose_experiment(name, *overrides):
        with initialize_config_module("mixgan_lightning.conf", version_base="1.3"):
            return compose("train", overrides=[f"experiment=paper/{name}", f"run_dir={tmp_path}", *overrides])

    return compose_experiment


@pytest.mark.parametrize(
    "name",
    [
        *("table1_mix_dcgan", "table1_dcgan", "table1_mix_wgan", "table1_wgan", "mix10_sngan"),
        *("figure2_mnist", "figure3_celeba", "figure4_inception_curve", "figure5_wasserstein_curve"),
    ],
)
def test_every_experiment_of_the_paper_is_there(name):
    assert (PAPER / f"{name}.yaml").exists()


@pytest.mark.parametrize("name", [path.stem for path in sorted((PAPER / "digits").glob("*.yaml"))])
def test_on_digits_an_experiment_has_the_papers_networks_objective_and_size(name, composed):
    """Smaller, shorter, with larger steps: but the same system."""
    small, whole = composed(f"digits/{name}"), composed(name)
    of_gan = (f"gan.{part}" for part in ("generator", "discriminator", "objective", "penalty", "optimizer", "n_critic"))
    parts = ("gan", *of_gan, "callbacks.divergence.measure.discriminator")
    for key in ("mixture.size", *(f"{part}._target_" for part in parts)):
        assert OmegaConf.select(small, key) == OmegaConf.select(whole, key), key
    assert small.mixture.entropy_weight == whole.mixture.entropy_weight
    assert small.data._target_ == "mixgan_lightning.data.DigitsDataModule"


def test_mix_dcgan_of_table_1_is_the_reference(composed):
    """github.com/PrincetonML/MIX-plus-GANs, cifar10/train_mixgan.py."""
    config = composed("table1_mix_dcgan")
    assert config.data._target_ == "mixgan_lightning.data.CIFAR10DataModule"
    assert (config.data.batch_size, config.trainer.max_epochs) == (49, 200)
    model = model_of(config)
    assert isinstance(model.gan, SGAN)
    assert (len(model.generators), len(model.discriminators)) == (5, 5)
    assert isinstance(model.pairs.fakes, FullFakes)
    assert model.entropy_weight == 0.1
    assert model.schedule == Balance()
    of_g, of_d = (entry["optimizer"] for entry in model.configure_optimizers())
    for optimizer in (of_g, of_d):  # one Adam a player, over its networks and its log-probabilities
        networks, alpha = optimizer.param_groups
        assert (networks["lr"], networks["betas"]) == (1e-4, (0.5, 0.999))
        assert (alpha["lr"], len(alpha["params"])) == (1e-4, 1)
    gan = model.gan
    assert (gan.class_weight, gan.encoder_weight, gan.reconstruction_weight, gan.latent_dim) == (1, 1, 10, 50)
    quality = config.callbacks.quality
    assert quality.features._target_ == "mixgan_lightning.features.InceptionFeatures"
    assert (quality.num_samples, quality.splits) == (50_000, None)  # None: 10 from 5,000 on


def test_dcgan_of_table_1_is_the_reference(composed):
    """The same, cifar10/train_dcgan_baseline.py."""
    config = composed("table1_dcgan")
    assert (config.data.batch_size, config.trainer.max_epochs, config.mixture.size) == (100, 300, 1)
    assert config.gan == composed("table1_mix_dcgan").gan


@pytest.mark.parametrize(("name", "size"), [("table1_wgan", 1), ("table1_mix_wgan", 5)])
def test_wgan_of_table_1_is_arjovskys(name, size, composed):
    config = composed(name)
    model = model_of(config)
    assert (len(model.generators), config.data.batch_size, model.gan.latent_dim) == (size, 64, 100)
    assert model.schedule == WassersteinStart(5, 100, 25, 500)
    assert isinstance(model.gan.smoothness, WeightClipping)
    assert model.gan.smoothness.limit == 0.01
    for entry in model.configure_optimizers():
        networks, alpha = entry["optimizer"].param_groups
        assert (type(entry["optimizer"]).__name__, networks["lr"]) == ("RMSprop", 5e-5)
        assert alpha["lr"] == (1e-4 if size > 1 else 5e-5)


@pytest.mark.parametrize(("name", "labels", "shape"), [("mnist", 10, (1, 28, 28)), ("celeba", None, (3, 64, 64))])
def test_the_figures_mix_three_dcgans(name, labels, shape, composed):
    config = composed({"mnist": "figure2_mnist", "celeba": "figure3_celeba"}[name])
    model = model_of(config)
    assert (len(model.generators), model.gan.num_classes) == (3, labels)
    assert isinstance(model.pairs.fakes, FullFakes)
    assert tuple(config.sample_shape) == shape


def test_the_strongest_known_recipe_is_ten_by_ten_at_linear_cost(composed):
    config = composed("mix10_sngan", "gan.generator.width=8", "gan.discriminator.width=8")
    model = model_of(config)
    assert (len(model.generators), len(model.discriminators)) == (10, 10)
    assert isinstance(model.pairs.fakes, SplitFakes)
    assert model.gan.num_classes == 10


# ------------------------------------------------------------------------------------------------ on files


OVERRIDES = [  # narrow networks, few samples; the files are tiny
    *("logger=csv", "trainer.max_epochs=1", "+trainer.limit_train_batches=2", "trainer.accelerator=cpu"),
    *("gan.generator.width=4", "gan.discriminator.width=4", "evaluate_every_n_epochs=1"),
]
SCORED = ("figure4_inception_curve", "table1_wgan")  # with the Inception network, which takes its time
LARGE = ("figure4_inception_curve", "mix10_sngan", "table1_mix_dcgan")  # as a whole class of others here, and longest
WHOLE = [
    pytest.param(path.stem, marks=pytest.mark.slow if path.stem in LARGE else ())
    for path in sorted(PAPER.glob("*.yaml"))
]


@pytest.mark.parametrize("name", WHOLE)
def test_every_experiment_of_the_paper_runs_two_steps_on_files_in_the_real_formats(
    name, composed, request, tmp_path, monkeypatch, inception_weights
):
    """Tiny datasets, and random weights of the Inception network, all through the code that reads the real ones."""
    monkeypatch.setenv("MIXGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("mixgan_lightning.gans.encoding.STEPS", 2)
    data = composed(name).data._target_.rpartition(".")[2].removesuffix("DataModule").lower()
    files = request.getfixturevalue(f"tiny_{data}").overrides
    measured = composed(name).callbacks
    options = [*OVERRIDES, *files]
    if measured.quality and name in SCORED:
        features, checksum = "callbacks.quality.features", hashlib.sha256(inception_weights.read_bytes()).hexdigest()
        options += [f"{features}.weights_path={inception_weights}", f"{features}.sha256={checksum}"]
        options += ["callbacks.quality.num_samples=4", "callbacks.quality.also.frechet=null"]
    elif measured.quality:
        options += ["callbacks/quality=none", "objective=null"]
    assert bool(measured.quality) != name.startswith(("figure2", "figure3", "figure5"))  # no need of the network
    if measured.divergence:
        options += ["callbacks.divergence.measure.steps=2"]
    objective = train.train(composed(name, *options))
    assert isinstance(objective, float) == (name in SCORED or bool(measured.divergence))
    assert (tmp_path / "results.json").exists()
    assert (tmp_path / "samples" / "epoch_0001.png").exists()
    MixGANModule.load_from_checkpoint(tmp_path / "checkpoints" / "last.ckpt")


@pytest.mark.parametrize("name", ["table1_dcgan", "figure2_mnist", "figure3_celeba"])
def test_without_its_files_an_experiment_says_where_they_should_lie(name, composed, tmp_path):
    with pytest.raises(DataError, match=r"is missing: expected .*download=true"):
        train.train(composed(name, f"data.root={tmp_path}/empty", "callbacks/quality=none", "objective=null"))
