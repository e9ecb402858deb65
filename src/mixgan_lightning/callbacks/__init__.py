"""Lightning callbacks, one a file."""

from mixgan_lightning.callbacks.dead_components import DeadComponents
from mixgan_lightning.callbacks.duality_gap import DualityGap
from mixgan_lightning.callbacks.ema import EMA
from mixgan_lightning.callbacks.inception_score import InceptionScoreCallback
from mixgan_lightning.callbacks.last_checkpoint import LastCheckpoint
from mixgan_lightning.callbacks.mixture_monitor import MixtureMonitor
from mixgan_lightning.callbacks.mode_coverage import ModeCoverageCallback
from mixgan_lightning.callbacks.neural_net_divergence import NeuralNetDivergenceCallback
from mixgan_lightning.callbacks.payoff_monitor import PayoffMonitor
from mixgan_lightning.callbacks.progress_bar import ProgressBar
from mixgan_lightning.callbacks.quality import QualityCallback
from mixgan_lightning.callbacks.sample_grid import SampleGrid
from mixgan_lightning.callbacks.speed_monitor import SpeedMonitor
from mixgan_lightning.callbacks.step_seeding import StepSeeding
from mixgan_lightning.callbacks.stop_between_batches import StopBetweenBatches
from mixgan_lightning.callbacks.stop_on_nan import StopOnNaN
from mixgan_lightning.callbacks.stopwatch import Stopwatch

__all__ = [
    "EMA",
    "DeadComponents",
    "DualityGap",
    "InceptionScoreCallback",
    "LastCheckpoint",
    "MixtureMonitor",
    "ModeCoverageCallback",
    "NeuralNetDivergenceCallback",
    "PayoffMonitor",
    "ProgressBar",
    "QualityCallback",
    "SampleGrid",
    "SpeedMonitor",
    "StepSeeding",
    "StopBetweenBatches",
    "StopOnNaN",
    "Stopwatch",
]
