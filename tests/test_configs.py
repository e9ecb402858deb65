"""Every file of conf/ composes, and what it describes can be built and trained for two steps."""

import re
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from hydra import compose, initialize_config_module
from hydra.utils import instantiate
from omegaconf import OmegaConf
from pytorch_lightning.strategies import DDPStrategy

from mixgan_lightning import GAN, MixGANModule, checks, objectives, penalties
from mixgan_lightning.callbacks import EMA, DualityGap, NeuralNetDivergenceCallback, QualityCallback
from mixgan_lightning.cli import train
from mixgan_lightning.cli.model import model_of
from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.evaluation import InceptionScoreMeasure, NearestTrainingImageMeasure
from mixgan_lightning.features import DigitsClassifier, inception
from mixgan_lightning.gan_factory import plain, resolve
from mixgan_lightning.networks import DCGANDiscriminator, MinibatchDiscrimination
from mixgan_lightning.payoff import SplitFakes
from mixgan_lightning.weighting import Learned, Nash

CONF = Path(__file__).parents[1] / "conf"
TINY = ["logger=csv", "trainer.max_epochs=1", "+trainer.limit_train_batches=2", "trainer.accelerator=cpu"]


QUALITY, DIVERGENCE, EQUILIBRIUM = WATCHING = ("callbacks/quality", "callbacks/divergence", "callbacks/equilibrium")
OPTIMIZER = "gan/optimizer"
WITHIN = (*WATCHING, OPTIMIZER)  # in a group


def alternatives(group):
    """Every file of a group, those in nested folders as ``folder/name``, unless these are a group of their own."""
    found = sorted(path.relative_to(CONF / group).with_suffix("").as_posix() for path in (CONF / group).rglob("*.yaml"))
    assert found, group
    others = tuple(f"{within}/" for within in WITHIN if within != group)
    return [name for name in found if not f"{group}/{name}".startswith(others)]


NONE_OF_TRAINING = ("hydra", "reproduction", "__pycache__")  # a reproduction is mixgan-reproduce's
GROUPS = sorted(folder.name for folder in CONF.iterdir() if folder.is_dir() and folder.name not in NONE_OF_TRAINING)
GROUPS.extend(WATCHING)

OWN = ("custom", "none")  # the user's own GAN and data: what is in them only the user knows
MANDATORY = {"gan=custom": {"gan._target_"}, "data=custom": {"data._target_"}, "data=folder": {"data.path"}}
BRIEFLY = ["callbacks.divergence.measure.steps=2"]
ON_FILES = ("mnist", "cifar10", "celeba", "folder")  # data that a tiny dataset stands for


def ours(group):
    """The alternatives that this package fills."""
    return [name for name in alternatives(group) if name not in OWN]


@pytest.fixture
def composed(tmp_path):
    """``composed(*overrides)``: mixgan-train's config, its run in the test's own folder."""

    def compose_train(*overrides):
        with initialize_config_module("mixgan_lightning.conf", version_base="1.3"):
            return compose("train", overrides=[f"run_dir={tmp_path}/run", *overrides])

    return compose_train


@pytest.fixture
def files_of(request):
    """``files_of(name)``: the overrides by which a dataset is read from a few files, where it needs any."""
    return lambda name: request.getfixturevalue(f"tiny_{name}").overrides if name in ON_FILES else []


class NoInception(DigitsClassifier):
    """In the place of the network whose weights are a download of 90 MB."""

    def __init__(self, **options):
        super().__init__()
        self.given = options


@pytest.fixture
def no_download(monkeypatch):
    monkeypatch.setattr("mixgan_lightning.features.InceptionFeatures", NoInception)


@pytest.mark.parametrize("choice", [f"{group}={name}" for group in GROUPS for name in alternatives(group)])
def test_every_alternative_composes_and_resolves(choice, composed):
    config = composed(choice)
    OmegaConf.resolve(config)
    assert OmegaConf.missing_keys(config) == MANDATORY.get(choice, set())


def test_of_ones_own_gan_and_data_nothing_but_their_names_is_asked(composed):
    config = composed("gan=custom", "gan._target_=mine.MyGAN", "data=custom", "data._target_=mine.MyData")
    assert not OmegaConf.missing_keys(config)
    assert (plain(config.gan), plain(config.data)) == ({"_target_": "mine.MyGAN"}, {"_target_": "mine.MyData"})
    assert (config.objective, plain(config.callbacks.quality)) == (None, {})  # nobody knows how to measure them
    assert composed("gan=custom", "gan._target_=mine.MyGAN", "data=none").data is None


