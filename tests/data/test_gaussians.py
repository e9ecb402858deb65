import pytest
import torch

from mixgan_lightning.data import GaussiansGrid, GaussiansRing
from mixgan_lightning.errors import ConfigurationError


@pytest.mark.parametrize("data", [GaussiansRing(), GaussiansGrid()], ids=["ring", "grid"])
def test_samples_lie_around_every_center_with_the_given_sd(data):
    data.setup()
    samples = torch.cat([data.train.tensors[0], data.validation.tensors[0]])
    nearest = torch.cdist(samples, data.centers).argmin(1)
    errors = samples - data.centers[nearest]
    assert (nearest.bincount() / len(samples) * len(data.centers) - 1).abs().max() < 0.1
    assert errors.std() == pytest.approx(data.sd, rel=0.01)
    assert errors.mean(0).abs().max() < data.sd / 50


def test_the_ring_lies_on_its_circle_at_equal_distances():
    centers = GaussiansRing(modes=5, radius=3.0).centers
    torch.testing.assert_close(centers.norm(dim=1), torch.full((5,), 3.0))
    sides = (centers - centers.roll(1, 0)).norm(dim=1)
    torch.testing.assert_close(sides, sides[:1].expand(5))


def test_the_grid_is_pacgans():
    centers = {tuple(center) for center in GaussiansGrid().centers.tolist()}
    assert centers == {(x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)}


def test_a_fifth_is_held_out_and_samples_are_the_same_without_touching_the_random_stream():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first, second = GaussiansRing(num_samples=1000), GaussiansRing(num_samples=1000)
    first.setup()
    second.setup()
    assert (len(first.train), len(first.validation)) == (800, 200)
    assert torch.equal(first.train.tensors[0], second.train.tensors[0])
    assert torch.equal(torch.get_rng_state(), before)


def test_batches_are_tensors_without_labels():
    data = GaussiansGrid(batch_size=10, num_samples=100)
    data.setup()
    assert next(iter(data.train_dataloader())).shape == (10, *data.sample_shape)
    assert data.num_classes is None


@pytest.mark.parametrize(
    "wrong",
    [{"sd": 0.0}, {"sd": float("nan")}, {"num_samples": 1}, {"batch_size": 0}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_numbers_that_are_not_positive_are_refused(wrong):
    for build in (GaussiansRing, GaussiansGrid):
        with pytest.raises(ConfigurationError, match=next(iter(wrong))):
            build(**wrong)


@pytest.mark.parametrize(
    "build",
    [
        lambda: GaussiansRing(modes=0),
        lambda: GaussiansRing(radius=-1.0),
        lambda: GaussiansGrid(side=0),
        lambda: GaussiansGrid(spacing=0.0),
    ],
)
def test_shapes_without_modes_are_refused(build):
    with pytest.raises(ConfigurationError):
        build()
