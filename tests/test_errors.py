import pytest

from mixgan_lightning import errors


def test_one_base_catches_everything_that_a_user_can_mend():
    family = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, Exception)]
    assert len(family) == 8
    assert all(issubclass(e, errors.MixGANError) for e in family)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        ("ConfigurationError", ValueError),
        ("GANError", TypeError),
        ("SamplingError", TypeError),
        ("DataError", ValueError),
        ("CheckpointError", RuntimeError),
        ("TrainingError", RuntimeError),
        ("MissingLibraryError", ImportError),
    ],
)
def test_each_is_also_what_python_would_raise(error, builtin):
    assert issubclass(getattr(errors, error), builtin)