def test_ones_own_data_can_be_measured(composed):
    config = composed("data=custom", "data._target_=mine.MyData", "callbacks/quality=digits")
    assert isinstance(instantiate(config.callbacks.quality), QualityCallback)


def test_the_groups_are_those_of_the_design():
    assert {"callbacks", "data", "experiment", "gan", "logger", "mixture", "trainer"} <= set(GROUPS)
    conditional, wasserstein = {"cdcgan", "csngan", "sgan"}, {"wgan", "wgan_gp", "wgan_gp_mlp", "wgan_gp_resnet"}
    assert {"mlp", "dcgan", "sngan", "improved_gan", "custom", *conditional, *wasserstein} <= set(alternatives("gan"))
    assert {"single", "mix3", "mix5", "mix10", "mix20", "independent5"} <= set(alternatives("mixture"))
    assert {"digits", "stacked_digits", "gaussians_ring", "gaussians_grid", "custom", "none"} <= set(
        alternatives("data")
    )
    assert {"default", "wandb", "csv"} <= set(alternatives("logger"))
    assert {"default", "ema"} == set(alternatives("callbacks"))
    assert {"digits", "stacked_digits", "inception", "inception_many", "modes", "none"} <= set(alternatives(QUALITY))
    assert {"none", "distance", "log", "wasserstein"} == set(alternatives(DIVERGENCE))
    assert {"none", "duality_gap"} == set(alternatives(EQUILIBRIUM))
    assert {"default", "ddp", "ddp_sim"} <= set(alternatives("trainer"))


def test_by_default_a_gan_of_networks_shares_each_batch(composed):
    assert isinstance(model_of(composed()).pairs.fakes, SplitFakes)


def test_the_defaults_are_those_of_the_design(composed):
    config = composed()
    assert (config.mixture.size, config.mixture.entropy_weight, config.mixture.fakes) == (5, 0.01, None)
    assert config.gan.optimizer.fused
    assert (config.seed, config.ckpt_path, config.verbose) == (0, None, False)
    assert config.objective == "quality/inception_score/mean"


@pytest.mark.parametrize("name", ours("data"))
def test_every_dataset_gives_batches_of_the_shape_that_it_declares(name, composed, files_of):
    config = composed(f"data={name}", *files_of(name))
    data = instantiate(config.data)
    data.setup()
    batch = next(iter(data.train_dataloader()))
    images = batch if isinstance(batch, torch.Tensor) else batch[0]
    assert images.shape == (config.data.batch_size, *config.sample_shape)
    assert config.num_classes == data.num_classes
    if config.bounded:
        assert images.abs().max() <= 1


@pytest.mark.parametrize(
    ("name", "size"), [("single", 1), ("mix3", 3), ("mix5", 5), ("mix10", 10), ("mix20", 20), ("independent5", 5)]
)
def test_every_mixture_is_of_its_size(name, size, composed):
    config = composed(f"mixture={name}")
    model = model_of(config)
    assert len(model.generators) == len(model.discriminators) == size
    assert model.entropy_weight == 0.01


def settings_of(name):
    """A GAN on the data that it is for, and on images of two sizes; convolutions few channels wide."""
    sides = (16, 20) if name == "sgan" else (8, 16)
    on_images = [["data=digits", f"data.image_size={side}"] for side in sides]
    if "mlp" in name:
        return [*on_images, ["data=gaussians_ring"], ["data=gaussians_grid"]]
    return [[*options, "gan.generator.width=4", "gan.discriminator.width=4"] for options in on_images]


