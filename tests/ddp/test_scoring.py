"""Scores of several processes: those of one, in every one of them."""

import pytest
import torch

MANY, FEW = 1_100, 300
SHARES = {  # samples that each process draws, in chunks of 512
    (2, MANY): [588, 512],
    (2, FEW): [300, 0],
    (3, MANY): [512, 512, 76],
    (3, FEW): [300, 0, 0],
}

every_case = pytest.mark.parametrize("n", [MANY, FEW])
every_task = pytest.mark.parametrize("task", ["points", "digits"])


def together(shown):
    """What the processes were shown, (samples, numbers) each, in the order of the numbers."""
    samples, index = (
        torch.cat([samples for samples, numbers in shown if len(numbers)]),
        torch.cat([n for _, n in shown]),
    )
    assert sorted(index.tolist()) == list(range(len(index)))  # each sample once
    return samples[index.argsort()]


def close(values):
    return pytest.approx(values, rel=1e-9, abs=1e-15)


@every_task
@every_case
@pytest.mark.parametrize("what", ["mixture", "component"])
def test_the_images_of_all_processes_are_those_of_one(ranks, world, alone, task, n, what):
    shown = [found["scores"][task, n]["images"][what] for found in ranks]
    assert [len(index) for _, index in shown] == SHARES[world, n]
    assert torch.equal(together(shown), together([alone["scores"][task, n]["images"][what]]))


@every_task
@every_case
@pytest.mark.parametrize("what", ["mixture", "component", "real"])
def test_every_process_returns_the_values_of_one(ranks, alone, task, n, what):
    expected = alone["scores"][task, n]["values"][what]
    assert len(expected) >= 7
    for found in ranks:
        values = found["scores"][task, n]["values"][what]
        assert values == close(expected)
        assert values == ranks[0]["scores"][task, n]["values"][what]


@every_task
def test_the_cases_tell_scores_apart(alone, task):
    """Values that are 0 or 1 whatever is drawn would be equal for any number of processes."""
    scores = alone["scores"]
    many, few = (scores[task, n]["values"] for n in (MANY, FEW))
    for name, value in many["mixture"].items():
        if task == "points" or name not in ("quality/precision", "quality/recall"):  # no digit looks real yet
            assert len({value, few["mixture"][name], many["component"][name]}) == 3, name


def test_a_process_without_reference_and_samples_returns_the_frechet_distance_too(ranks, alone):
    for found in ranks:
        assert found["one batch"] == close(alone["one batch"])


# ---------------------------------------------------------------------------------------- buffers that differ


def test_equal_buffers_are_means_of_the_processes_own(ranks, world, alone):
    expected, _, _ = alone["mean buffers"][world]
    for found in ranks:
        buffers = found["unequal buffers"]["buffers"]
        assert buffers.keys() == expected.keys()
        for name, buffer in buffers.items():
            assert buffer.dtype == expected[name].dtype
            torch.testing.assert_close(buffer, expected[name], rtol=1e-6, atol=1e-6)
            assert torch.equal(buffer, ranks[0]["unequal buffers"]["buffers"][name])
    counted = [buffer for name, buffer in expected.items() if name.endswith("num_batches_tracked")]
    assert counted == [1 + world - 1] * 3  # the largest


def test_equal_buffers_belong_to_a_copy_that_shares_the_parameters(ranks):
    for found in ranks:
        found = found["unequal buffers"]
        assert not found["is the module"]
        assert found["parameters are shared"]
        assert all(found["parameters are shared"])
        assert found["module is as before"]


def test_a_module_whose_buffers_agree_is_returned_itself(ranks, alone):
    assert alone["unequal buffers"]["is the module"]
    assert all(found["unequal buffers"]["returned where all agree"] for found in ranks)


def test_with_unequal_buffers_the_scores_are_those_of_the_mean_ones(ranks, world, alone):
    _, expected, _ = alone["mean buffers"][world]
    for found in ranks:
        values = found["unequal buffers"]["values"]
        assert values == ranks[0]["unequal buffers"]["values"]
        assert values == pytest.approx(expected, rel=1e-4, abs=1e-4)  # float32 means, summed in another order


def test_with_unequal_buffers_all_processes_draw_from_one_model(ranks, world, alone):
    _, _, expected = alone["mean buffers"][world]
    images = together([found["unequal buffers"]["images"] for found in ranks])
    torch.testing.assert_close(images, together([expected]), rtol=1e-5, atol=1e-5)


def test_unequal_buffers_beside_an_older_spectral_norm_are_scored(ranks):
    """It keeps a weight that is no leaf, which cannot be copied."""
    for found in ranks:
        assert found["spectral norm"] == ranks[0]["spectral norm"]


# ---------------------------------------------------------------------------------------- errors


def said_by(ranks, name):
    return [found["errors"][name] for found in ranks]


def test_what_fails_in_one_process_fails_in_all(ranks, world):
    own = f"ValueError: no luck on {world - 1}"
    others = [f"DataError: process {world - 1} failed, so none goes on: {own}"] * (world - 1)
    assert said_by(ranks, "one fails") == [*others, own]


def test_every_process_that_failed_raises_its_own_error(ranks, world):
    others = ["DataError: process 0 failed, so none goes on: ValueError: no luck on 0"] * (world - 2)
    assert said_by(ranks, "two fail") == ["ValueError: no luck on 0", *others, f"ValueError: no luck on {world - 1}"]


def test_together_is_nothing_where_all_goes_well_or_alone(ranks, world, alone):
    assert said_by(ranks, "none fails") == ["nothing"] * world
    assert alone["errors"]["one fails"] == "ValueError: no luck on 0"


@pytest.mark.parametrize("name", ["classes of a metric", "classes"])
def test_other_numbers_of_classes_are_refused_by_all(ranks, world, name):
    classes = [3] * (world - 1) + [4]
    expected = f"DataError: expected features of as many classes on all processes, got {classes}; use one network"
    assert said_by(ranks, name) == [expected] * world


def test_other_widths_of_the_reference_are_refused_by_all(ranks, world):
    widths = [6] * (world - 1) + [7]
    for said in said_by(ranks, "width of fid"):
        assert said.startswith(f"DataError: expected the same width of the features on all processes, got {widths}")
    for said in said_by(ranks, "width of kid"):
        assert said.startswith("DataError: expected the same shape and type on all processes, got [(torch.Size([6])")


def test_features_with_nan_in_one_process_are_refused_by_all(ranks, world):
    *others, last = said_by(ranks, "nan")
    assert last.startswith("DataError: expected finite features, got NaN or infinity")
    assert others == [f"DataError: process {world - 1} failed, so none goes on: {last}"] * (world - 1)


def test_a_discriminator_that_fails_in_one_process_fails_in_all(ranks, world):
    *others, last = said_by(ranks, "discriminator")
    assert last.startswith("GANError: the discriminator gives (2, 2) for 2 samples")
    assert others == [f"DataError: process {world - 1} failed, so none goes on: {last}"] * (world - 1)
