"""What each process finds by scoring, without training; one process alone finds what several must find together."""

import copy

import torch
from torch import Tensor, distributed, nn

from mixgan_lightning import GAN, mix
from mixgan_lightning.callbacks import QualityCallback
from mixgan_lightning.data import DigitsDataModule, GaussiansRing
from mixgan_lightning.errors import DataError
from mixgan_lightning.evaluation import (
    DrawnSamples,
    FrechetMeasure,
    InceptionScoreMeasure,
    KernelMeasure,
    ModeCoverageMeasure,
    NearestTrainingImageMeasure,
    NeuralNetDivergenceMeasure,
    PrecisionRecallMeasure,
    RealSamples,
    Scoring,
)
from mixgan_lightning.features import DigitsClassifier
from mixgan_lightning.metrics import InceptionScore
from mixgan_lightning.processes import own_share, together, with_equal_buffers

MANY, FEW = 1_100, 300  # of chunks of 512: three, the last smaller, and one, which leaves the other processes none


def points_gan():
    generator = nn.Sequential(nn.Linear(3, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2))
    return GAN(generator, nn.Linear(2, 1), latent_dim=3)


class DigitsGenerator(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(10, 3)
        self.body = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 64), nn.Tanh())

    def forward(self, latents, labels):
        return self.body(torch.cat([latents, self.embed(labels)], dim=1)).unflatten(1, (1, 8, 8))


class DigitsDiscriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(64 + 10, 1)

    def forward(self, images, labels):
        return self.body(torch.cat([images.flatten(1), nn.functional.one_hot(labels, 10)], dim=1))


def digits_gan():
    return GAN(DigitsGenerator(), DigitsDiscriminator(), latent_dim=3, num_classes=10)


class Features(nn.Module):
    """Of points; the same network in every process, unless it is given other widths there."""

    def __init__(self, classes=4, width=6):
        super().__init__()
        torch.manual_seed(5)
        self.body, self.head = nn.Linear(2, width), nn.Linear(width, classes)

    def embedding(self, points):
        return torch.tanh(self.body(points))

    def forward(self, points):
        return self.head(self.embedding(points))


class Keep:
    """A measure that keeps the samples it was shown."""

    needs, least, reference, real_rows = None, 1, None, ()

    def forget(self): ...

    def observe(self, seen): ...

    def ready(self, device): ...

    def reset(self):
        self.kept = []

    def update(self, seen):
        self.kept.append((seen.samples, seen.index))

    def values(self):
        return {}

    def shown(self) -> tuple[Tensor, Tensor]:
        samples, index = zip(*self.kept, strict=True) if self.kept else ([torch.empty(0)], [torch.empty(0).long()])
        return torch.cat(samples), torch.cat(index)


def model_of(task):
    """Unequal weights, and running statistics as training leaves them; the same in every process."""
    torch.manual_seed(0)
    model = mix(points_gan if task == "points" else digits_gan, size=3)
    given = [] if task == "points" else [torch.arange(200) % 10]
    with torch.no_grad():
        model.generators.log_probabilities.copy_(torch.tensor([0.0, 0.7, -0.5]))
        for generator in model.generators:
            generator(1 + 2 * torch.randn(200, 3), *given)
            if task == "points":
                generator[-1].weight.mul_(4)  # as wide as the data
    if task == "digits":
        model.label_counts += 7 * torch.arange(10)
    return model


def callback_of(task, n):
    distances = [FrechetMeasure(), KernelMeasure(subsets=10, subset_size=100), PrecisionRecallMeasure()]
    rows = [NearestTrainingImageMeasure(), NeuralNetDivergenceMeasure(steps=30)]
    measures = [InceptionScoreMeasure(splits=3), *distances, *rows, Keep()]
    if task == "digits":
        torch.manual_seed(5)
        features = DigitsClassifier()
        with torch.no_grad():
            features.head.weight.mul_(20)  # untrained, it would find all images alike
        return QualityCallback(measures, n, features, seed=3)
    ring = GaussiansRing()
    return QualityCallback([*measures, ModeCoverageMeasure(ring.centers, sd=0.1)], n, Features(), seed=3)


def keep_of(callback):
    return next(measure for measure in callback.scoring.measures if isinstance(measure, Keep))


def data_of(task):
    """Held-out batches that the processes cannot share equally: 5 of points (1,200 in all), 6 of digits (360)."""
    data = GaussiansRing(256, sd=0.3, num_samples=6_000) if task == "points" else DigitsDataModule(batch_size=64)
    data.setup()
    return data


def scores(task, n):
    """All measures of the mixture and of a component, the images that they saw, and the real data's own values."""
    model, callback = model_of(task), callback_of(task, n)
    callback.prepare(model, data_of(task))
    keep = keep_of(callback)
    of_component, images_of_component = callback.measure(model, component=1), keep.shown()
    of_mixture, images = callback.measure(model), keep.shown()
    return {
        "values": {"mixture": of_mixture, "component": of_component, "real": callback.scoring.real},
        "images": {"mixture": images, "component": images_of_component},
    }


# ---------------------------------------------------------------------------------------- buffers that differ


def disturbed_by(*ranks):
    """A model with running statistics as the batches of these processes would leave them, one's own or their mean."""
    model = model_of("points")
    for buffer in model.generators.buffers():
        buffer.add_(sum(ranks) / len(ranks) / 8 if buffer.is_floating_point() else max(ranks))
    return model


def measured(model):
    callback = callback_of("points", MANY)
    callback.prepare(model, data_of("points"))
    return callback.measure(model), keep_of(callback).shown()