@pytest.mark.parametrize(
    ("name", "setting"), [(name, setting) for name in ours("gan") for setting in settings_of(name)]
)
def test_every_gan_trains_on_the_data_that_it_is_for(name, setting, composed, make_trainer, tmp_path, monkeypatch):
    monkeypatch.setenv("MIXGAN_CACHE", str(tmp_path))
    monkeypatch.setattr("mixgan_lightning.gans.encoding.STEPS", 2)  # of SGAN's encoder
    config = composed(f"gan={name}", "mixture.size=2", "mixture.n_critic=1", *setting)
    assert isinstance(resolve(config.gan)(), GAN)
    model = model_of(config)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    trainer = make_trainer(max_steps=4)
    trainer.fit(model, datamodule=instantiate(config.data))
    images, _ = model.sample(3, seed=0)
    assert images.shape == (3, *config.sample_shape)
    if config.bounded:
        assert images.abs().max() <= 1
    moved = [key for key, value in model.state_dict().items() if not torch.equal(value, before[key])]
    parameters = {key for key, _ in model.named_parameters()}
    assert any(key.startswith("generators.components.1.") and key in parameters for key in moved)
    assert any(key.startswith("discriminators.components.0.") and key in parameters for key in moved)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    again = MixGANModule.load_from_checkpoint(tmp_path / "a.ckpt")
    assert torch.equal(again.sample(3, seed=0)[0], images)


def test_the_base_gans_have_their_sources_values(composed):
    """Learning rates, betas and critic steps; the papers are named in the files."""
    found = {}
    for name in ours("gan"):
        gan = composed(f"gan={name}", "data.image_size=16").gan
        found[name] = (gan.optimizer.lr, gan.optimizer.get("betas"), plain(gan.get("n_critic")), gan.get("latent_dim"))
    critic_start = {"_target_": "mixgan_lightning.schedule.WassersteinStart", "n_critic": 5, "warm_critic": 100}
    assert found["dcgan"] == found["cdcgan"] == (2e-4, [0.5, 0.999], None, 100)
    assert found["wgan"] == (5e-5, None, critic_start, 100)
    assert found["wgan_gp"][:3] == (1e-4, [0.0, 0.9], 5)
    assert found["wgan_gp_mlp"][1:3] == ([0.0, 0.9], 5)
    assert found["wgan_gp_resnet"] == found["sngan"] == found["csngan"] == (2e-4, [0.0, 0.9], 5, 128)
    assert found["improved_gan"][1:3] == ([0.5, 0.999], None)


def test_the_rates_of_wgan_gps_residual_networks_fall_to_zero_in_a_line(composed):
    """Gulrajani et al. 2017, Appendix F."""
    narrow = ("gan.generator.width=2", "gan.discriminator.width=2")
    gan = resolve(composed("gan=wgan_gp_resnet", "trainer.max_epochs=4", *narrow).gan)()
    (_, optimizer), schedulers = gan.configure_optimizers()
    rates = []
    for _ in range(5):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedulers[1].step()
    assert rates == pytest.approx([2e-4, 1.5e-4, 1e-4, 0.5e-4, 0])


@pytest.mark.parametrize("gan", [name for name in ours("gan") if "mlp" not in name])
@pytest.mark.parametrize("name", alternatives(OPTIMIZER))
def test_every_optimiser_serves_both_players(name, gan, composed):
    narrow = (f"gan.{network}.width=2" for network in ("generator", "discriminator"))
    found = resolve(composed(f"gan={gan}", "data.image_size=16", f"gan/optimizer={name}", *narrow).gan)()
    configured = found.configure_optimizers()
    optimizers = configured[0] if found.make_scheduler else configured
    assert [type(optimizer).__name__.lower() for optimizer in optimizers] == [name.split("_")[0]] * 2


@pytest.mark.parametrize("gan", ["dcgan", "cdcgan", "wgan", "wgan_gp", "improved_gan"])
def test_minibatch_discrimination_is_an_option_of_all_on_dcgans_networks(gan, composed):
    options = ("gan.generator.width=2", "gan.discriminator.width=2", "gan.discriminator.minibatch_kernels=3")
    found = resolve(composed(f"gan={gan}", "data.image_size=16", *options).gan)()
    assert isinstance(found.discriminator.minibatch, MinibatchDiscrimination)


@pytest.mark.parametrize("data", alternatives("data"))
def test_trainer_callbacks_and_csv_logger_are_built_for_every_dataset(data, composed, tmp_path, no_download):
    config = composed(f"data={data}", "logger=csv")
    callbacks = [instantiate(callback) for callback in config.callbacks.values() if callback]
    assert all(isinstance(callback, pl.Callback) for callback in callbacks)
    logger = instantiate(config.logger.csv)
    trainer = instantiate(config.trainer, callbacks=callbacks, logger=logger)
    assert isinstance(trainer, pl.Trainer)
    assert trainer.default_root_dir == f"{tmp_path}/run"
    assert logger.log_dir.rstrip("/") == f"{tmp_path}/run"


