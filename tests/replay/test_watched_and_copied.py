"""Scored while they train, trained twice, copied: mixtures of users' GANs behave as any of this package."""

import copy
import pickle

import pytest
import torch
import zoo_drawn as drawn
from runs import fit, random_states, seed_everything, trainer, user_value
from test_with_the_rest import Features, assert_equal, mixture_of, state_of
from torch.utils.data import DataLoader, IterableDataset, TensorDataset
from zoo import ZOO, Entry

from mixgan_lightning import mix
from mixgan_lightning.callbacks import InceptionScoreCallback, MixtureMonitor, SampleGrid


def with_a_stream_of_its_own():
    return DataLoader(drawn.points().dataset, 8, shuffle=True, generator=torch.Generator().manual_seed(3))


class Streamed(IterableDataset):
    """Reads on from where it stopped."""

    def __init__(self):
        self.rows = iter(torch.randn(400, 2, generator=torch.Generator().manual_seed(1)))

    def __iter__(self):
        for _ in range(40):
            yield next(self.rows), torch.tensor(0)


def raw_points():
    x = torch.randint(-9, 9, (40, 1, 2), generator=torch.Generator().manual_seed(1))
    return DataLoader(TensorDataset(x, torch.zeros(40).long()), 8, shuffle=True)


class LearningReshaped(drawn.Reshaped, drawn.Learning):
    """Learns from data that are made on the device of what the dataset holds."""


DATA = {
    "plain": (drawn.Learning, drawn.points),
    "datamodule": (drawn.Learning, drawn.Points),
    "a loader with a stream of its own": (drawn.Learning, with_a_stream_of_its_own),
    "a stream that reads on": (drawn.Learning, lambda: DataLoader(Streamed(), 8)),
    "made on the device": (LearningReshaped, raw_points),
}


@pytest.mark.parametrize("name", DATA)
def test_training_is_the_same_with_and_without_the_callbacks(name, tmp_path):
    """Bit for bit, with the random streams where they would be and the data in the same order."""
    gan, data = DATA[name]
    found = []
    for watched in (False, True):
        watchers = [
            InceptionScoreCallback(Features(), num_samples=64, every_n_steps=2),
            SampleGrid(tmp_path / "samples", num_images=4),
            MixtureMonitor(),
        ]
        model = mixture_of(gan)
        run = trainer(tmp_path, *(watchers if watched else []), max_epochs=2)
        run.fit(model, data())
        found.append((state_of(model), random_states()))
    (states, streams), (watched_states, watched_streams) = found
    assert_equal(states, watched_states)
    assert torch.equal(streams[0], watched_streams[0])
    assert (streams[1][1] == watched_streams[1][1]).all()
    assert streams[2] == watched_streams[2]
    assert (tmp_path / "samples" / "epoch_0002.png").exists()
    assert model.sample(4, seed=0)[0].shape == (4, 2)


# ---------------------------------------------------------------------------------------- trained twice


def plain_and_mixed(entry, tmp_path):
    """The user's module and a mixture of one, each trained twice."""
    found = []
    for make in (entry.plain or entry.make, lambda: mix(entry.make, size=1, log_probability_lr=0, **entry.options)):
        seed_everything()
        model = make()
        for _ in range(2):
            fit(model, entry, tmp_path)
        found.append(model)
    return found


@pytest.mark.parametrize(
    "entry", [ZOO["own optimisers"], Entry(drawn.OptimizersOfInit, data=drawn.points)], ids=["of attributes", "of init"]
)
def test_a_second_fit_has_the_optimisers_that_the_users_own_would_have(entry, tmp_path):
    module, model = plain_and_mixed(entry, tmp_path)
    for key, value in module.state_dict().items():
        assert torch.equal(value, user_value(model, entry, key)), key


# ---------------------------------------------------------------------------------------- copied


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
@pytest.mark.parametrize("before_training", [True, False])
def test_a_copy_trains_apart_from_its_original(copied, before_training, tmp_path):
    entry = Entry(drawn.Learning, data=drawn.points)
    model = mixture_of(drawn.Learning)
    if not before_training:
        fit(model, entry, tmp_path)
    before, other = state_of(model), copied(model)
    seed_everything()
    fit(other, entry, tmp_path)
    assert_equal(state_of(model), before)
    seed_everything()
    fit(model, entry, tmp_path)
    if before_training:  # pairs keep counters of their own, which a copy begins anew
        assert_equal(state_of(other), state_of(model))
