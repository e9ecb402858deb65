from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
import pytorch_lightning as pl
from torch import Tensor, nn

from mixgan_lightning.callbacks import InceptionScoreCallback
from mixgan_lightning.cli.annotations import Parameters, fits, said
from mixgan_lightning.gans import ImprovedGAN

BUILT = {"_target_": "anything"}


@pytest.mark.parametrize(
    ("hint", "fitting", "others"),
    [
        (int, [0, -3, 10**40], [True, 1.0, "1", None, [1], BUILT]),
        (float, [0, 0.5, float("nan")], [True, "0.5", None, {}, BUILT]),
        (bool, [True, False], [0, 1, "true", None]),
        (str, ["", "abc"], [3, None, ["abc"]]),
        (str | Path, ["abc"], [3, None]),
        (int | None, [1, None], ["null", 1.5]),
        (float | Tensor, [1, 0.1, BUILT], ["abc"]),
        (Literal["ema", "raw", 16], ["ema", 16], ["EMA", "16", None]),
        (Sequence[int], [[], [1, 2]], [[1, "a"], 3, "12", {}]),
        (tuple[float, float], [[0.5, 1]], [[0.5], [0.5, "a"], 0.5]),
        (tuple[int, ...], [[], [1, 2, 3]], [[1.5], 1]),
        (Mapping[str, int | None], [{}, {"a": 1, "b": None}], [{"a": "b"}, [1], BUILT]),
        (list | dict, [[1, "a"], {"a": 1}], [1]),
        (nn.Module, [BUILT], [3, "abc", None, {}, []]),
        (Callable[[int], Any], [BUILT], [3, None]),
        (Sequence[nn.Module] | None, [[BUILT], None], [[3], 3]),
        (Any, [3, None, "abc", BUILT], []),
    ],
)
def test_values_fit_their_annotation_and_no_other(hint, fitting, others):
    assert [value for value in fitting if not fits(value, hint)] == []
    assert [value for value in others if fits(value, hint)] == []


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (int | None, "a whole number or null"),
        (int | float | None, "a number or null"),
        (float | Tensor, "a number"),
        (Literal["ema", "raw"] | None, "ema, raw or null"),
        (tuple[float, float], "a list of 2: a number, a number"),
        (Sequence[int], "a list, each a whole number"),
        (nn.Module | None, "a config with a _target_, of a Module or null"),
        (Callable[[int], Any], "a config with a _target_"),
    ],
)
def test_annotations_are_said_in_the_words_of_a_config(hint, words):
    assert said(hint) == words


def test_a_constructors_options_are_known_with_those_that_it_inherits_or_unpacks():
    assert Parameters.of(ImprovedGAN).hints["latent_dim"] is int
    assert not Parameters.of(InceptionScoreCallback).takes_others
    assert fits(None, Parameters.of(InceptionScoreCallback).hints["every_n_steps"])
    assert not fits("ten", Parameters.of(pl.Trainer).hints["max_epochs"])


def test_what_does_not_say_what_it_takes_may_be_told_anything():
    def loose(width, depth: "Unknown" = 3, **others):  # noqa: F821
        """Its annotation cannot be resolved."""

    hints, takes_others = Parameters.of(loose)
    assert takes_others
    assert hints == {"width": Any, "depth": Any}
    assert Parameters.of(max) == ({}, True)  # no signature


@pytest.mark.parametrize("hint", [int | None, Literal["x"], dict[str, Any], Callable[[int], int], int, None])
def test_further_options_may_be_annotated_in_any_way(hint):
    def takes(a=1, **others):
        pass

    takes.__annotations__ = {"a": int} | ({} if hint is None else {"others": hint})
    assert Parameters.of(takes) == Parameters({"a": int}, takes_others=True)
