import pytest
from hydra import initialize_config_module
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf

from mixgan_lightning.reproduce.runs import Run, not_run, quoted, seeds_said


@pytest.fixture(autouse=True)
def hydra():
    with initialize_config_module("mixgan_lightning.conf", version_base="1.3"):
        yield


@pytest.fixture
def trained(tmp_path):
    """``trained(*options)``: a run whose folder holds what a training with these leaves."""

    def make(*options):
        run = Run("ring/mix5", 1, tmp_path / "run", options)
        (run.folder / ".hydra").mkdir(parents=True, exist_ok=True)
        OmegaConf.save(OmegaConf.create(run.config()), run.folder / ".hydra" / "config.yaml")
        run.results_path.write_text("{}")
        return run

    return make


def test_a_run_is_a_training_with_its_experiment_seed_and_options(tmp_path):
    config = Run("ring/mix5", 3, tmp_path, ("trainer.max_epochs=2", "threads=2")).config()
    assert (config["seed"], config["threads"], config["trainer"]["max_epochs"]) == (3, 2, 2)
    assert config["data"]["_target_"] == "mixgan_lightning.data.GaussiansRing"
    assert set(config["logger"]) == {"csv"}


def test_it_is_finished_when_its_results_are_there(trained):
    run = trained("trainer.max_epochs=2")
    assert run.is_finished()
    run.results_path.unlink()
    assert not run.is_finished()


def test_it_is_not_finished_before_it_began(tmp_path):
    assert not Run("ring/mix5", 1, tmp_path).is_finished()


@pytest.mark.parametrize("options", [(), ("trainer.max_epochs=3",), ("trainer.max_epochs=2", "mixture.size=2")])
def test_one_of_other_options_is_not_finished(options, trained):
    run = trained("trainer.max_epochs=2")
    assert not Run(run.experiment, run.seed, run.folder, options).is_finished()


def test_other_words_for_the_same_config_are_finished(trained):
    run = trained("trainer.max_epochs=2")
    assert Run(run.experiment, run.seed, run.folder, ("trainer.max_epochs=9", "trainer.max_epochs=2")).is_finished()


def test_an_experiment_that_was_changed_since_is_not_finished(trained):
    run = trained()
    path = run.folder / ".hydra" / "config.yaml"
    config = OmegaConf.load(path)
    config.gan.latent_dim += 1
    OmegaConf.save(config, path)
    assert not run.is_finished()


@pytest.mark.parametrize(("experiment", "options"), [("ring/mix6", ()), ("ring/mix5", ("trainer.max_epoch=1",))])
def test_what_does_not_exist_is_hydras_error(experiment, options, tmp_path):
    with pytest.raises(HydraException):
        Run(experiment, 1, tmp_path, options).config()


def test_failures_are_told_once_with_their_seeds(ran, finished, failed):
    found = ran("GAN", finished("a", 1), failed("a", 2, "no data"), failed("a", 3, "no data"), failed("a", 4, "NaN"))
    assert [outcome.run.seed for outcome in found.finished] == [1]
    assert not_run([found]) == ["GAN: not run: no data (seeds 2, 3)", "GAN: not run: NaN (seed 4)"]


def test_entries_that_failed_alike_are_told_together(ran, failed):
    found = [ran("GAN", failed("a", 1)), ran("MIX+", failed("b", 1)), ran("WGAN", failed("c", 2))]
    assert not_run(found) == ["GAN; MIX+: not run: no data (seed 1)", "WGAN: not run: no data (seed 2)"]


@pytest.mark.parametrize(
    "text", ["a b, c=d", 'say "so"', r"back\slash", "ends\\", r"\"", r'a\\"', "it's", "épouse", "{a: [1]}", ""]
)
def test_quoted_text_is_read_by_hydra_as_it_is(text):
    (override,) = OverridesParser.create().parse_overrides([f"a={quoted(text)}"])
    assert override.value() == text


def test_seeds_in_words():
    assert (seeds_said([7]), seeds_said([1, 2, 3])) == ("seed 7", "seeds 1, 2, 3")
