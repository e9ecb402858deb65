import pickle
import sys
from functools import partial

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from mixgan_lightning import GAN, mix
from mixgan_lightning.errors import ConfigurationError, GANError
from mixgan_lightning.gan_factory import build, resolve, spec_of

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
from mixgan_lightning import GAN, objectives, penalties

class MyGAN(GAN):
    def __init__(self):
        super().__init__(nn.Linear(3, 2), nn.Linear(2, 1), latent_dim=3)

def make():
    return MyGAN()

built = nn.Linear(1, 1)
"""


@pytest.fixture
def users_module(tmp_path, monkeypatch):
    """A module of the user's own, importable by the name given back."""
    name = "users_gans_of_test_gan_factory"
    (tmp_path / f"{name}.py").write_text(USERS_MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    sys.modules.pop(name, None)


class MyGAN(GAN):
    def __init__(self):
        super().__init__(nn.Linear(3, 2), nn.Linear(2, 1), latent_dim=3)


@pytest.mark.parametrize("form", ["class", "function", "partial", "path", "path of a function", "dict", "DictConfig"])
def test_every_form_of_a_factory_builds_gans(form, users_module):
    factory = {
        "class": MyGAN,
        "function": lambda: MyGAN(),
        "partial": partial(GAN, nn.Linear(3, 2), nn.Linear(2, 1)),
        "path": f"{users_module}.MyGAN",
        "path of a function": f"{users_module}.make",
        "dict": CONFIG,
        "DictConfig": OmegaConf.create(CONFIG),
    }[form]
    gan = resolve(factory)()
    assert isinstance(gan, GAN)
    assert gan.generator.in_features == 3


def test_a_config_gives_a_new_initialisation_at_each_call():
    factory = resolve(CONFIG)
    assert not torch.equal(factory().generator.weight, factory().generator.weight)
    assert factory().configure_optimizers()[0].param_groups[0]["lr"] == 0.1


def test_interpolations_of_a_config_are_resolved_before_it_is_cut_out():
    whole = OmegaConf.create({"dim": 3, "gan": CONFIG | {"latent_dim": "${dim}"}})
    assert resolve(whole.gan)().latent_dim == 3
    assert spec_of(whole.gan)["latent_dim"] == 3


@pytest.mark.parametrize("built", [nn.Linear(1, 1), GAN(nn.Linear(3, 2), nn.Linear(2, 1))], ids=["network", "GAN"])
def test_an_instance_is_no_factory(built):
    with pytest.raises(GANError, match=rf"expected a factory.*got one built {type(built).__name__}.*pass the class"):
        mix(built, 2)


@pytest.mark.parametrize("wrong", [3, [MyGAN], object()])
def test_what_cannot_be_called_is_refused(wrong):
    with pytest.raises(GANError, match=rf"expected a class or a zero-argument function.*got {type(wrong).__name__}"):
        mix(wrong, 2)


def test_no_factory_at_all_is_told():
    with pytest.raises(GANError, match=r"no GAN to mix: pass make_gan, or override make_gan\(\)"):
        mix(None)


@pytest.mark.parametrize("path", ["no_such_module.MyGAN", "torch.nn.NoSuchThing", "", "with spaces", "nodots"])
def test_an_import_path_that_leads_nowhere_is_told(path):
    with pytest.raises(ConfigurationError, match=f"cannot import '{path}'"):
        mix(path, 2)


def test_a_missing_top_module_is_told_from_a_missing_name():
    with pytest.raises(ConfigurationError, match="in the working directory or on PYTHONPATH"):
        resolve("no_such_module.MyGAN")
    with pytest.raises(ConfigurationError, match="NoSuchThing"):
        resolve("torch.nn.NoSuchThing")


def test_a_path_to_something_built_or_to_a_module_is_no_factory(users_module):
    with pytest.raises(GANError, match="got one built Linear"):
        resolve(f"{users_module}.built")
    with pytest.raises(GANError, match="got module"):
        resolve("torch.nn")


def test_a_config_needs_a_target():
    with pytest.raises(ConfigurationError, match=r"needs a _target_.*got keys \['generator'\]"):
        resolve({"generator": 3})


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("no_such.Thing", r"cannot import 'no_such\.Thing': is a module of that name in the working directory"),
        (
            "torch.nn.Linear",
            r"cannot build the GAN: .*Linear.*missing 2 required positional arguments: 'in_features'",
        ),
    ],
)
def test_a_config_that_leads_nowhere_is_told(target, why):
    with pytest.raises(ConfigurationError, match=why):
        mix({"_target_": target}, 2)