def test_averaged_weights_are_a_callback_beside_the_default_ones(composed):
    without, averaging = composed().callbacks, composed("callbacks=ema").callbacks
    assert set(averaging) == {*without, "ema"}
    callback = instantiate(averaging.ema)
    assert isinstance(callback, EMA)
    assert callback.every_n_batches == 1
    assert callback._kwargs["avg_fn"](torch.tensor(1.0), torch.tensor(0.0), 5) == pytest.approx(0.999)


@pytest.mark.parametrize(("data", "name"), [("digits", "digits"), ("gaussians_ring", "modes")])
def test_every_measurement_is_built(data, name, composed):
    config = composed(f"data={data}", f"callbacks/quality={name}")
    callback = instantiate(config.callbacks.quality)
    assert isinstance(callback, QualityCallback)
    assert callback.occasion.every_n_epochs == config.evaluate_every_n_epochs
    assert (callback.components, callback.weights, callback.seed) == (True, None, 0)


@pytest.mark.parametrize(
    ("name", "f", "objective", "penalty"),
    [
        ("distance", "x", objectives.NeuralNetDistance, type(None)),
        ("log", "log x", objectives.Minimax, penalties.R1),
        ("wasserstein", "x", objectives.Wasserstein, penalties.WeightClipping),
    ],
)
def test_the_divergence_is_measured_beside_the_default_callbacks_by_one_word(name, f, objective, penalty, composed):
    config = composed(f"callbacks/divergence={name}", "data=gaussians_ring")
    callback = instantiate(config.callbacks.divergence)
    (measure,) = callback.scoring.measures
    assert isinstance(callback, NeuralNetDivergenceCallback)
    assert isinstance(measure.objective, objective)
    assert (measure.objective.measuring_function, type(measure.penalty)) == (f, penalty)
    assert (measure.reference, measure.steps, measure.batch_size) == ("held_out", 1_000, 64)
    assert callback.scoring.num_samples == config.callbacks.quality.num_samples == 2_500
    assert callback.occasion.every_n_epochs == config.evaluate_every_n_epochs
    assert set(config.callbacks) == set(composed().callbacks)


def test_the_divergence_is_not_measured_unless_asked_for_and_by_its_own_number_of_samples(composed):
    assert not composed().callbacks.divergence
    alone = composed("callbacks/divergence=distance", "~callbacks.quality").callbacks
    assert alone.divergence.num_samples is None
    wider = "callbacks.divergence.measure.discriminator._target_=mixgan_lightning.networks.DCGANDiscriminator"
    measure = instantiate(composed("callbacks/divergence=wasserstein", wider).callbacks.divergence.measure)
    assert isinstance(measure.discriminator((1, 8, 8)), DCGANDiscriminator)


def test_the_duality_gap_is_measured_beside_the_default_callbacks_by_one_word(composed):
    assert not composed().callbacks.equilibrium
    config = composed("callbacks/equilibrium=duality_gap", "data=gaussians_ring")
    callback, defaults = instantiate(config.callbacks.equilibrium), DualityGap()
    assert isinstance(callback, DualityGap)
    assert callback.occasion.every_n_epochs == config.evaluate_every_n_epochs
    for option in ("steps", "batch_size", "num_samples", "split", "seed"):
        assert getattr(callback, option) == getattr(defaults, option)
    assert set(config.callbacks) == set(composed().callbacks)


def test_the_weights_are_learnt_unless_another_way_is_asked_for_by_a_word_or_with_its_numbers(composed):
    assert model_of(composed()).weighting == Learned()
    assert model_of(composed("mixture.weighting=nash")).weighting == Nash()
    own = "mixture.weighting={_target_:mixgan_lightning.weighting.Nash,every:20}"
    assert model_of(composed(own)).weighting == Nash(every=20)


def test_the_published_protocol_is_built(composed, no_download):
    config = composed("callbacks/quality=inception", "callbacks.quality.features.weights_path=FILE")
    callback = instantiate(config.callbacks.quality)
    score, frechet, *others = callback.scoring.measures
    assert callback.scoring.num_samples == 50_000
    assert score.metric.splits == 10
    assert frechet.reference == "train"
    assert all(measure.needs is None for measure in others)
    assert callback.scoring.features.given == {"weights_path": "FILE", "sha256": inception.OFFICIAL_SHA256}


