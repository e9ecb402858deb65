import pytest
import torch
from torch import nn

from mixgan_lightning.errors import DataError
from mixgan_lightning.mixture import Mixture
from mixgan_lightning.payoff import FullFakes, ProportionalFakes, SplitFakes


def players(size, log_probabilities=None):
    mixture = Mixture([nn.Identity() for _ in range(size)])
    if log_probabilities is not None:
        mixture.log_probabilities.data = torch.tensor(log_probabilities)
    return mixture


def dealt(kind, rows, n, generators):
    """Generator by generator."""
    groups = kind.groups(n, players(generators))
    return [(group, kind.deal(rows, group)) for group in groups]


def test_full_gives_every_generator_everything():
    rows = (torch.randn(4, 2), torch.arange(4), "label", None)
    ((group, (points, numbers, *others)),) = dealt(FullFakes(), rows, 4, 3)
    assert group == (0, 3, 4, 0)
    assert torch.equal(points[0], rows[0])
    assert torch.equal(numbers[0], rows[1])
    assert len(points) == len(numbers) == 1
    assert others == ["label", None]


@pytest.mark.parametrize(("n", "generators"), [(12, 3), (13, 4), (7, 3), (10, 5), (5, 1)])
def test_split_deals_every_row_once_in_parts_that_differ_by_one(n, generators):
    parts = [row for _, part in dealt(SplitFakes(), torch.arange(n), n, generators) for row in part]
    assert [part.tolist() for part in parts] == [part.tolist() for part in torch.arange(n).tensor_split(generators)]


def test_the_groups_of_split_hold_neighbours_with_equally_many_samples():
    assert SplitFakes().groups(13, players(4)) == [(0, 1, 4, 0), (1, 3, 3, 4)]
    assert SplitFakes().groups(12, players(4)) == [(0, 4, 3, 0)]


def test_split_keeps_the_rows_of_nested_latents_together():
    latents = {"noise": torch.arange(7), "codes": (10 * torch.arange(7), None, "label")}
    for _, part in dealt(SplitFakes(), latents, 7, 3):
        assert torch.equal(10 * part["noise"], part["codes"][0])
        assert part["codes"][1:] == (None, "label")


@pytest.mark.parametrize(("n", "generators"), [(9, 5), (3, 2), (1, 1), (0, 2)])
def test_a_batch_too_small_to_split_is_told_with_what_would_do(n, generators):
    with pytest.raises(
        DataError, match=rf"batch of {n} .*between {generators} generators?.*>= {2 * generators}.*'full'"
    ):
        SplitFakes().groups(n, players(generators))


@pytest.mark.parametrize(("n", "generators"), [(10, 5), (4, 2), (2, 1)])
def test_two_samples_each_are_enough(n, generators):
    assert all(group.samples == 2 for group in SplitFakes().groups(n, players(generators)))


def test_a_discriminator_sees_each_generators_batch_alone_in_full_and_all_as_one_in_split():
    fakes = torch.arange(12.0).view(2, 3, 2)  # of two generators, three points each
    assert torch.equal(FullFakes().forwards([fakes]), fakes)
    assert torch.equal(SplitFakes().forwards([fakes]), fakes.view(1, 6, 2))
    uneven = [fakes[:, :2], torch.ones(1, 1, 2)]
    assert torch.equal(SplitFakes().forwards(uneven)[0], torch.cat([*fakes[:, :2], torch.ones(1, 2)]))


@pytest.mark.parametrize(("kind", "batches"), [(FullFakes(), 2), (SplitFakes(), 1)], ids=["full", "split"])
def test_batchnorm_normalises_what_is_seen_as_one(kind, batches):
    fakes = torch.randn(2, 6, 1) + torch.tensor([0.0, 10.0])[:, None, None]
    norm = nn.BatchNorm1d(1)
    for seen in kind.forwards([fakes]):
        expected = (seen - seen.mean()) / (seen.var(correction=0) + norm.eps).sqrt()
        assert torch.allclose(norm(seen), expected, atol=1e-5)
    assert norm.num_batches_tracked == batches


@pytest.mark.parametrize(
    ("weights", "sizes"),
    [
        ([0.25, 0.25, 0.25, 0.25], [5, 5, 5, 5]),
        ([0.5, 0.3, 0.15, 0.05], [10, 6, 3, 2]),
        ([0.97, 0.01, 0.01, 0.01], [15, 2, 2, 2]),
    ],
)
def test_parts_proportional_to_the_weights_hold_two_samples_at_least(weights, sizes):
    generators = players(4, torch.tensor(weights).log().tolist())
    groups = ProportionalFakes().groups(sum(sizes), generators)
    found = [group.samples for group in groups for _ in range(group.networks)]
    assert sum(found) == sum(sizes)
    assert min(found) >= 2
    assert found == sizes
    assert [group.first for group in groups] == [sum(g.networks for g in groups[:k]) for k in range(len(groups))]
    rows = torch.cat([ProportionalFakes().deal(torch.arange(sum(sizes)), group).flatten() for group in groups])
    assert torch.equal(rows, torch.arange(sum(sizes)))


def test_outputs_are_dealt_out_along_any_axis():
    scores = torch.arange(14.0).view(2, 7)  # of two discriminators
    for group, part in ((g, SplitFakes().deal(scores, g, dim=1)) for g in SplitFakes().groups(7, players(3))):
        end = group.start + group.networks * group.samples
        assert torch.equal(part.flatten(1), scores[:, group.start : end])
        assert part.shape == (2, group.networks, group.samples)