def test_our_own_message_is_not_buried_in_hydras():
    shape = {"_target_": "mixgan_lightning.networks.DCGANGenerator", "sample_shape": [1, 5, 5]}
    with pytest.raises(ConfigurationError, match=r"^expected sample_shape \(C, S, S\)") as caught:
        mix(CONFIG | {"generator": shape}, 2)
    assert caught.value.__cause__ is None  # no circle through Hydra's error, whose cause it is


# ------------------------------------------------------------------------------------------------ independence


def test_a_factory_of_something_else_is_told():
    with pytest.raises(GANError, match=r"Linear: cannot tell how it plays: expected a mixgan_lightning\.GAN"):
        mix(lambda: nn.Linear(1, 1), 2)


def test_the_same_object_twice_is_refused():
    gan = MyGAN()
    with pytest.raises(GANError, match="returned the same object twice: pass the class"):
        mix(lambda: gan, 2)


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_networks_shared_between_calls_are_refused(player):
    shared = {"generator": nn.Linear(3, 2), "discriminator": nn.Linear(2, 1)}[player]

    def make():
        own = {"generator": nn.Linear(3, 2), "discriminator": nn.Linear(2, 1)} | {player: shared}
        return GAN(**own)

    with pytest.raises(GANError, match=f"the {player}s of two calls of make_gan share parameters"):
        mix(make, 2)
    assert len(mix(make, 1).generators) == 1  # alone it may be


def test_a_factory_that_seeds_is_refused():
    def make():
        torch.manual_seed(42)
        return MyGAN()

    with pytest.raises(GANError, match=r"start with identical parameters.*does make_gan set a seed"):
        mix(make, 3)


def test_components_start_apart():
    gans = build(MyGAN, 4)
    weights = torch.stack([gan.generator.weight.flatten() for gan in gans])
    assert len(torch.unique(weights, dim=0)) == 4


# ------------------------------------------------------------------------------------------------ checkpoints


def test_what_a_checkpoint_keeps_of_a_factory(users_module):
    assert spec_of("torch.nn.Linear") == "torch.nn.Linear"
    assert spec_of(CONFIG) == CONFIG
    assert type(spec_of(OmegaConf.create(CONFIG))["generator"]) is dict
    module = __import__(users_module)
    assert spec_of(module.MyGAN) == f"{users_module}.MyGAN"
    assert spec_of(module.make) == f"{users_module}.make"


def test_what_cannot_be_found_again_is_not_kept(monkeypatch):
    class Local(GAN):
        pass

    assert spec_of(lambda: None) is None
    assert spec_of(Local) is None
    assert spec_of(partial(MyGAN)) is None
    monkeypatch.setattr(MyGAN, "__module__", "__main__")
    assert spec_of(MyGAN) is None


def test_a_second_name_of_a_network_is_refused(toy_networks):
    """It would be played for every component, and be saved beside them."""

    class Aliased(GAN):
        def __init__(self):
            super().__init__(*toy_networks(), latent_dim=3)
            self.G = self.generator

    with pytest.raises(GANError, match=r"Aliased\.G shares parameters with its generator or discriminator"):
        mix(Aliased, 2)


def test_a_factory_given_as_a_config_can_be_sent_to_a_spawned_process():
    sent = pickle.loads(pickle.dumps(resolve(CONFIG)))
    assert isinstance(sent(), GAN)
