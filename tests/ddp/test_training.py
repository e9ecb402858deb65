"""Training by several processes."""

import pytest
import torch

from mixgan_lightning import log_names

GAMES = ["full", "split", "split, R1, clipped"]
MEAN = log_names.INCEPTION_SCORE_MEAN


def differences(one, other):
    assert one.keys() == other.keys()
    return {name: float((value.double() - other[name].double()).abs().max()) for name, value in one.items()}


def assert_equal(one, other):
    assert {name: d for name, d in differences(one, other).items() if d} == {}


# ---------------------------------------------------------------------------------------- one global batch


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize("what", ["after", "gradients"])
def test_one_global_batch_gives_one_game(ranks, alone, game, what):
    """Parameters and log-probabilities of both players after five steps of each, and the last gradients."""
    expected = alone["games"][game]
    moved = differences(expected["before"], expected["after"])
    assert min(moved.values()) > 1e-3  # all of them, so that to be equal means something
    for found in ranks:
        assert max(differences(found["games"][game][what], expected[what]).values()) < 1e-12


def test_the_games_are_different_ones(alone):
    full, split, clipped = (alone["games"][game]["after"] for game in GAMES)
    assert max(differences(full, split).values()) > 1e-3
    assert max(differences(split, clipped).values()) > 1e-3


def test_all_processes_images_are_counted(ranks):
    assert [found["games"]["full"]["seen"] for found in ranks] == [5 * 24] * len(ranks)


def test_the_first_process_looks_at_all_data_and_all_have_what_it_learnt(ranks, alone):
    assert [found["prepared"]["looked"] for found in ranks] == [1] + [0] * (len(ranks) - 1)
    for found in (*ranks, alone):
        assert torch.equal(found["prepared"]["mean"], found["prepared"]["of all"])


def test_a_schedule_watches_the_loss_of_all_processes(ranks):
    seen = [found["prepared"]["seen"] for found in ranks]
    assert len(seen[0]) == 2
    assert all(one == seen[0] for one in seen)


# ---------------------------------------------------------------------------------------- random streams


def changed(ranks, case):
    streams = [found["random streams"][case] for found in ranks]
    return [not torch.equal(stream["before"], stream["after"]) for stream in streams]


def test_processes_seeded_alike_get_streams_of_their_own_and_the_first_keeps_its(ranks, world):
    assert changed(ranks, "alike") == [False] + [True] * (world - 1)
    after = [bytes(found["random streams"]["alike"]["after"].tolist()) for found in ranks]
    assert len(set(after)) == world


def test_streams_that_already_differ_are_left_alone(ranks, world):
    assert changed(ranks, "different") == [False] * world
    assert changed(ranks, "the first two alike") == [False, True, False][:world]


def test_in_training_each_process_draws_latents_of_its_own_the_first_those_of_a_run_alone(ranks, alone):
    drawn = [found["random streams"]["in training"] for found in ranks]
    assert torch.equal(drawn[0], alone["random streams"]["in training"])
    assert drawn[0].shape == (4, 8, 3)
    values = torch.stack(drawn).unique()
    assert len(values) == torch.stack(drawn).numel()  # no number is drawn twice


# ---------------------------------------------------------------------------------------- with callbacks


def test_training_is_the_same_with_and_without_the_callbacks(ranks):
    """Parameters, each process's own buffers, and its next random numbers."""
    for found in ranks:
        assert_equal(found["watched"]["state"], found["plain"]["state"])
        assert torch.equal(found["watched"]["next"], found["plain"]["next"])
    assert [found["watched"]["pictures"] for found in ranks] == [2] * len(ranks)


def test_an_epoch_ends_with_one_set_of_parameters_and_statistics_for_all_processes(ranks):
    for found in ranks[1:]:
        apart = differences(found["plain"]["state"], ranks[0]["plain"]["state"])
        assert any("running" in name for name in apart)
        assert set(apart.values()) == {0}


def test_measured_values_that_callbacks_may_monitor_are_one_for_all_processes(ranks):
    for found in ranks:
        found, first = found["watched"], ranks[0]["watched"]
        of_all = {name: value for name, value in found["metrics"].items() if name.startswith("quality/")}
        assert len(of_all) == 3 * len(found["latest"])  # of the mixture and of each of two components
        assert of_all == {name: value for name, value in first["metrics"].items() if name.startswith("quality/")}
        assert found["latest"] == first["latest"] == found["measured again"]
        assert {name: of_all[name] for name in found["latest"]} == pytest.approx(found["latest"], rel=1e-6)


def test_losses_that_callbacks_and_schedulers_may_monitor_are_one_for_all_processes(ranks):
    for found in ranks:
        metrics = found["watched"]["metrics"]
        assert log_names.GENERATOR_LOSS in metrics
        assert metrics == ranks[0]["watched"]["metrics"]


def test_a_scheduler_that_follows_a_loss_keeps_one_learning_rate(ranks, alone):
    assert alone["plateau"]["rate"] < 0.1  # so it has something to follow
    for found in ranks[1:]:
        assert found["plateau"]["rate"] == ranks[0]["plateau"]["rate"]
        assert_equal(found["plateau"]["state"], ranks[0]["plateau"]["state"])


