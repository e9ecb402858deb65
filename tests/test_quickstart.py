"""The code of docs/quickstart.md runs, block after block, and every model in it trains."""

import re
from pathlib import Path

import pytorch_lightning as pl
import torch
from torch import nn

from mixgan_lightning import MixGANModule

PAGE = Path(__file__).parents[1] / "docs" / "quickstart.md"


def run_page():
    """The names that the page's code leaves, and the models that it makes on the way."""
    names, models = {"my_classifier": nn.Linear(2, 3)}, []
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL):
        exec(block, names)
        if names.get("model") is not None:
            models.append(names.pop("model"))
    return names, models


def test_every_model_of_the_page_trains(fit):
    names, models = run_page()
    models += [
        names["MyMix"](size=2),
        MixGANModule(lambda: names["WithUniformLatents"](nn.Linear(16, 2), nn.Linear(2, 1), latent_dim=16), 2),
    ]
    assert len(models) == 7
    for model in models:
        fit(model, torch.randn(32, 2))
        assert model.sample(5, seed=0)[0].shape == (5, 2)


def test_the_callbacks_of_the_page_are_callbacks():
    names, _ = run_page()
    assert len(names["callbacks"]) == 3
    assert all(isinstance(callback, pl.Callback) for callback in names["callbacks"])
