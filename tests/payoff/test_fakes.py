import pytest
import torch
from torch import nn

from mixgan_lightning.errors import DataError
from mixgan_lightning.payoff import FullFakes, SplitFakes


def test_full_gives_every_generator_everything():
    dealt = (torch.randn(4, 2), torch.arange(4))
    assert all(part is dealt for part in FullFakes().deal(dealt, 3))
    assert len(FullFakes().deal(dealt, 3)) == 3


@pytest.mark.parametrize(("n", "generators"), [(12, 3), (13, 4), (7, 3), (10, 5), (5, 1)])
def test_split_deals_every_row_once_in_parts_that_differ_by_one(n, generators):
    parts = SplitFakes().deal(torch.arange(n), generators)
    assert torch.equal(torch.cat(parts), torch.arange(n))
    sizes = list(map(len, parts))
    assert len(sizes) == generators
    assert max(sizes) - min(sizes) <= 1


def test_split_keeps_the_rows_of_nested_latents_together():
    latents = {"noise": torch.arange(7), "codes": (10 * torch.arange(7), None, "label")}
    for part in SplitFakes().deal(latents, 3):
        assert torch.equal(10 * part["noise"], part["codes"][0])
        assert part["codes"][1:] == (None, "label")


@pytest.mark.parametrize(("n", "generators"), [(9, 5), (3, 2), (1, 1), (0, 2)])
def test_a_batch_too_small_to_split_is_told_with_what_would_do(n, generators):
    with pytest.raises(
        DataError, match=rf"batch of {n} .*between {generators} generators.*>= {2 * generators}.*'full'"
    ):
        SplitFakes().deal(torch.randn(n, 2), generators)


@pytest.mark.parametrize(("n", "generators"), [(10, 5), (4, 2), (2, 1)])
def test_two_samples_each_are_enough(n, generators):
    assert all(len(part) == 2 for part in SplitFakes().deal(torch.randn(n, 2), generators))


def test_batchnorm_sees_each_generators_batch_alone_in_full_and_all_as_one_in_split():
    fakes = [torch.randn(6, 1) + shift for shift in (0.0, 10.0)]
    for kind, batches in ((FullFakes, fakes), (SplitFakes, [torch.cat(fakes)])):
        norm = nn.BatchNorm1d(1)
        scores = kind().score(lambda x, norm=norm: norm(x).flatten(), fakes)
        expected = torch.cat([(x - x.mean()) / (x.var(correction=0) + norm.eps).sqrt() for x in batches]).flatten()
        assert torch.allclose(torch.cat(scores), expected, atol=1e-5)
        assert [len(part) for part in scores] == [6, 6]
        assert norm.num_batches_tracked == len(batches)


def test_scores_come_back_to_the_generator_whose_fakes_they_are():
    fakes = [torch.full((2 + i, 1), float(i)) for i in range(3)]
    for kind in (FullFakes, SplitFakes):
        for i, part in enumerate(kind().score(lambda x: x.flatten(), fakes)):
            assert torch.equal(part, fakes[i].flatten())


def test_penalties_see_whole_batches():
    fakes = [torch.randn(4, 2), torch.randn(4, 2)]
    assert FullFakes().penalised(fakes) is fakes
    (joint,) = SplitFakes().penalised(fakes)
    assert torch.equal(joint, torch.cat(fakes))


def test_all_that_a_discriminator_gives_is_dealt_out_with_the_fakes():
    fakes = [torch.full((2 + i, 1), float(i)) for i in range(3)]
    for kind in (FullFakes, SplitFakes):
        parts = kind().score(lambda x: {"validity": x.flatten(), "more": (10 * x, None)}, fakes)
        for part, fake in zip(parts, fakes, strict=True):
            assert torch.equal(part["validity"], fake.flatten())
            assert torch.equal(part["more"][0], 10 * fake)
            assert part["more"][1] is None