def test_weights_that_solve_the_payoff_matrix_are_the_same_for_all_processes(ranks):
    names = ("generators.log_probabilities", "discriminators.log_probabilities")
    first = ranks[0]["solved"]["state"]
    assert any(first[name].any() for name in names)
    for found in ranks[1:]:
        assert all(torch.equal(found["solved"]["state"][name], first[name]) for name in names)


def test_the_duality_gap_is_one_for_all_processes(ranks):
    first = ranks[0]["solved"]["gap"]
    assert (first["steps"], first["train_samples"], first["held_out_samples"]) == (3, 30, 30)
    for found in ranks:
        assert found["solved"]["gap"] == first
        assert found["solved"]["metric"] == pytest.approx(first["best_discriminator"] - first["best_generator"])


def test_model_checkpoint_keeps_the_best_score(ranks):
    for found in ranks:
        scores, (name, score) = found["watched"]["scores"], found["watched"]["best"]
        assert len(set(scores)) == 2
        assert score == max(scores)
        assert name == f"epoch={scores.index(max(scores))}-step={6 * (1 + scores.index(max(scores)))}.ckpt"


def test_the_score_is_that_of_the_model_in_the_checkpoint(ranks):
    for found in ranks:
        assert found["watched"]["best loaded"][MEAN] == pytest.approx(found["watched"]["best"][1], rel=1e-6)


def test_averaged_weights_are_one_average_for_all_processes(ranks):
    raw = ranks[0]["ema"]["raw"]
    assert len(raw) == 6
    mean = raw[0]
    for state in raw[1:]:
        mean = {name: 0.5 * value + 0.5 * state[name] for name, value in mean.items()}
    assert max(differences(mean, raw[-1]).values()) > 1e-3
    for found in ranks:
        assert_equal(found["ema"]["raw"][-1], raw[-1])
        assert max(differences(found["ema"]["averaged"], mean).values()) < 1e-6
        assert_equal(found["ema"]["averaged"], ranks[0]["ema"]["averaged"])


def test_averaged_weights_are_what_is_scored(ranks):
    for found in ranks:
        assert found["ema"]["weights"] == "ema"
        assert found["ema"]["latest"] == ranks[0]["ema"]["latest"]
        assert found["ema"]["latest"] == pytest.approx(found["ema"]["measured again"], rel=1e-9)  # after training
        assert found["ema"]["latest"][MEAN] != pytest.approx(found["watched"]["latest"][MEAN], rel=1e-6)


def test_training_goes_on_from_the_raw_weights(ranks):
    for found in ranks:
        parameters = {name: found["plain"]["state"][name] for name in found["ema"]["averaged"]}
        assert_equal(found["ema"]["raw"][-1], parameters)


# ---------------------------------------------------------------------------------------- labels


def test_label_counts_are_the_sum_over_processes(ranks, alone):
    for found in [alone, *ranks]:
        assert found["labels"]["counts"].tolist() == found["labels"]["all"].tolist()
    assert len({tuple(found["labels"]["own"].tolist()) for found in ranks}) == len(ranks)


def test_averaging_weights_leaves_the_label_counts_whole(ranks, alone):
    for found in [alone, *ranks]:
        assert found["averaged labels"]["counts"].tolist() == found["averaged labels"]["all"].tolist()


# ---------------------------------------------------------------------------------------- going on


def test_several_processes_go_on_from_the_checkpoint_of_one(ranks, world, alone):
    for found in ranks:
        assert_equal(found["gone on"]["state at start"], alone["plain"]["state"])
        assert found["gone on"]["seen"] == (6 * 32, 6 * 32 + 6 * 32 * world)


def test_one_process_goes_on_from_the_checkpoint_of_several(run_of, world, ranks, gone_on_alone, tmp_path):
    folder = run_of(world)[1]
    found = gone_on_alone(tmp_path, folder)
    assert_equal(found["state at start"], torch.load(folder / "plain.ckpt", weights_only=True)["state_dict"])
    for trained in ranks:
        apart = differences(found["state at start"], trained["plain"]["state"])
        assert {name for name, difference in apart.items() if difference and "running" not in name} == set()
    assert found["seen"] == (6 * 32 * world, 6 * 32 * world + 6 * 32)
    assert max(differences(found["state"], found["state at start"]).values()) > 1e-3


# ---------------------------------------------------------------------------------------- refused, failed


def test_plain_ddp_is_refused_before_training(ranks):
    for found in ranks:
        error, seen = found["plain ddp"]
        assert error.endswith("use strategy='ddp_find_unused_parameters_true'")
        assert seen == 0


def test_a_run_with_checkpoints_ends_soon_when_one_process_fails(run_of):
    """The others may be waiting for its gradients, so it must not wait for them to write a checkpoint."""
    folder = run_of(2)[1]
    (of_first, waited), (of_last, seconds) = (torch.load(folder / f"{rank}.failed.pt") for rank in range(2))
    assert of_last == "DataError: a bad batch"
    assert of_first != "nothing"
    assert max(waited, seconds) < 15
