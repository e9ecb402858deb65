import numpy as np
import pytest
import torch
from torch import nn

from mixgan_lightning import log_names
from mixgan_lightning.callbacks import FrechetMeasure, NearestTrainingImageMeasure, QualityCallback
from mixgan_lightning.callbacks.measures import InceptionScoreMeasure, ModeCoverageMeasure
from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.features import DigitsClassifier

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def classifier():
    return DigitsClassifier.pretrained()


def inception_score(logits):
    """exp E KL(p(y|x) ‖ p(y)), written out."""
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    return np.exp(np.mean([np.sum(row * (np.log(row) - np.log(p.mean(0)))) for row in p]))


def root(matrix):
    """The symmetric root of a covariance."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(values.clip(0))) @ vectors.T


def frechet_distance(a, b):
    """|μ_a − μ_b|² + tr(A + B − 2 (A^½ B A^½)^½): the symmetric form, unlike torchmetrics'."""
    covariances = [np.cov(x, rowvar=False) for x in (a, b)]
    inner = root(covariances[0]) @ covariances[1] @ root(covariances[0])
    return np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(covariances[0] + covariances[1] - 2 * root(inner))


def test_the_real_row_is_the_score_of_held_out_digits(classifier, fit, digits_model, digits):
    callback = QualityCallback([InceptionScoreMeasure(classifier, splits=1)], None)
    fit(digits_model(), digits, callbacks=[callback], limit_train_batches=1)
    held_out, _ = digits.validation.tensors
    with torch.no_grad():
        expected = inception_score(classifier(held_out).double().numpy())
    assert callback.real[log_names.INCEPTION_SCORE_MEAN] == pytest.approx(expected, rel=1e-12)
    assert callback.real[log_names.INCEPTION_SCORE_STD] == 0
    assert 9 < expected < 10


def test_frechet_distance_against_float64_numpy(classifier, digits):
    held_out, train = digits.validation.tensors[0], digits.train.tensors[0]
    samples = (train[:360] + 0.3 * torch.randn(360, 1, 8, 8)).clamp(-1, 1)
    measure = FrechetMeasure(classifier)
    measure.observe(held_out.split(100), CPU)
    found = measure.values(samples.split(77))[log_names.FRECHET_DISTANCE]
    embed = classifier.embedding
    expected = frechet_distance(embed(samples).double().numpy(), embed(held_out).double().numpy())
    assert found == pytest.approx(expected, rel=1e-4)
    assert found > 5


def test_frechet_distance_to_itself_is_zero_and_the_reference_is_kept(classifier, digits):
    held_out, train = digits.validation.tensors[0], digits.train.tensors[0]
    measure = FrechetMeasure(classifier)
    measure.observe([held_out], CPU)
    first, other, again = (
        measure.values([images])[log_names.FRECHET_DISTANCE] for images in (held_out, train, held_out)
    )
    assert first == again == pytest.approx(0, abs=1e-2)
    assert other > 0.5


def test_frechet_distance_asks_for_an_embedding():
    with pytest.raises(ConfigurationError, match=r"embedding\(images\) -> \(N, d\); Linear has none"):
        FrechetMeasure(nn.Linear(1, 1))


def test_nearest_training_image_against_all_pairs(digits, digits_model, fit):
    model, callback = digits_model(), QualityCallback([NearestTrainingImageMeasure()], None)
    fit(model, digits, callbacks=[callback], limit_train_batches=1)
    train = digits.train.tensors[0].flatten(1).double().numpy()

    def expected(images):
        images = images.flatten(1).double().numpy()
        return np.mean([np.sqrt(((image - train) ** 2).sum(1)).min() for image in images])

    samples, _ = model.sample(360, seed=0)
    name = log_names.NEAREST_TRAINING_IMAGE
    assert callback.measure(model)[name] == pytest.approx(expected(samples), rel=1e-6)
    assert callback.real[name] == pytest.approx(expected(digits.validation.tensors[0]), rel=1e-6)


def test_copies_of_training_images_are_at_distance_zero(digits):
    train = digits.train.tensors[0]
    measure = NearestTrainingImageMeasure()
    measure.observe(train.split(500), CPU)
    assert measure.values([train[5:50]]) == {log_names.NEAREST_TRAINING_IMAGE: 0}


def test_mode_coverage_against_a_loop_over_samples():
    centers, sd = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]]), 0.5
    points = torch.randn(300, 2) * 3
    near = [[bool((point - center).norm() <= 3 * sd) for center in centers] for point in points]
    counts = np.array(near).sum(0)
    share = counts / counts.sum()
    measure = ModeCoverageMeasure(centers, sd)
    measure.observe([], CPU)
    assert measure.values(points.split(64)) == pytest.approx(
        {
            log_names.MODES_COVERED: np.count_nonzero(counts),
            log_names.GOOD_SHARE: counts.sum() / 300,
            log_names.REVERSE_KL: np.sum(share * np.log(share * 3)),
        }
    )


def test_measuring_leaves_the_features_weights_and_modes(classifier, digits):
    before = {key: value.clone() for key, value in classifier.state_dict().items()}
    classifier.train()
    try:
        for measure in (InceptionScoreMeasure(classifier, splits=2), FrechetMeasure(classifier)):
            measure.observe([digits.validation.tensors[0]], CPU)
            measure.values([digits.train.tensors[0][:100]])
        assert classifier.training
    finally:
        classifier.eval()
    assert all(torch.equal(value, before[key]) for key, value in classifier.state_dict().items())
