from types import SimpleNamespace

import pytest
import torch

from mixgan_lightning import log_names
from mixgan_lightning.callbacks import ProgressBar


def metrics(**logged):
    return ProgressBar().get_metrics(SimpleNamespace(callback_metrics=logged), None)


def test_nothing_is_shown_before_anything_is_logged():
    assert metrics() == {}


@pytest.mark.parametrize(("value", "shown"), [(-1.386294, "-1.39"), (0.0, "0"), (-123456.0, "-1.23e+05")])
def test_the_payoff_is_shown_in_three_digits(value, shown):
    """Whatever else is logged: 80 columns hold no more."""
    logged = {log_names.PAYOFF_VALUE: torch.tensor(value), log_names.GENERATOR_LOSS: torch.tensor(1.0)}
    assert metrics(**logged) == {"payoff": shown}


def test_a_run_shows_the_payoff(fit, points_model, ring, capsys):
    options = {"enable_progress_bar": True, "log_every_n_steps": 1, "limit_train_batches": 2}
    fit(points_model(), ring, callbacks=[ProgressBar()], **options)
    shown = capsys.readouterr().out
    assert "payoff: -1." in shown
    assert max(map(len, shown.splitlines())) <= 80