def unequal_buffers():
    model = disturbed_by(own_share().rank)
    generators, before = model.generators, copy.deepcopy(model.generators)
    equal = with_equal_buffers(generators)
    copied = {"buffers": dict(equal.named_buffers()), "is the module": equal is generators}
    shared = [p is q for p, q in zip(equal.parameters(), generators.parameters(), strict=True)]
    agreeing = with_equal_buffers(equal) is equal
    values, images = measured(model)
    pairs = zip(generators.state_dict().values(), before.state_dict().values(), strict=True)
    return copied | {
        "parameters are shared": shared,
        "returned where all agree": agreeing,
        "module is as before": all(torch.equal(now, then) for now, then in pairs),
        "values": values,
        "images": images,
    }


def mean_buffers():
    """What one process would find with the buffers that `unequal_buffers` is to score with, for 2 and 3 processes."""
    if own_share().size > 1:
        return None
    models = {size: disturbed_by(*range(size)) for size in (2, 3)}
    buffers = {size: dict(model.generators.named_buffers()) for size, model in models.items()}
    return {size: (buffers[size], *measured(model)) for size, model in models.items()}


def spectral_norm_gan():
    """torch's older spectral norm, which most published code uses, beside BatchNorm, as in BigGAN's generator."""
    first = nn.utils.spectral_norm(nn.Linear(3, 8))
    return GAN(nn.Sequential(first, nn.BatchNorm1d(8), nn.Linear(8, 2)), nn.Linear(2, 1), latent_dim=3)


def spectral_norm_with_unequal_buffers():
    torch.manual_seed(0)
    model = mix(spectral_norm_gan, size=2)
    callback = QualityCallback([InceptionScoreMeasure(splits=1)], FEW, Features())
    callback.prepare(model, None)
    for generator in model.generators:
        generator(torch.randn(16, 3) + own_share().rank)  # as a training step: it leaves a weight that is no leaf
    return callback.measure(model)


# ---------------------------------------------------------------------------------------- errors


def said(function):
    """What it raised, and that the processes can still talk to each other afterwards."""
    try:
        function()
        error = "nothing"
    except Exception as failure:
        error = f"{type(failure).__name__}: {failure}"
    heard = torch.ones(())
    if own_share().size > 1:
        distributed.all_reduce(heard)
    assert heard == own_share().size
    return error


def fail_on(*ranks):
    with together():
        if own_share().rank in ranks:
            raise ValueError(f"no luck on {own_share().rank}")


def inception_score_of_classes(classes):
    score = InceptionScore(nn.Identity(), splits=1)
    score.update(torch.randn(8, classes))
    score.compute()


def prepared(measure, features):
    """A Scoring that has seen the real points through these features."""
    data, scoring = data_of("points"), Scoring([measure], features, MANY)
    scoring.prepare(lambda split, n: RealSamples(data, split, lambda batch: batch, n), torch.device("cpu"))
    return scoring


def scored_with_nan():
    """Features that give NaN in the last process, only once the real data are scored."""
    model, features = model_of("points"), Features()
    callback = QualityCallback([InceptionScoreMeasure(splits=1), FrechetMeasure()], MANY, features)
    callback.prepare(model, data_of("points"))
    last = own_share().rank == own_share().size - 1
    with torch.no_grad():
        features.body.weight.mul_(torch.nan if last else 1)
    callback.measure(model)


def errors():
    rank, last = own_share().rank, own_share().size - 1
    other = 1 if rank == last else 0
    return {
        "one fails": said(lambda: fail_on(last)),
        "two fail": said(lambda: fail_on(0, last)),
        "none fails": said(fail_on),
        "classes of a metric": said(lambda: inception_score_of_classes(3 + other)),
        "classes": said(lambda: prepared(InceptionScoreMeasure(splits=1), Features(classes=3 + other))),
        "width of fid": said(lambda: prepared(FrechetMeasure(), Features(width=6 + other))),
        "width of kid": said(lambda: prepared(KernelMeasure(), Features(width=6 + other))),
        "nan": said(scored_with_nan),
        "discriminator": said(lambda: prepared(NeuralNetDivergenceMeasure(discriminator=critic_of(1 + other)), None)),
        "as DataError": said(lambda: _raise(DataError("plain"))),
    }


def _raise(error):
    with together():
        if own_share().rank == 0:
            raise error


def critic_of(width):
    """A class of discriminators; with 2 outputs they have no score."""
    return lambda sample_shape: nn.Linear(2, width)


# ---------------------------------------------------------------------------------------- a reference of one batch


def one_batch_reference():
    """All of the reference and all of the samples fall to the first process."""
    data = GaussiansRing(1_200, num_samples=6_000)
    data.setup()
    scoring = Scoring([FrechetMeasure()], Features(), FEW)
    # no training data and so no real row: what fails in one process alone would leave the others waiting there
    real = {"held_out": data, "train": None}
    scoring.prepare(lambda split, n: RealSamples(real[split], split, lambda batch: batch, n), torch.device("cpu"))
    return scoring.score(DrawnSamples(model_of("points").sampler, FEW, seed=3))


CHECKS = {
    "scores": lambda: {(task, n): scores(task, n) for task in ("points", "digits") for n in (MANY, FEW)},
    "unequal buffers": unequal_buffers,
    "mean buffers": mean_buffers,
    "spectral norm": spectral_norm_with_unequal_buffers,
    "errors": errors,
    "one batch": one_batch_reference,
}
