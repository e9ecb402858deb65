"""The (Tu, Tv) matrices of pair losses and payoffs of a GAN."""

from mixgan_lightning.payoff.choice import Choice
from mixgan_lightning.payoff.fakes import FAKES, Fakes, FullFakes, ProportionalFakes, SplitFakes
from mixgan_lightning.payoff.hands import Scores
from mixgan_lightning.payoff.matrix import payoff_matrix
from mixgan_lightning.payoff.pairs import Pairs, expectation
from mixgan_lightning.payoff.ways import Way

__all__ = [
    "FAKES",
    "Choice",
    "Fakes",
    "FullFakes",
    "Pairs",
    "ProportionalFakes",
    "Scores",
    "SplitFakes",
    "Way",
    "expectation",
    "payoff_matrix",
]
