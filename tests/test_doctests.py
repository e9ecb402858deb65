"""The examples in the docstrings are true."""

import doctest
import importlib
import pkgutil

import pytest

import mixgan_lightning

MODULES = sorted(
    {mixgan_lightning.__name__}
    | {module.name for module in pkgutil.walk_packages(mixgan_lightning.__path__, "mixgan_lightning.")}
)


def examples(name):
    """The docstrings of a module that have examples."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    return [test for test in finder.find(importlib.import_module(name), name) if test.examples]


@pytest.mark.parametrize("name", [name for name in MODULES if examples(name)])
def test_examples_of(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the seed of the random numbers is conftest's
    said = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    for test in examples(name):
        runner.run(test, out=said.append)
    assert runner.failures == 0, "".join(said)
    assert runner.tries > 0


def test_there_are_examples_in_every_room():
    """torchmetrics' habit: what is public shows its use."""
    rooms = {name.split(".")[1] for name in MODULES if examples(name)}
    assert rooms >= {"callbacks", "data", "features", "metrics", "networks", "gan", "mix", "mixture_module"}
