import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, SubsetRandomSampler, TensorDataset
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric

from mixgan_lightning import log_names
from mixgan_lightning.errors import ConfigurationError, DataError
from mixgan_lightning.evaluation import (
    DrawnSamples,
    FrechetMeasure,
    InceptionScoreMeasure,
    KernelMeasure,
    NearestTrainingImageMeasure,
    PrecisionRecallMeasure,
    Scoring,
)

CPU = torch.device("cpu")
N_TRAIN, N_HELD_OUT = 40, 30


class Recorder:
    """A measure of the user's own: which samples it was shown."""

    least = 1
    needs = None

    def __init__(self, real_rows=("held_out", "train"), reference=None, name="count"):
        self.real_rows, self.reference, self.name = real_rows, reference, f"quality/{name}"
        self.measured, self.observed = [], []

    def forget(self):
        self.observed = []

    def observe(self, seen):
        self.observed.append(seen)

    def ready(self, device):
        pass

    def reset(self):
        self.measured.append([])

    def update(self, seen):
        self.measured[-1].append(seen)

    def values(self):
        return {self.name: float(sum(len(seen.samples) for seen in self.measured[-1]))}

    def images(self, i=-1):
        """What the i-th set of samples was."""
        return torch.cat([seen.samples for seen in self.measured[i]])


def every_measure(splits=2):
    kernel, quality = KernelMeasure("train", subsets=3, subset_size=10), PrecisionRecallMeasure("train")
    return [InceptionScoreMeasure(splits), FrechetMeasure(), kernel, quality, NearestTrainingImageMeasure()]


@pytest.fixture
def train(images):
    return images(N_TRAIN, seed=1)


@pytest.fixture
def held_out(images):
    return images(N_HELD_OUT, seed=2)


@pytest.fixture
def prepared(data, real, train, held_out):
    """``prepared(measures, features=None, num_samples=20, train=…, held_out=…)``: a scoring that has seen real data."""

    def make(measures, features=None, num_samples=20, train=train, held_out=held_out):
        scoring = Scoring(measures, features, num_samples)
        scoring.prepare(real(data(train, held_out)), CPU)
        return scoring

    return make


# ------------------------------------------------------------------------------------------------ one pass


def test_every_sample_is_generated_once_and_its_features_computed_once(prepared, features, in_memory, images):
    scoring, samples = prepared(every_measure(), features), in_memory(images(20))
    features.asked.clear()
    values = scoring.score(samples)
    assert len(values) == 8
    assert samples.passes == 1
    assert features.asked == {"embedding": 20, "logits": 20}


def test_every_real_sample_is_looked_at_once_as_reference_and_once_as_real_data(prepared, features):
    prepared(every_measure(), features)  # 20 training samples for the Fréchet distance, 20 held-out ones for the others
    assert features.asked == dict.fromkeys(["embedding", "logits"], N_TRAIN + N_HELD_OUT + 20 + 20)


def test_features_are_not_computed_where_no_measure_looks_at_them(prepared, features, in_memory, images):
    prepared([NearestTrainingImageMeasure()], features).score(in_memory(images(20)))
    assert not features.asked
    prepared([NearestTrainingImageMeasure(), InceptionScoreMeasure(2)], features)  # training data: for the first alone
    assert features.asked == {"forward": 20}  # nothing looks at the embedding


def test_the_values_are_those_of_each_measure_alone(prepared, features, in_memory, images):
    together = prepared(every_measure(), features)
    values = together.score(in_memory(images(20)))
    alone = [prepared([measure], features) for measure in every_measure()]
    assert {key: value for one in alone for key, value in one.score(in_memory(images(20))).items()} == values
    assert {key: value for one in alone for key, value in one.real.items()} == together.real
    assert set(values) == set(together.real)


def test_batches_do_not_change_the_values(prepared, features, in_memory, images):
    scoring = prepared(every_measure(), features)
    whole = scoring.score(in_memory(images(20), size=20))
    for size in (1, 7):
        assert scoring.score(in_memory(images(20), size)) == pytest.approx(whole, rel=1e-4, abs=1e-6)


