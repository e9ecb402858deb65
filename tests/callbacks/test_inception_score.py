import pytest
import torch

from mixgan_lightning import log_names
from mixgan_lightning.callbacks import InceptionScoreCallback
from mixgan_lightning.evaluation import FrechetMeasure, NearestTrainingImageMeasure
from mixgan_lightning.features import DigitsClassifier
from mixgan_lightning.metrics import InceptionScore


def splits_of(callback):
    return callback.scoring.measures[0].metric.splits


@pytest.mark.parametrize(
    ("options", "splits"),
    [
        ({}, 10),
        ({"num_samples": 5_000}, 10),
        ({"num_samples": 4_999}, 1),
        ({"num_samples": None}, 1),
        ({"num_samples": 100, "splits": 4}, 4),
        ({"num_samples": 50_000, "splits": 1}, 1),
    ],
)
def test_ten_splits_for_many_samples_and_one_for_few(options, splits):
    assert splits_of(InceptionScoreCallback(DigitsClassifier(), **options)) == splits


def test_the_papers_number_of_samples_is_the_default():
    assert InceptionScoreCallback(DigitsClassifier()).scoring.num_samples == 50_000


def test_the_logged_score_is_the_metrics_of_the_same_samples(fit, digits_model, digits, rows):
    torch.manual_seed(0)
    features = DigitsClassifier()
    callback = InceptionScoreCallback(features, num_samples=90, splits=3, seed=5)
    model = digits_model()
    fit(model, digits, callbacks=[callback], logger=rows.logger, limit_train_batches=2)
    metric = InceptionScore(features, splits=3)
    metric.update(model.sample(90, seed=5)[0])
    mean, std = map(float, metric.compute())
    assert rows(log_names.INCEPTION_SCORE_MEAN) == [(0, pytest.approx(mean, rel=1e-6))]
    assert rows(log_names.INCEPTION_SCORE_STD) == [(0, pytest.approx(std, rel=1e-4))]
    assert std > 0


@pytest.mark.parametrize(
    ("also", "kinds"),
    [
        ((), []),
        ([FrechetMeasure()], [FrechetMeasure]),
        ({"frechet": FrechetMeasure(), "nearest": None}, [FrechetMeasure]),
        ({"frechet": None, "nearest": NearestTrainingImageMeasure()}, [NearestTrainingImageMeasure]),
    ],
)
def test_other_measures_stand_beside_the_score_and_null_leaves_one_out(also, kinds):
    score, *others = InceptionScoreCallback(DigitsClassifier(), also=also).scoring.measures
    assert score.needs == "logits"
    assert list(map(type, others)) == kinds
