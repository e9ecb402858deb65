"""The same seed, the same run."""

import pytest
import torch

from mixgan_lightning import checkpoint_file

QUICK = ("callbacks/quality=none", "callbacks.samples=null", "data.batch_size=16", "mixture.size=3")
DCGAN = ("gan=dcgan", "data.image_size=16", "gan.generator.width=4", "gan.discriminator.width=4")


def state(ran):
    assert ran.code == 0, ran.err
    return checkpoint_file.load(ran.cwd / "run" / "checkpoints" / "last.ckpt")["state_dict"]


def equal(a, b):
    return [torch.equal(a[name], b[name]) for name in a]


@pytest.mark.parametrize("gan", [(), DCGAN, (*DCGAN, "mixture.fakes=full")], ids=["mlp", "dcgan", "dcgan in pairs"])
def test_the_same_seed_gives_the_same_run_twice_and_another_seed_another(gan, tiny_train):
    first = state(tiny_train(*QUICK, *gan, "seed=3"))
    torch.rand(5)  # what was drawn before does not matter
    assert all(equal(first, state(tiny_train(*QUICK, *gan, "seed=3"))))
    assert not all(equal(first, state(tiny_train(*QUICK, *gan, "seed=4"))))


def test_what_watches_a_training_does_not_change_it(tiny_train):
    bare = state(tiny_train(*QUICK, "callbacks.payoff=null", "callbacks.mixture=null", "callbacks.dead=null"))
    watched = state(tiny_train("data.batch_size=16", "mixture.size=3", "trainer.log_every_n_steps=1"))
    assert all(equal(bare, watched))
