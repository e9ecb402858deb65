"""The code of docs/any_gan.md runs, block after block, as a reader would paste it."""

import re
from pathlib import Path

import pytest
import torch

PAGE = Path(__file__).parents[1] / "docs" / "any_gan.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


@pytest.fixture
def models(tmp_path, monkeypatch):
    """The model that each block leaves, in the names of the blocks before it."""
    monkeypatch.chdir(tmp_path)
    names, found = {}, []
    for block in BLOCKS:
        exec(block, names)
        found.append(names.pop("model"))
    return found


def test_every_block_leaves_a_mixture_that_has_been_trained_or_can_be(models, fit):
    as_it_is, two_losses, networks = models
    assert as_it_is.played.generator_steps == as_it_is.played.discriminator_steps == 22
    assert two_losses.played.discriminator_steps == 8
    assert two_losses.played.generator_steps == 1
    fit(networks, torch.randn(32, 2))
    shapes = [tuple(model.sample(5, seed=0)[0].shape) for model in models]
    assert shapes == [(5, 1, 8, 8), (5, 2), (5, 2)]
