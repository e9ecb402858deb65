import warnings

import numpy as np
import pytest
import torch

from mixgan_lightning import log_names
from mixgan_lightning.data import digits_split
from mixgan_lightning.errors import DataError
from mixgan_lightning.evaluation import (
    BirthdayMeasure,
    ClassCoverageMeasure,
    FrechetMeasure,
    InceptionScoreMeasure,
    KernelMeasure,
    ModeCoverageMeasure,
    NearestTrainingImageMeasure,
    NeuralNetDivergenceMeasure,
    PrecisionRecallMeasure,
)
from mixgan_lightning.evaluation.seen import see
from mixgan_lightning.features import DigitsClassifier
from mixgan_lightning.metrics import KernelDistance, PrecisionRecall

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def classifier():
    return DigitsClassifier.pretrained()


@pytest.fixture(scope="module")
def train():
    return digits_split()[0][0]


@pytest.fixture(scope="module")
def held_out():
    return digits_split()[1][0]


def seen_of(samples, features, order=None):
    """Batches as measures see them: in order, or in another one."""
    order = torch.arange(len(samples)) if order is None else order
    return [see(features, samples[index], index) for index in order.split(77)]


def observe(measure, reference, features=None, order=None):
    for seen in seen_of(reference, features, order):
        measure.observe(seen)
    measure.ready(CPU)
    return measure


def values(measure, samples, features=None, order=None):
    measure.reset()
    for seen in seen_of(samples, features, order):
        measure.update(seen)
    return measure.values()


def inception_score(logits):
    """exp E KL(p(y|x) ‖ p(y)), written out."""
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    return np.exp(np.mean([np.sum(row * (np.log(row) - np.log(p.mean(0)))) for row in p]))


def root(matrix):
    """The symmetric root of a covariance."""
    found, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(found.clip(0))) @ vectors.T


def frechet_distance(a, b):
    """|μ_a − μ_b|² + tr(A + B − 2 (A^½ B A^½)^½): the symmetric form, unlike torchmetrics'."""
    covariances = [np.cov(x, rowvar=False) for x in (a, b)]
    inner = root(covariances[0]) @ covariances[1] @ root(covariances[0])
    return np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(covariances[0] + covariances[1] - 2 * root(inner))


def test_inception_score_against_float64_numpy(classifier, held_out):
    logits = classifier(held_out).double().numpy()
    found = values(InceptionScoreMeasure(splits=1), held_out, classifier)
    assert found == pytest.approx(
        {log_names.INCEPTION_SCORE_MEAN: inception_score(logits), log_names.INCEPTION_SCORE_STD: 0}, rel=1e-12
    )
    assert 9 < found[log_names.INCEPTION_SCORE_MEAN] < 10
    scores = [inception_score(logits[k::3]) for k in range(3)]
    found = values(InceptionScoreMeasure(splits=3), held_out, classifier)
    assert found == pytest.approx(
        {log_names.INCEPTION_SCORE_MEAN: np.mean(scores), log_names.INCEPTION_SCORE_STD: np.std(scores)}, rel=1e-9
    )


def test_frechet_distance_against_float64_numpy(classifier, train, held_out):
    samples = (train[:360] + 0.3 * torch.randn(360, 1, 8, 8)).clamp(-1, 1)
    found = values(observe(FrechetMeasure(), held_out, classifier), samples, classifier)
    embed = classifier.embedding
    expected = frechet_distance(embed(samples).double().numpy(), embed(held_out).double().numpy())
    assert found == {log_names.FRECHET_DISTANCE: pytest.approx(expected, rel=1e-6)}
    assert expected > 5


def test_frechet_distance_to_itself_is_zero_and_the_reference_is_kept(classifier, train, held_out):
    measure = observe(FrechetMeasure(), held_out, classifier)
    first, other, again = (
        values(measure, images, classifier)[log_names.FRECHET_DISTANCE] for images in (held_out, train, held_out)
    )
    assert first == again == pytest.approx(0, abs=1e-4)
    assert other > 0.5


def test_kernel_distance_is_the_metrics_of_the_embeddings(classifier, train, held_out):
    samples = train[:200]
    metric = KernelDistance(classifier.embedding(held_out), subsets=3, subset_size=50)
    metric.update(classifier.embedding(samples))
    mean, std = map(float, metric.compute())
    found = values(observe(KernelMeasure("held_out", 3, 50), held_out, classifier), samples, classifier)
    assert found == pytest.approx({log_names.KERNEL_DISTANCE_MEAN: mean, log_names.KERNEL_DISTANCE_STD: std}, rel=1e-5)
    assert std > 0


def test_precision_and_recall_are_the_metrics_of_the_embeddings(classifier, train, held_out):
    samples = train[:100]
    metric = PrecisionRecall(classifier.embedding(held_out), neighbours=2)
    metric.update(classifier.embedding(samples))
    precision, recall = map(float, metric.compute())
    found = values(observe(PrecisionRecallMeasure("held_out", 2), held_out, classifier), samples, classifier)
    assert found == pytest.approx({log_names.PRECISION: precision, log_names.RECALL: recall})
    assert precision != recall  # so that one could not stand for the other


