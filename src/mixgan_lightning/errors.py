"""The exceptions of this package: each message says what was expected, what came, and how to mend it.

The command line prints them as one line without a traceback (``verbose=true`` shows it).
"""

from __future__ import annotations


class MixGANError(Exception):
    """Base of every error that a user of this package can mend."""


class ConfigurationError(MixGANError, ValueError):
    """An option, a Hydra key or group, or a Trainer setting that cannot work."""


class GANError(MixGANError, TypeError):
    """The user's GAN cannot be mixed: its factory, its networks' shapes, its optimisers."""


class SamplingError(GANError):
    """It is not known how to draw samples of the user's GAN (it may train all the same)."""


class DataError(MixGANError, ValueError):
    """The data do not fit: empty, NaN, wrong shape or range, labels missing."""


class TrainingError(MixGANError, RuntimeError):
    """A training that cannot go on: losses or gradients are no numbers any more."""


class CheckpointError(MixGANError, RuntimeError):
    """A checkpoint that cannot be read, or that holds another architecture."""


class MissingLibraryError(MixGANError, ImportError):
    """A library of one of the extras is not installed."""
