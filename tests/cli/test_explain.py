from itertools import pairwise

import pytest
from hydra.errors import InstantiationException
from omegaconf.errors import MissingMandatoryValue

from mixgan_lightning.cli.explain import explain
from mixgan_lightning.errors import DataError


@pytest.mark.parametrize(
    ("argument", "suggestion"),
    [
        ("mixtur=mix3", "there is no option 'mixtur'; did you mean 'mixture'?"),
        ("mixture.sise=3", "there is no option 'mixture.sise'; did you mean 'mixture.size'?"),
        ("trainer.max_epoch=3", "did you mean 'trainer.max_epochs'?"),
        ("trainer.precission=3", "did you mean 'trainer.precision'?"),
        ("gan.optimizer.beta=[0,1]", "did you mean 'gan.optimizer.betas'?"),
        ("expriment=paper", "did you mean 'experiment'?"),
        ("sede=3", "did you mean 'seed'?"),
        ("data.batch_sice=3", "did you mean 'data.batch_size'?"),
        ("callbacks.quality.num_sample=3", "did you mean 'callbacks.quality.num_samples'?"),
    ],
)
def test_a_misspelt_key_is_answered_with_the_nearest(argument, suggestion, tiny_train, one_line):
    line = one_line(tiny_train(argument))
    assert suggestion in line
    assert f"to add a new key: +{argument.partition('=')[0]}=…" in line


def test_keys_of_the_groups_that_were_chosen_are_suggested(tiny_train, one_line):
    line = one_line(tiny_train("data=gaussians_grid", "data.spacin=3"))
    assert "did you mean 'data.spacing'?" in line


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("mixture=mix4", "mixture=mix4: there is no such mixture; did you mean 'mix"),
        ("gan=dcgn", "gan=dcgn: there is no such gan; did you mean 'dcgan'? (available: cdcgan, csngan, custom, "),
        ("data=gaussian_ring", "did you mean 'gaussians_ring'?"),
        ("logger=wanbd", "did you mean 'wandb'? (available: csv, default, wandb)"),
        ("data=", "data=: there is no such data (available: c"),
        ("experiment=ring/mix6", "experiment=ring/mix6: there is no such experiment; did you mean 'ring/mix5'?"),
        ("experiment=ring/mix6", "experiment=ring/mix6: there is no such experiment; did you mean 'ring/mix"),
    ],
)
def test_a_misspelt_alternative_is_answered_with_the_nearest_and_all(argument, message, tiny_train, one_line):
    line = one_line(tiny_train(argument))
    assert message in line
    assert "(available: " in line


@pytest.mark.parametrize(
    ("asked", "some", "others"),
    [
        ("ring", "ring/mix5, ring/mix5_full, ", "grid/"),  # what the folder holds
        ("ring/mix6", "ring/mix5, ring/mix5_full, ", "grid/"),  # what lies beside it
        ("papper", "grid/…, paper/…, ring/…", "mix5"),  # with folders, of which there are many in each
        ("rign/mix5", "grid/…, paper/…, ring/…", "mix3"),
    ],
)
def test_experiments_are_listed_from_the_folder_that_was_asked_for(asked, some, others, tiny_train, one_line):
    _, _, available = one_line(tiny_train(f"experiment={asked}")).partition("(available: ")
    assert some in available
    assert others not in available


def test_a_group_of_hydras_own_is_answered_too(tiny_train, one_line):
    assert "hydra/launcher=basik: there is no such hydra/launcher; did you mean 'basic'?" in one_line(
        tiny_train("hydra/launcher=basik")
    )


def test_an_alternative_of_ones_own_is_among_those_available(tiny_train, one_line, tmp_path):
    (tmp_path / "my_configs" / "gan").mkdir(parents=True)
    (tmp_path / "my_configs" / "gan" / "special.yaml").write_text("{}")
    line = one_line(tiny_train("hydra.searchpath=[file://my_configs]", "gan=specail"))
    assert "did you mean 'special'? (available: " in line
    assert "special" in line.partition("(available: ")[2].strip(")").split(", ")


def test_a_value_that_hydra_cannot_read_is_to_be_quoted_and_then_read(tiny_train, one_line):
    line = one_line(tiny_train("ckpt_path=a/épouse/epoch=3.ckpt"))
    quoted = line.partition("quoted twice: ")[2]
    assert quoted == """'ckpt_path="a/épouse/epoch=3.ckpt"'"""
    assert "no checkpoint at a/épouse/epoch=3.ckpt" in one_line(tiny_train(quoted.strip("'")))


@pytest.mark.parametrize("argument", ["gan=null", "gan=7", "gan={a: 1}", "callbacks/quality=1.5"])
def test_a_group_that_is_given_no_name_is_answered_with_the_alternatives(argument, tiny_train, one_line):
    group = argument.partition("=")[0]
    line = one_line(tiny_train(argument))
    assert line.startswith(f"mixgan-train: {argument}: expected the name of one of {group} (available: ")


def chained(*errors):
    """Each error caused by the next."""
    for error, cause in pairwise(errors):
        error.__cause__ = cause
    return errors[0]


def test_our_own_error_is_told_whatever_it_is_wrapped_in():
    error = chained(InstantiationException("in call to target"), TypeError("inner"), DataError("what\n  to mend\n"))
    assert explain(error, "train") == "what; to mend"


def test_of_a_strangers_error_the_target_and_the_first_cause_are_told():
    error = InstantiationException("Error in call to target 'a.B':\nTypeError(...)\nfull_key: gan")
    assert (
        explain(chained(error, ValueError("too wide")), "train")
        == "Error in call to target 'a.B': ValueError: too wide"
    )


@pytest.mark.timeout(20)
def test_a_circle_of_causes_ends():
    first, second = InstantiationException("first"), TypeError("second")
    first.__cause__, second.__cause__ = second, first
    assert explain(first, "train") == "first: TypeError: second"


def test_a_value_that_must_be_given_is_asked_for():
    error = MissingMandatoryValue("Missing mandatory value: ckpt_path\n    full_key: ckpt_path")
    error.full_key = "ckpt_path"
    assert explain(error, "sample") == "ckpt_path=… is needed (--help shows an example)"


def test_an_error_of_the_system_names_the_file():
    assert explain(FileNotFoundError(2, "No such file", "/proc/x"), "train") == "[Errno 2] No such file: '/proc/x'"
