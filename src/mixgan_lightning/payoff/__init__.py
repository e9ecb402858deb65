"""The (Tu, Tv) matrices of pair losses and payoffs of a GAN."""

from mixgan_lightning.payoff.fakes import FAKES, Fakes, FullFakes, SplitFakes
from mixgan_lightning.payoff.pairs import Pairs, Scores, expectation

__all__ = ["FAKES", "Fakes", "FullFakes", "Pairs", "Scores", "SplitFakes", "expectation"]
