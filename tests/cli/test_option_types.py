import pytest
from hydra import compose, initialize_config_module
from omegaconf import open_dict

from mixgan_lightning.cli.option_types import check_options
from mixgan_lightning.errors import ConfigurationError

OWN = """
from torch import nn
from mixgan_lightning import GAN

def own(width: int = 3, **options):
    return GAN(nn.Linear(5, 2), nn.Linear(2, 1), latent_dim=5)

def strict(width: int = 3):
    return own(width)
"""


def composed(*overrides):
    with initialize_config_module("mixgan_lightning.conf", version_base="1.3"):
        return compose("train", overrides=["run_dir=run", *overrides])


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("trainer.max_epochs=ten", "trainer.max_epochs: expected a whole number or null, got 'ten'"),
        ("trainer.max_epochs=1.5", "trainer.max_epochs: expected a whole number or null, got 1.5"),
        ("trainer.log_every_n_steps=x", "trainer.log_every_n_steps: expected a whole number or null, got 'x'"),
        ("gan.optimizer.lr=abc", "gan.optimizer.lr: expected a number, got 'abc'"),
        ("gan.optimizer.betas=[1]", "gan.optimizer.betas: expected a list of 2: a number, a number, got [1]"),
        ("gan.generator.hidden=[64,a]", "gan.generator.hidden: expected a list, each a whole number, got [64, 'a']"),
        ("gan.optimizer._partial_=7", "gan.optimizer._partial_: expected true or false, got 7"),
        ("gan.generator._target_=7", "gan.generator._target_: expected text, got 7"),
        ("callbacks.quality.weights=mean", "callbacks.quality.weights: expected ema, raw or null, got 'mean'"),
        ("callbacks.payoff=7", "callbacks.payoff: expected a config with a _target_, or null, got 7"),
        ("ckpt_path=[a]", "ckpt_path: expected text or null, got ['a']"),
        ("verbose=loud", "verbose: expected true or false, got 'loud'"),
    ],
)
def test_an_option_of_another_type_is_named_with_what_was_expected_and_what_came(override, line):
    with pytest.raises(ConfigurationError) as told:
        check_options(composed(override))
    assert str(told.value).startswith(line)


@pytest.mark.parametrize("option", ["bounded", "data.image_size", "evaluate_every_n_epochs", "gan.latent_dim"])
def test_the_option_that_was_written_is_named_and_not_the_one_that_takes_its_value(option):
    with pytest.raises(ConfigurationError, match=f"^{option}: expected "):
        check_options(composed(f"{option}=abc"))


def test_an_option_that_a_class_does_not_take_is_answered_with_the_nearest():
    with pytest.raises(ConfigurationError, match=r"^gan\.generator\.hiden: .*MLPGenerator takes no .*'hidden'\?$"):
        check_options(composed("+gan.generator.hiden=[3]"))


@pytest.mark.parametrize("part", ["gan", "mixture", "trainer"])
def test_a_part_that_is_left_out_is_asked_for(part):
    config = composed()
    with open_dict(config):
        del config[part]
    with pytest.raises(ConfigurationError, match=f"^{part}: expected a config with a _target_, got None; {part}=NAME"):
        check_options(config)


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["~callbacks", "~logger"],
        ["callbacks.quality=null", "callbacks.finite=null"],
        ["data=none", "callbacks/quality=none", "sample_shape=[2]"],
        ["gan=wgan", "callbacks=ema", "callbacks/divergence=wasserstein"],
        ["data=celeba", "gan=sgan", "num_classes=3", "trainer=ddp_sim"],
        ["trainer.max_epochs=-1", "trainer.devices=[0,1]", "trainer.strategy=ddp", "trainer.max_time=00:01:00:00"],
        ["mixture.n_critic={_target_: mixgan_lightning.schedule.Balance}", "objective=[a,b]"],
    ],
)
def test_what_may_be_asked_for_is_not_refused(overrides):
    check_options(composed(*overrides))


def test_annotations_of_ones_own_may_be_loose_but_names_of_options_not(tmp_path, monkeypatch):
    (tmp_path / "option_types_own.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    check_options(composed("gan=custom", "gan._target_=option_types_own.own", "+gan.width=2.5", "+gan.other=1"))
    check_options(composed("gan=custom", "gan._target_=option_types_own.strict", "+gan.width=2.5"))
    with pytest.raises(ConfigurationError, match=r"^gan\.other: option_types_own.strict takes no such option"):
        check_options(composed("gan=custom", "gan._target_=option_types_own.strict", "+gan.other=1"))