def test_nearest_training_image_against_all_pairs(train, held_out):
    flat = train.flatten(1).double().numpy()
    expected = np.mean([np.sqrt(((image - flat) ** 2).sum(1)).min() for image in held_out.flatten(1).double().numpy()])
    found = values(observe(NearestTrainingImageMeasure(), train), held_out)
    assert found == {log_names.NEAREST_TRAINING_IMAGE: pytest.approx(expected, rel=1e-6)}


def test_copies_of_training_images_are_at_distance_zero(train):
    assert values(observe(NearestTrainingImageMeasure(), train), train[5:50]) == {log_names.NEAREST_TRAINING_IMAGE: 0}


def test_mode_coverage_against_a_loop_over_samples():
    centers, sd = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]]), 0.5
    points = torch.randn(300, 2) * 3
    near = [[bool((point - center).norm() <= 3 * sd) for center in centers] for point in points]
    counts = np.array(near).sum(0)
    share = counts / counts.sum()
    measure = ModeCoverageMeasure(centers, sd)
    measure.ready(CPU)
    assert values(measure, points) == pytest.approx(
        {
            log_names.MODES_COVERED: np.count_nonzero(counts),
            log_names.GOOD_SHARE: counts.sum() / 300,
            log_names.REVERSE_KL: np.sum(share * np.log(share * 3)),
        }
    )


def test_class_coverage_against_the_counts_of_predicted_classes(classifier, held_out):
    samples = held_out + torch.randn(held_out.shape, generator=torch.Generator().manual_seed(0))
    counts = np.unique(classifier(samples).argmax(1), return_counts=True)[1]
    share = counts / 360
    assert values(ClassCoverageMeasure(), samples, classifier) == pytest.approx(
        {log_names.MODES_COVERED: len(counts), log_names.REVERSE_KL: np.sum(share * np.log(share * 10))}
    )
    assert share.std() > 0.01


MEASURES = {
    "inception score": lambda: InceptionScoreMeasure(splits=4),
    "class coverage": ClassCoverageMeasure,
    "frechet": FrechetMeasure,
    "kernel": lambda: KernelMeasure(subsets=3, subset_size=20),
    "precision and recall": PrecisionRecallMeasure,
    "nearest training image": NearestTrainingImageMeasure,
    "neural-net divergence": lambda: NeuralNetDivergenceMeasure(steps=20),
    "birthday": lambda: BirthdayMeasure(quantile=0.5),
}


@pytest.mark.parametrize("name", MEASURES)
def test_the_order_in_which_batches_come_does_not_matter(name, classifier, train, held_out):
    """Neither of the reference nor of the samples: other processes, other orders."""
    in_order = values(observe(MEASURES[name](), held_out, classifier), train[:200], classifier)
    orders = [torch.randperm(n, generator=torch.Generator().manual_seed(n)) for n in (360, 200)]
    measure = observe(MEASURES[name](), held_out, classifier, orders[0])
    assert values(measure, train[:200], classifier, orders[1]) == pytest.approx(in_order, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("name", MEASURES)
def test_a_second_reference_takes_the_place_of_the_first(name, classifier, train, held_out):
    measure = observe(MEASURES[name](), train, classifier)
    values(measure, train[:100], classifier)
    again = values(observe(measure, held_out, classifier), train[:200], classifier)
    assert again == values(observe(MEASURES[name](), held_out, classifier), train[:200], classifier)


@pytest.mark.parametrize("name", [name for name in MEASURES if name != "frechet"])  # torchmetrics' own error
def test_no_samples_are_refused_in_our_words_and_without_torchmetrics_warning(name, classifier, held_out):
    measure = observe(MEASURES[name](), held_out, classifier)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DataError, match="got"):
            measure.values()


@pytest.mark.parametrize("kind", [FrechetMeasure, KernelMeasure, PrecisionRecallMeasure])
def test_distances_are_to_held_out_data_or_to_training_data_and_real_data_are_of_the_other(kind):
    assert (kind().reference, kind().real_rows) == ("held_out", ("train",))
    assert (kind("train").reference, kind("train").real_rows) == ("train", ("held_out",))
    assert kind().needs == "embedding"


def test_what_the_other_measures_look_at():
    score, nearest = InceptionScoreMeasure(7), NearestTrainingImageMeasure()
    assert (score.needs, score.reference, score.real_rows) == ("logits", None, ("held_out", "train"))
    assert (ClassCoverageMeasure().needs, ClassCoverageMeasure().reference) == ("logits", None)
    assert (nearest.needs, nearest.reference, nearest.real_rows) == (None, "train", ("held_out",))
    assert ModeCoverageMeasure(torch.zeros(1, 2), 1.0).reference is None


def test_the_fewest_samples_that_can_be_measured(classifier, train, held_out):
    """With as many there are finite values."""
    fewest = {"inception score": 4, "frechet": 2, "kernel": 2, "precision and recall": 4, "neural-net divergence": 2}
    fewest |= {"birthday": 9}
    for name, least in fewest.items():
        measure = observe(MEASURES[name](), held_out, classifier)
        assert measure.least == least
        assert np.isfinite([*values(measure, train[:least], classifier).values()]).all()