def test_the_samples_before_are_forgotten_and_the_reference_is_not(prepared, features, in_memory, images):
    scoring = prepared(every_measure(), features)
    first = scoring.score(in_memory(images(20)))
    other = scoring.score(in_memory(images(20, seed=9)))
    assert other != first
    assert scoring.score(in_memory(images(20))) == first


def test_drawn_samples_are_the_mixtures(prepared, image_model):
    model, recorder = image_model(), Recorder()
    scoring = prepared([recorder])
    assert scoring.score(DrawnSamples(model.sampler, 700, seed=3)) == {"quality/count": 700}
    assert torch.equal(recorder.images(), model.sample(700, seed=3)[0])


def test_frechet_distance_is_torch_fidelitys(prepared, features, in_memory, images, held_out):
    samples = images(500).pow(3)
    scoring = prepared([FrechetMeasure()], features, num_samples=None)
    found = scoring.score(in_memory(samples))[log_names.FRECHET_DISTANCE]
    with torch.no_grad():
        embeddings = [features.eval().embedding(given).double() for given in (samples, held_out)]
    expected = fid_statistics_to_metric(*map(fid_features_to_statistics, embeddings), verbose=False)[KEY_METRIC_FID]
    assert found == pytest.approx(expected, rel=1e-6)
    assert found > 0.01


def test_progress_tells_the_samples_scored_so_far(prepared, in_memory, images):
    told = []
    prepared([Recorder()]).score(in_memory(images(20)), told.append)
    assert told == [7, 14, 20]


def test_features_keep_their_weights_buffers_and_modes(prepared, in_memory, images, features):
    features.body.append(nn.BatchNorm1d(5))
    features.head.eval()
    modes = [module.training for module in features.modules()]
    before = {name: value.clone() for name, value in features.state_dict().items()}
    prepared(every_measure(), features).score(in_memory(images(20)))
    assert [module.training for module in features.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in features.state_dict().items())


def test_features_move_to_the_device_once_it_is_known(data, real, train, held_out):
    moved = []

    class Moving(nn.Flatten):
        def to(self, device):
            moved.append(device)
            return super().to(device)

    Scoring([Recorder()], Moving(), 20).prepare(real(data(train, held_out)), CPU)
    assert moved == [CPU]


class Drawing(nn.Module):
    """Features that draw from the global streams, as a network with noise in it does."""

    def forward(self, images):
        return images.flatten(1) + torch.rand(len(images), 4)


class ShuffledStream(IterableDataset):
    def __init__(self, images):
        self.images = images

    def __iter__(self):
        return iter(self.images[torch.randperm(len(self.images))])


class Augmented(Dataset):
    """Draws from all the global streams."""

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return self.images[i] * (torch.rand(()) + np.random.rand() + random.random())  # noqa: NPY002


HELD_OUT = {
    "in memory": lambda images: DataLoader(TensorDataset(images), 8),
    "streamed": lambda images: DataLoader(ShuffledStream(images), 8),
    "augmented": lambda images: DataLoader(Augmented(images), 8),
    "sampled": lambda images: DataLoader(TensorDataset(images), 8, sampler=SubsetRandomSampler(range(25))),
}


@pytest.mark.parametrize("loader", HELD_OUT.values(), ids=HELD_OUT)
def test_the_random_streams_are_left_alone(loader, data, real, train, held_out, in_memory, images):
    def streams():
        return torch.get_rng_state().tolist(), random.getstate(), [*map(str, np.random.get_state())]  # noqa: NPY002

    datamodule = data(train, held_out)
    datamodule.val_dataloader = lambda: loader(held_out)
    found = []
    for seed in range(2):
        torch.manual_seed(seed)
        before = streams()
        scoring = Scoring([InceptionScoreMeasure(2), NearestTrainingImageMeasure()], Drawing(), 20)
        scoring.prepare(real(datamodule), CPU)
        assert streams() == before
        found.append((scoring.real, scoring.score(in_memory(images(20)))))
        assert streams() == before
    assert found[0] == found[1]  # nor do the values depend on them