def test_samples_are_not_compared_with_each_of_very_many_training_images(composed):
    many, few = (composed(f"callbacks/quality={name}").callbacks.quality for name in ("inception_many", "inception"))
    assert many.also.nearest is None
    assert few.also.nearest is not None
    many.also.nearest = few.also.nearest
    assert many == few
    assert composed("data=celeba").callbacks.quality.also.nearest is None


def test_a_measure_is_left_out_by_null(composed):
    config = composed("callbacks.quality.also.frechet=null")
    kinds = [type(measure) for measure in instantiate(config.callbacks.quality).scoring.measures]
    assert kinds == [InceptionScoreMeasure, NearestTrainingImageMeasure]


def test_a_schedule_by_steps_takes_the_place_of_epochs(composed):
    by_steps = ("callbacks.quality.every_n_epochs=null", "callbacks.quality.every_n_steps=100")
    occasion = instantiate(composed(*by_steps).callbacks.quality).occasion
    assert (occasion.every_n_epochs, occasion.every_n_steps) == (None, 100)


def test_simulated_processes_are_two_on_the_cpu(composed):
    trainer = instantiate(composed("trainer=ddp_sim").trainer)
    assert isinstance(trainer, pl.Trainer)
    assert trainer.world_size == 2
    assert isinstance(trainer.strategy, DDPStrategy)
    assert trainer.strategy.process_group_backend == "gloo"
    assert trainer.strategy.root_device.type == "cpu"
    checks.check_trainer(trainer)  # nothing to refuse


