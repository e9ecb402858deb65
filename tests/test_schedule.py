from dataclasses import dataclass

import pytest
import torch
from omegaconf import OmegaConf
from torch.utils._pytree import tree_leaves

from mixgan_lightning import GAN, MixGANModule, mix
from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.schedule import Balance, Constant, Played, WassersteinStart, as_schedule, spec_of


def build_toy():
    return GAN(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1), latent_dim=3)


def play(schedule, batches, played=None):
    """Discriminator steps before each generator step, counted as the game counts."""
    played, gaps = played or Played(), []
    for _ in range(batches):
        played.discriminator_steps += 1
        played.since_generator += 1
        for _ in range(schedule.generator_steps(played)):
            gaps.append(played.since_generator)
            played.generator_steps += 1
            played.since_generator = 0
    return gaps


@pytest.mark.parametrize(("n_critic", "gaps"), [(1, [1] * 12), (2, [2] * 6), (5, [5, 5]), (13, [])])
def test_n_critic_discriminator_steps_stand_before_each_generator_step(n_critic, gaps):
    assert play(Constant(n_critic), 12) == gaps


def authors_diters(generator_iterations):
    """github.com/martinarjovsky/WassersteinGAN, main.py."""
    return [100 if i < 25 or i % 500 == 0 else 5 for i in range(generator_iterations)]


def test_wasserstein_start_is_the_authors_schedule():
    expected = authors_diters(1003)
    assert play(WassersteinStart(), sum(expected)) == expected
    assert expected.count(100) == 25 + 2


def test_wasserstein_start_takes_other_numbers():
    schedule = WassersteinStart(n_critic=2, warm_critic=4, warm_generator_steps=2, warm_every=5)
    assert play(schedule, 24) == [4, 4, 2, 2, 2, 4, 2, 2, 2]


@pytest.mark.parametrize("schedule", [Constant(3), WassersteinStart(2, 4, 2, 5)])
def test_going_on_from_saved_counts_is_going_on(schedule):
    whole = play(schedule, 40)
    played = Played()
    first = play(schedule, 17, played)
    assert first + play(schedule, 23, Played(**vars(played))) == whole


@pytest.mark.parametrize("n_critic", [0, -1, 1.5, 2.0, True, "3", None, WassersteinStart, {"n_critic": 5}, [1]])
def test_what_is_no_schedule_is_refused(n_critic):
    with pytest.raises(ConfigurationError, match="n_critic: expected a whole number"):
        as_schedule(n_critic)


@dataclass(frozen=True)
class TwoForOne:
    """A schedule of the user's own."""

    extra: int = 1

    def generator_steps(self, played):
        return 1 + self.extra


def test_a_schedule_of_the_users_own_is_taken_as_it_is():
    schedule = TwoForOne()
    assert as_schedule(schedule) is schedule
    assert len(play(schedule, 4)) == 8


@pytest.mark.parametrize("schedule", [Constant(4), WassersteinStart(n_critic=2, warm_every=7), Balance(furthest=9)])
def test_a_schedule_comes_back_from_its_config(schedule):
    assert as_schedule(spec_of(schedule)) == schedule
    assert as_schedule(OmegaConf.create(spec_of(schedule))) == schedule
    plain = str | int | float  # weights_only loads it
    assert all(
        isinstance(leaf, plain) for leaf in tree_leaves(spec_of(as_schedule(OmegaConf.create(spec_of(schedule)))))
    )


def test_a_module_that_came_from_a_checkpoint_can_be_saved_and_loaded_again(fit, tmp_path):
    """``weights_only`` loads plain values alone: a schedule's fields must stay such."""
    schedule = Balance(catching_up=[(0.6, 1)])
    model = mix(build_toy, 2, n_critic=schedule)
    for n in (1, 2):
        fit(model, torch.randn(16, 2)).save_checkpoint(tmp_path / f"{n}.ckpt")
        model = MixGANModule.load_from_checkpoint(tmp_path / f"{n}.ckpt")
    assert model.schedule == schedule


@pytest.mark.parametrize(("n_critic", "generator_steps"), [(1, 10), (3, 3), (TwoForOne(), 20)])
def test_the_game_plays_by_the_schedule(fit, toy, n_critic, generator_steps):
    model = mix(toy(), 2, n_critic=n_critic)
    fit(model, torch.randn(160, 2))
    assert model.played == Played(10, generator_steps, 10 % 3 if n_critic == 3 else 0, 160)


def test_the_gans_own_schedule_holds_unless_the_mixture_is_given_one(toy):
    assert mix(toy(n_critic=4), 2).schedule == Constant(4)
    assert mix(toy(n_critic=4), 2, n_critic=2).schedule == Constant(2)
    assert mix(toy(n_critic=WassersteinStart()), 2).schedule == WassersteinStart()
