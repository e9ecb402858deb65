import pytest
import torch
from hydra import compose, initialize_config_module

from mixgan_lightning.cli.model import model_of
from mixgan_lightning.errors import ConfigurationError

OWN = """
from torch import nn
from mixgan_lightning import GAN

calls = []

def own():
    calls.append(1)
    return GAN(nn.Linear(5, 2), nn.Linear(2, 1), latent_dim=5)
"""


def composed(*overrides):
    with initialize_config_module("mixgan_lightning.conf", version_base="1.3"):
        return compose("train", overrides=["run_dir=run", *overrides])


def test_what_would_not_fit_into_memory_is_refused_before_it_is_built(monkeypatch):
    monkeypatch.setattr("mixgan_lightning.options.free", lambda device: 10_000_000)
    model_of(composed("mixture.size=2"))
    with pytest.raises(ConfigurationError, match=r"the parameters of 1,000 such GANs would take \d+ MB, and 10 MB"):
        model_of(composed("mixture.size=2", "mixture.num_discriminators=1000"))


def test_looking_at_the_sizes_draws_nothing_from_the_training_s_random_stream(monkeypatch):
    config = composed("mixture.size=2")
    found = []
    for check in (None, lambda *_: None):
        if check is not None:
            monkeypatch.setattr("mixgan_lightning.cli.model._check_room", check)
        torch.manual_seed(3)
        found.append(torch.cat([p.flatten() for p in model_of(config).parameters()]))
    assert torch.equal(*found)


def test_a_constructor_of_ones_own_is_called_once_for_each_component(tmp_path, monkeypatch):
    (tmp_path / "model_own.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    model_of(composed("gan=custom", "gan._target_=model_own.own", "mixture.size=3"))
    import model_own

    assert len(model_own.calls) == 3