# ------------------------------------------------------------------------------------------------ real data


@pytest.mark.parametrize(
    ("real_rows", "num_samples", "chosen"),
    [
        (("held_out", "train"), 20, "held_out"),
        (("held_out", "train"), 30, "held_out"),  # exactly as many as there are
        (("held_out", "train"), 31, "train"),
        (("held_out",), 20, "held_out"),
        (("train",), 20, "train"),
        (("train",), 40, "train"),
    ],
)
def test_real_data_are_scored_in_equal_numbers_of_the_first_split_that_has_enough(
    real_rows, num_samples, chosen, prepared, train, held_out, recwarn
):
    recorder = Recorder(real_rows)
    scoring = prepared([recorder], num_samples=num_samples)
    split = {"train": train, "held_out": held_out}[chosen]
    assert torch.equal(recorder.images(), split[torch.arange(num_samples) * len(split) // num_samples])
    assert scoring.real == {"quality/count": num_samples}
    assert scoring.real_splits == {"quality/count": chosen}
    assert not [warning for warning in recwarn if "num_samples" in str(warning.message)]


def test_each_measure_has_its_own_real_data_and_its_own_reference(prepared, train, held_out):
    recorders = [
        Recorder(("held_out", "train"), None, "a"),
        Recorder(("train",), "held_out", "b"),
        Recorder(("held_out",), "train", "c"),
    ]
    scoring = prepared(recorders)
    assert scoring.real_splits == {"quality/a": "held_out", "quality/b": "train", "quality/c": "held_out"}
    assert [len(recorder.measured) for recorder in recorders] == [1, 1, 1]
    observed = [[seen.samples for seen in recorder.observed] for recorder in recorders]
    assert not observed[0]
    assert torch.equal(torch.cat(observed[1]), held_out)
    assert torch.equal(torch.cat(observed[2]), train)


@pytest.mark.parametrize(("num_samples", "left"), [(31, {"quality/b"}), (41, set())])
def test_more_samples_than_real_data_leave_the_real_row_out_with_a_warning(num_samples, left, prepared):
    recorders = [Recorder(("held_out",), None, "a"), Recorder(("train",), None, "b")]
    with pytest.warns(UserWarning, match=rf"Recorder: num_samples={num_samples}, more than .*not scored"):
        scoring = prepared(recorders, num_samples=num_samples)
    assert set(scoring.real) == set(scoring.real_splits) == left


def test_without_any_real_data_there_is_nothing_to_warn_of(prepared, in_memory, images, recwarn):
    scoring = prepared([Recorder()], train=None, held_out=None)
    assert scoring.real == scoring.real_splits == {}
    assert not [warning for warning in recwarn if "num_samples" in str(warning.message)]
    assert scoring.score(in_memory(images(20))) == {"quality/count": 20}


def test_without_a_number_there_are_as_many_samples_as_held_out(prepared):
    recorder = Recorder()
    scoring = prepared([recorder], num_samples=None)
    assert scoring.num_samples == len(recorder.images()) == N_HELD_OUT


def test_without_a_number_and_held_out_data_nobody_knows_how_many(prepared):
    with pytest.raises(DataError, match=r"num_samples=None .*\(held_out\).*val_dataloader"):
        prepared([Recorder()], num_samples=None, held_out=None)


@pytest.mark.parametrize(
    ("measure", "split", "loader"),
    [
        (NearestTrainingImageMeasure(), "train", "train_dataloader"),
        (FrechetMeasure("train"), "train", "train_dataloader"),
        (FrechetMeasure(), "held_out", "val_dataloader"),
        (KernelMeasure(), "held_out", "val_dataloader"),
        (Recorder(reference="held_out"), "held_out", "val_dataloader"),
    ],
)
def test_a_measure_without_its_reference_is_refused(measure, split, loader, prepared, features):
    name = type(measure).__name__
    with pytest.raises(DataError, match=rf"{name} compares .*\({split}\).*trainer\.fit\(.*{loader}"):
        prepared([Recorder(), measure], features, **{split: None})


def test_a_second_preparation_begins_anew(prepared, data, real, features, in_memory, images):
    """As where a callback serves two fits in turn."""
    other = images(35, seed=3), images(25, seed=4)
    scoring = prepared(every_measure(), features)
    scoring.score(in_memory(images(20)))
    scoring.prepare(real(data(*other)), CPU)
    fresh = prepared(every_measure(), features, 20, *other)
    assert scoring.real == fresh.real
    assert scoring.score(in_memory(images(20))) == fresh.score(in_memory(images(20)))
    with pytest.warns(UserWarning, match="not scored"):
        scoring.prepare(real(data(other[0], images(19))), CPU)
    assert scoring.real_splits[log_names.INCEPTION_SCORE_MEAN] == "train"
    assert log_names.NEAREST_TRAINING_IMAGE not in scoring.real


def test_a_second_preparation_begins_anew_also_after_one_that_failed(prepared, data, real, features, train, held_out):
    """Half of the references had been seen."""
    scoring = Scoring(every_measure(), features, 20)
    with pytest.raises(DataError, match="held_out"):
        scoring.prepare(real(data(train)), CPU)
    broken = held_out.clone()
    broken[-1] = torch.nan
    with pytest.raises(DataError, match="NaN"):
        scoring.prepare(real(data(train, broken)), CPU)
    scoring.prepare(real(data(train, held_out)), CPU)
    assert scoring.real == prepared(every_measure(), features).real


def test_a_second_preparation_counts_anew(data, real, train, held_out):
    scoring = Scoring([Recorder()], None, None)
    for n in (30, 10, 20):
        scoring.prepare(real(data(train, held_out[:n])), CPU)
        assert scoring.num_samples == n
        assert scoring.real == {"quality/count": n}


# ------------------------------------------------------------------------------------------------ what cannot be


def test_fewer_samples_than_splits_are_refused_before_anything_is_computed(prepared, features):
    with pytest.raises(ConfigurationError, match=r"num_samples=9: InceptionScoreMeasure needs at least 10"):
        prepared([InceptionScoreMeasure(10)], features, num_samples=9)
    with pytest.raises(ConfigurationError, match=r"num_samples=30: InceptionScoreMeasure needs at least 31"):
        prepared([InceptionScoreMeasure(31)], features, num_samples=None)
    assert not features.asked
    prepared([InceptionScoreMeasure(10)], features, num_samples=10)


@pytest.mark.parametrize("measure", [InceptionScoreMeasure(), FrechetMeasure(), KernelMeasure()])
def test_a_measure_without_the_features_that_it_needs_is_refused(measure):
    with pytest.raises(ConfigurationError, match=f"{type(measure).__name__} is computed in features.*pass features="):
        Scoring([Recorder(), measure], None, 20)


@pytest.mark.parametrize("measure", [FrechetMeasure(), KernelMeasure(), PrecisionRecallMeasure()])
def test_a_distance_asks_for_an_embedding(measure):
    with pytest.raises(ConfigurationError, match=rf"{type(measure).__name__} needs .*embedding\(.*\) -> \(N, d\); Lin"):
        Scoring([InceptionScoreMeasure(), measure], nn.Linear(1, 1), 20)
    Scoring([InceptionScoreMeasure()], nn.Linear(1, 1), 20)


def test_features_that_do_not_fit_are_found_in_the_first_batch(in_memory, images):
    with pytest.raises(DataError, match=r"\(7, width\), got .*\(28,\)"):
        Scoring([InceptionScoreMeasure()], nn.Flatten(0), 20).check(in_memory(images(20)))
    Scoring([InceptionScoreMeasure()], nn.Flatten(), 20).check(in_memory(images(20)))


def test_features_whose_two_ways_to_the_logits_disagree_are_found_in_the_first_batch(features, in_memory, images):
    Scoring([InceptionScoreMeasure()], features, 20).check(in_memory(images(20)))
    features.logits = lambda embedding: 2 * features.head(embedding)
    with pytest.raises(DataError, match=r"CountingFeatures: expected logits\(embedding\(samples\)\)"):
        Scoring([InceptionScoreMeasure()], features, 20).check(in_memory(images(20)))
