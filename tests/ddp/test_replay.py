"""Mixtures of users' modules trained by several processes."""

import pytest
import torch

from mixgan_lightning import log_names

GAMES = ["sgd", "adam", "untoggled", "optimizer_idx", "two losses"]


def largest(one, other):
    assert one.keys() == other.keys()
    return max(float((value.double() - other[name].double()).abs().max()) for name, value in one.items())


@pytest.mark.parametrize("game", GAMES)
def test_one_global_batch_gives_one_game(ranks, alone, game):
    """Parameters and log-probabilities of both players after five steps of each, of all sizes of mixtures."""
    expected = alone[f"replayed {game}"]
    for name, before in expected["before"].items():
        assert (before != expected["after"][name]).any(), name  # all have learnt, so that to be equal means something
    for found in ranks:
        assert largest(found[f"replayed {game}"]["after"], expected["after"]) < 1e-12


@pytest.mark.parametrize("game", GAMES)
def test_every_step_is_on_the_gradients_of_the_global_batch(ranks, alone, game):
    expected = alone[f"replayed {game}"]["gradients"]
    assert len(expected) == 10
    assert {name for step in expected for name in step} == set(alone[f"replayed {game}"]["after"])
    for found in ranks:
        steps = found[f"replayed {game}"]["gradients"]
        assert max(largest(one, other) for one, other in zip(steps, expected, strict=True)) < 1e-12


@pytest.mark.parametrize("game", GAMES)
def test_processes_end_with_equal_parameters(ranks, game):
    for found in ranks[1:]:
        assert largest(found[f"replayed {game}"]["after"], ranks[0][f"replayed {game}"]["after"]) == 0


def test_processes_that_have_gradients_of_different_parameters_end_with_equal_ones(ranks):
    """What one has no gradient of counts as zero, and is not mixed up with another's."""
    for found in ranks[1:]:
        assert largest(found["replayed by chance"]["state"], ranks[0]["replayed by chance"]["state"]) == 0


def test_all_processes_images_and_one_games_steps_are_counted(ranks, alone):
    for found in [alone, *ranks]:
        assert [found[f"replayed {game}"]["seen"] for game in GAMES] == [5 * 24] * len(GAMES)
        assert [found[f"replayed {game}"]["steps"] for game in GAMES] == [10] * len(GAMES)


@pytest.mark.parametrize("name", ["own/d", "own/g", log_names.GENERATOR_LOSS, log_names.DISCRIMINATOR_LOSS])
def test_what_is_logged_with_sync_dist_is_of_the_global_batch(ranks, alone, name):
    for found in ranks:
        assert found["replayed adam"]["logged"][name] == pytest.approx(alone["replayed adam"]["logged"][name], abs=1e-7)


# ---------------------------------------------------------------------------------------- noise, statistics, labels


def test_processes_built_from_different_seeds_end_with_equal_parameters_and_statistics(ranks, world):
    first = ranks[0]["replayed with labels"]["state"]
    assert any("running" in name for name in first)
    for found in ranks[1:]:
        assert largest(found["replayed with labels"]["state"], first) == 0


def test_each_process_draws_noise_of_its_own_and_all_its_pairs_the_same(ranks, alone):
    drawn = [found["replayed noise"] for found in ranks]
    for each in drawn:
        assert torch.equal(each, each[:, :1].expand_as(each))
    assert torch.equal(drawn[0], alone["replayed noise"])
    noise = torch.stack(drawn)[:, :, 0]
    assert len(noise.unique()) == noise.numel()


def test_labels_are_counted_over_all_processes(ranks, alone):
    own = [found["replayed with labels"]["own"] for found in ranks]
    assert not torch.equal(own[0], own[1])
    every = alone["replayed with labels"]["own"]
    for found in [alone, *ranks]:
        assert found["replayed with labels"]["counts"] == (2 * every).tolist()  # of two epochs
        assert found["replayed with labels"]["saved"]["batch"]["label_counts"] == (2 * every).tolist()


def test_labels_are_drawn_by_what_all_processes_have_seen_so_far(ranks, alone):
    """Also in the first epoch, whatever labels a process's own first batch happens to hold."""
    every = alone["replayed with labels"]["own"]
    for found in [alone, *ranks]:
        found, first = found["replayed with labels"], ranks[0]["replayed with labels"]
        assert found["by epochs"] == [every.tolist(), (2 * every).tolist()]
        assert found["by batches"][-1] == (2 * every).tolist()
        if found is not alone["replayed with labels"]:
            assert found["by batches"] == first["by batches"]


def test_processes_draw_the_same_samples(ranks):
    images, components = ranks[0]["replayed with labels"]["samples"]
    for found in ranks[1:]:
        assert torch.equal(found["replayed with labels"]["samples"][0], images)
        assert torch.equal(found["replayed with labels"]["samples"][1], components)


def test_what_callbacks_may_monitor_is_one_for_all_processes(ranks):
    first = ranks[0]["replayed with labels"]["metrics"]
    assert {"own/g", log_names.GENERATOR_LOSS} <= set(first)
    for found in ranks[1:]:
        assert found["replayed with labels"]["metrics"] == first


# ---------------------------------------------------------------------------------------- one process fails


def test_a_users_error_on_one_process_ends_all(run_of):
    folder = run_of(2)[1]
    (of_first, waited), (of_last, seconds) = (torch.load(folder / f"{rank}.replay_failed.pt") for rank in range(2))
    assert of_last == "ValueError: the user's own mistake"
    assert of_first != "nothing"
    assert max(waited, seconds) < 15
