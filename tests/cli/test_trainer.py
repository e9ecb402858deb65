import pytest
from hydra import compose, initialize_config_module
from pytorch_lightning import Callback
from pytorch_lightning.loggers import CSVLogger

from mixgan_lightning.callbacks import SampleGrid
from mixgan_lightning.cli.trainer import trainer_of
from mixgan_lightning.errors import ConfigurationError


@pytest.fixture
def trainer(tmp_path):
    """``trainer(*overrides, first=())``: what the train config with these describes."""

    def build(*overrides, first=()):
        quiet = ["logger=csv", f"run_dir={tmp_path}", "trainer.accelerator=cpu", "callbacks/quality=none"]
        with initialize_config_module("mixgan_lightning.conf", version_base="1.3"):
            return trainer_of(compose("train", overrides=[*quiet, *overrides]), first)

    return build


def test_the_trainer_has_the_callbacks_and_loggers_of_the_config_after_those_given(trainer):
    first = Callback()
    built = trainer("trainer.max_epochs=7", first=[first])
    assert built.max_epochs == 7
    assert built.callbacks[0] is first
    assert any(isinstance(callback, SampleGrid) for callback in built.callbacks)
    assert [type(logger) for logger in built.loggers] == [CSVLogger]


@pytest.mark.parametrize("overrides", [["~logger"], ["logger.csv=null"]])
def test_without_loggers_nothing_is_logged(overrides, trainer):
    assert trainer(*overrides).loggers == []


@pytest.mark.parametrize("precision", ["16", "16-mixed"])
def test_fp16_is_refused_before_lightning_takes_another_precision_for_it(precision, trainer, recwarn):
    with pytest.raises(ConfigurationError, match=f"trainer.precision={precision}: expected 32-true or bf16-mixed"):
        trainer(f"trainer.precision={precision}")
    assert not [warning for warning in recwarn if "precision" in str(warning.message)]


@pytest.mark.parametrize("option", ["devices", "num_nodes"])
def test_processes_by_the_million_are_a_slip(option, trainer):
    with pytest.raises(ConfigurationError, match=f"trainer.{option}: expected at most 1,024, got 1,000,000,000"):
        trainer(f"trainer.{option}=1000000000")


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("callbacks.speed={_target_: builtins.dict}", "callbacks.speed: expected a config of a .* Callback, got dict"),
        ("logger.csv={_target_: builtins.dict}", "logger.csv: expected a config of a pytorch_lightning Logger"),
        ("trainer._target_=builtins.dict", "trainer: expected a pytorch_lightning.Trainer, got dict"),
    ],
)
def test_what_is_no_callback_logger_or_trainer_is_refused(override, line, trainer):
    with pytest.raises(ConfigurationError, match=f"^{line}"):
        trainer(override)