def test_ddp_is_every_gpu_and_finds_unused_parameters(composed):
    config = composed("trainer=ddp")
    assert (config.trainer.devices, config.trainer.accelerator) == (-1, "auto")
    on_cpu = composed("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
    trainer = instantiate(on_cpu.trainer)
    assert trainer.world_size == 2
    checks.check_trainer(trainer)  # nothing to refuse


def test_synchronised_batchnorm_is_off_and_refused_on_the_cpu(composed):
    on_cpu = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
    assert composed(*on_cpu).trainer.sync_batchnorm is False
    trainer = instantiate(composed(*on_cpu, "trainer.sync_batchnorm=true").trainer)
    with pytest.raises(ConfigurationError, match="SyncBatchNorm works on GPUs only; set sync_batchnorm=false"):
        checks.check_trainer(trainer)


@pytest.mark.parametrize("data", ours("data"))
def test_an_evaluation_has_the_measurement_of_its_data(data, no_download):
    with initialize_config_module("mixgan_lightning.conf", version_base="1.3"):
        config = compose("evaluate", overrides=[f"data={data}"])
        train_config = compose("train", overrides=[f"data={data}", "run_dir=run"])
    assert config.callbacks.quality == train_config.callbacks.quality
    assert config.data == train_config.data
    assert isinstance(instantiate(config.callbacks.quality), QualityCallback)


@pytest.mark.parametrize("name", alternatives("logger"))
def test_every_logger_is_built(name, composed, monkeypatch):
    import wandb

    monkeypatch.setenv("WANDB_MODE", "disabled")
    config = composed(f"logger={name}")
    try:
        loggers = [instantiate(logger) for logger in config.logger.values()]
        kinds = {type(logger).__name__ for logger in loggers}
        assert kinds == ({"CSVLogger"} if name == "csv" else {"CSVLogger", "WandbLogger"})
    finally:
        wandb.finish()
    if name != "csv":
        assert config.logger.wandb.mode == ("online" if name == "wandb" else "offline")


FEWER = ["callbacks.quality.num_samples=500", "callbacks.quality.also.frechet=null"]  # than 26,000, several times over


BRIEFLY = ["callbacks.divergence.measure.steps=2"]
PAPERS_OWN = re.compile(r"paper/\w+")  # that the user must have: tests/test_paper.py makes small ones
EXPERIMENTS = [name for name in alternatives("experiment") if not PAPERS_OWN.fullmatch(name)]


# of these, digits' own stand for the others in a quick run: they differ in size and length alone
ALIKE = re.compile(
    r"(ring|grid|stacked_digits)/(mix(3|10)(_full)?|mix5_(uniform|nash)|plain_equal_\w+|independent5)|digits/mix20"
)
TWO_STEPS = [pytest.param(name, marks=[pytest.mark.slow] * bool(ALIKE.fullmatch(name))) for name in EXPERIMENTS]


@pytest.mark.parametrize("name", TWO_STEPS)
def test_every_experiment_runs_two_steps(name, composed, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("mixgan_lightning.gans.encoding.STEPS", 2)  # of SGAN's encoder
    options = [*TINY, *FEWER * name.startswith("stacked_digits/"), *BRIEFLY * ("figure5" in name)]
    objective = train.train(composed(f"experiment={name}", *options))
    assert isinstance(objective, float)
    assert (tmp_path / "run" / "results.json").exists()
    assert (tmp_path / "run" / "samples" / "epoch_0001.png").exists()
    MixGANModule.load_from_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")


TASKS = sorted(path.parent.name for path in (CONF / "experiment").glob("*/mix5_uniform.yaml"))
OF_MORE_STEPS = ("plain_equal_time", "strong", "mix5_strong")


def test_the_tasks_of_the_results_are_compared_by_the_same_experiments():
    assert {"digits", "ring", "grid"} <= set(TASKS)
    common = {"plain", "plain_equal_time", "plain_equal_parameters", "strong", "independent5", "mix5_uniform"}
    for task in TASKS:
        names = {path.stem for path in (CONF / "experiment" / task).glob("*.yaml")}
        assert common | {f"mix{size}{fakes}" for size in (3, 5, 10) for fakes in ("", "_full")} <= names


@pytest.mark.parametrize(
    "name", [name for name in alternatives("experiment") if name.partition("/")[0] in TASKS and name.count("/") == 1]
)
def test_an_experiment_is_what_its_name_says(name, composed):
    task, _, kind = name.partition("/")
    config, plain_one = composed(f"experiment={name}"), composed(f"experiment={task}/plain")
    sizes = re.findall(r"(?:mix|independent)(\d+)", kind) or ["1"]
    assert [config.mixture.size] == [int(size) for size in sizes]
    assert (config.mixture.fakes == "full") == kind.endswith("_full")
    assert (config.mixture.log_probability_lr == 0) == (kind in ("mix5_uniform", "independent5"))
    assert config.mixture.weighting == ("nash" if kind == "mix5_nash" else "learned")
    assert (config.mixture._target_ == "mixgan_lightning.independent.IndependentGANs") == (kind == "independent5")
    assert config.data == plain_one.data
    if kind in OF_MORE_STEPS:
        assert config.trainer.max_epochs > plain_one.trainer.max_epochs
    else:
        assert config.trainer == plain_one.trainer  # as many steps
    if kind not in ("strong", "mix5_strong", "plain_equal_parameters"):
        assert (config.gan, config.callbacks) == (plain_one.gan, plain_one.callbacks)


@pytest.mark.parametrize("task", TASKS)
def test_equal_parameters_are_equal(task, composed):
    alone, mixed = (model_of(composed(f"experiment={task}/{name}")) for name in ("plain_equal_parameters", "mix5"))
    for player in ("generators", "discriminators"):
        found, asked = (
            sum(p.numel() for p in getattr(model, player).components.parameters()) for model in (alone, mixed)
        )
        assert found == pytest.approx(asked, rel=0.03)


@pytest.mark.parametrize("name", alternatives("experiment"))
def test_what_an_experiment_sets_stands_where_the_config_has_it(name):
    """Hydra would put it under ``experiment`` otherwise, where nothing reads it."""
    text = (CONF / "experiment" / f"{name}.yaml").read_text()
    assert text.startswith("# @package _global_\n")


@pytest.mark.parametrize("path", sorted(CONF.rglob("*.yaml")), ids=lambda path: path.relative_to(CONF).as_posix())
def test_every_target_exists(path):
    """Those that no test above builds, too."""
    from hydra.utils import get_object

    for target in re.findall(r"_target_: *([\w.]+)", path.read_text()):
        assert callable(get_object(target)), target


@pytest.mark.parametrize("gan", ["cdcgan", "csngan", "sgan"])
@pytest.mark.parametrize("data", ["stacked_digits", "celeba"])
def test_a_conditional_gan_on_data_without_labels_is_refused(gan, data, composed):
    with pytest.raises(ConfigurationError, match="this GAN is conditional, and the data have no labels"):
        model_of(composed(f"gan={gan}", f"data={data}"))
