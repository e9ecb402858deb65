"""Scoring sets of samples: what is scored, what is measured of it, and how processes share the work."""

from mixgan_lightning.evaluation.birthday import BirthdayMeasure
from mixgan_lightning.evaluation.measure import Measure
from mixgan_lightning.evaluation.measures import (
    ClassCoverageMeasure,
    FrechetMeasure,
    InceptionScoreMeasure,
    KernelMeasure,
    ModeCoverageMeasure,
    NearestTrainingImageMeasure,
    PrecisionRecallMeasure,
)
from mixgan_lightning.evaluation.neural_net_divergence import NeuralNetDivergenceMeasure
from mixgan_lightning.evaluation.real_data import RealSamples, real_batch
from mixgan_lightning.evaluation.samples import DrawnSamples, FolderSamples, Samples
from mixgan_lightning.evaluation.scoring import Scoring
from mixgan_lightning.evaluation.seen import Seen
from mixgan_lightning.evaluation.training_batches import TrainingBatches

__all__ = [
    "BirthdayMeasure",
    "ClassCoverageMeasure",
    "DrawnSamples",
    "FolderSamples",
    "FrechetMeasure",
    "InceptionScoreMeasure",
    "KernelMeasure",
    "Measure",
    "ModeCoverageMeasure",
    "NearestTrainingImageMeasure",
    "NeuralNetDivergenceMeasure",
    "PrecisionRecallMeasure",
    "RealSamples",
    "Samples",
    "Scoring",
    "Seen",
    "TrainingBatches",
    "real_batch",
]
