import os
import sys

import pytest
import torch
from torch import nn

from mixgan_lightning.errors import CheckpointError
from mixgan_lightning.trust import TENSORS_ALONE, check_trusted, tensors_alone

CONFIG = {
    "_target_": "mixgan_lightning.GAN",
    "generator": {"_target_": "torch.nn.Linear", "in_features": 3, "out_features": 2},
    "discriminator": {"_target_": "torch.nn.Linear", "in_features": 2, "out_features": 1},
    "objective": {"_target_": "mixgan_lightning.objectives.Hinge"},
    "optimizer": {"_target_": "torch.optim.Adam", "_partial_": True, "lr": 0.1},
    "latent_dim": 3,
}

USERS_MODULE = """
from torch import nn
from mixgan_lightning import GAN, objectives

class MyGAN(GAN):
    def __init__(self):
        super().__init__(nn.Linear(3, 2), nn.Linear(2, 1), latent_dim=3)

class MyNetwork(nn.Linear):
    pass

class MyObjective(objectives.Hinge):
    pass

def make():
    return MyGAN()

def with_argument(command):
    raise AssertionError("called")
"""


@pytest.fixture
def users_module(tmp_path, monkeypatch):
    """A module of the user's own, importable by the name given back."""
    name = "users_gans_of_test_trust"
    (tmp_path / f"{name}.py").write_text(USERS_MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    sys.modules.pop(name, None)


def test_configs_of_networks_optimisers_and_rules_are_trusted(users_module):
    check_trusted(None)
    check_trusted(CONFIG)
    check_trusted({"_target_": "mixgan_lightning.schedule.WassersteinStart", "n_critic": 5})
    check_trusted({"_target_": "torch.optim.lr_scheduler.PolynomialLR", "_partial_": True})
    for name in ("MyGAN", "MyNetwork", "MyObjective"):
        check_trusted({"_target_": f"{users_module}.{name}"})
    check_trusted(f"{users_module}.make")


@pytest.mark.parametrize(
    "spec",
    [
        {"_target_": "os.system", "command": "echo"},
        {"_target_": "mixgan_lightning.GAN", "generator": {"_target_": "os.system", "command": "echo"}},
        {"_target_": "torch.nn.Sequential", "_args_": [{"_target_": "os.system", "command": "echo"}]},
        {"_target_": "builtins.eval", "_args_": ["1"]},
        {"_target_": "torch.load", "f": "x"},
        {"_target_": "subprocess.Popen", "args": "echo"},
        "os.getcwd",
        {"_target_": "mixgan_lightning.gan_factory.build", "make_gan": "os.getcwd", "n": 1},
        {"_target_": "mixgan_lightning.gan_factory.resolve", "make_gan": "os.getcwd"},
        {"_target_": "mixgan_lightning.MixGANModule", "make_gan": "os.getcwd"},
        {"_target_": "mixgan_lightning.MixGANModule", "_args_": ["os.getcwd"]},
        {"_target_": "mixgan_lightning.mix", "make_gan": {"_target_": "os.getcwd"}},
    ],
)
def test_a_checkpoint_may_not_name_what_does_something_else(spec):
    with pytest.raises(CheckpointError, match=r"asks to call .*if you trust it.*make_gan="):
        check_trusted(spec)


def test_a_function_with_arguments_is_not_trusted_in_a_config(users_module):
    with pytest.raises(CheckpointError, match="with_argument"):
        check_trusted({"_target_": f"{users_module}.with_argument", "command": "echo"})


def test_a_function_named_by_a_config_alone_is_trusted_as_by_its_path(users_module):
    check_trusted({"_target_": f"{users_module}.make"})
    with pytest.raises(CheckpointError, match="if you trust it"):
        check_trusted({"_target_": f"{users_module}.make", "command": "echo"})


@pytest.mark.parametrize("how", ["create", "decode", "env"])
def test_a_config_that_makes_configs_is_refused(how):
    """``oc.create`` gives Hydra a config that nobody has looked at, and Hydra calls it."""
    hidden = {"_target_": "torch.nn.Linear", "in_features": f"${{oc.{how}:'{{_target_: os.getcwd}}'}}"}
    for spec in (hidden, CONFIG | {"generator": hidden}, {"_target_": "torch.nn.Sequential", "_args_": [hidden]}):
        with pytest.raises(CheckpointError, match=r"holds interpolations, expected none; if you trust it"):
            check_trusted(spec)


@pytest.mark.parametrize("before", [None, "0", "1"])
def test_the_switch_is_as_it_was_afterwards(before, monkeypatch, tmp_path):
    monkeypatch.delenv(TENSORS_ALONE, raising=False)
    if before is not None:
        monkeypatch.setenv(TENSORS_ALONE, before)
    torch.save(nn.Linear(1, 1), tmp_path / "module.pt")  # a whole module: more than tensors
    with pytest.raises(CheckpointError, match="reads a file of more than tensors; if you trust it"), tensors_alone():
        torch.load(tmp_path / "module.pt", weights_only=False)
    assert os.environ.get(TENSORS_ALONE) == before
