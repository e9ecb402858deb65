import io
from contextlib import redirect_stderr
from types import SimpleNamespace

import pytest
import torch
from pytorch_lightning.callbacks import ProgressBar as AnyProgressBar
from pytorch_lightning.callbacks import RichProgressBar, TQDMProgressBar
from tqdm import tqdm

from mixgan_lightning import log_names
from mixgan_lightning.callbacks import ProgressBar, QualityCallback
from mixgan_lightning.callbacks.progress_bar import scoring_bar


def metrics(in_the_bar=(), **logged):
    trainer = SimpleNamespace(callback_metrics=logged, progress_bar_metrics={name: logged[name] for name in in_the_bar})
    return ProgressBar().get_metrics(trainer, None)


def test_nothing_is_shown_before_anything_is_logged():
    assert metrics() == {}


def test_without_a_payoff_the_first_two_of_the_users_own_are_shown():
    own = {"loss_d": torch.tensor(1.23456), "loss_g": 2, "fid": 3.0, "hidden": 4.0}
    assert metrics(["loss_d", "loss_g", "fid"], **own) == {"loss_d": "1.23", "loss_g": "2"}
    payoff = {log_names.PAYOFF_VALUE: torch.tensor(-1.5)}
    assert metrics(["loss_d"], **own, **payoff) == {"payoff": "-1.5"}


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


# ---------------------------------------------------------------------------------------- while samples are scored


@pytest.mark.parametrize("kind", [ProgressBar, RichProgressBar])
def test_scoring_has_a_task_in_the_rich_bar_until_it_is_over(kind, fit, points_model, ring, count):
    """1,100 samples are three chunks; each is counted when it has been measured."""
    bar, seen = kind(), []

    def look():
        seen.append([(task.description, task.total, task.completed) for task in bar.progress.tasks[1:]])

    callback = QualityCallback([count(real_rows=(), while_updating=look)], 1_100, components=True)
    trainer = fit(points_model(), ring, callbacks=[bar, callback], enable_progress_bar=True, limit_train_batches=2)
    assert trainer.progress_bar_callback is bar
    titles = ["scoring", "component 0", "component 1"]
    assert seen == [[(title, 1_100, done)] for title in titles for done in (0, 512, 1_024)]
    _, scoring = bar.progress.tasks
    assert not scoring.visible


def test_many_scorings_leave_one_task(fit, points_model, ring, count):
    """Rich keeps what it drew of every task, also of removed ones: a long training would grow by each scoring."""
    bar = ProgressBar()
    callback = QualityCallback([count(real_rows=())], 10, components=True, every_n_epochs=1)
    options = {"enable_progress_bar": True, "limit_train_batches": 1, "max_epochs": 5}
    fit(points_model(), ring, callbacks=[bar, callback], **options)
    assert [task.id for task in bar.progress.tasks] == [0, 1]  # Lightning takes an id for a place in this list


def test_the_task_is_hidden_after_an_error_as_well(fit, points_model, ring, count):
    bar = ProgressBar()
    callback = QualityCallback([count(real_rows=(), while_updating=lambda: 1 / 0)], 10)
    with pytest.raises(ZeroDivisionError):
        fit(points_model(), ring, callbacks=[bar, callback], enable_progress_bar=True, limit_train_batches=2)
    assert [task.visible for task in bar.progress.tasks if task.description == "scoring"] == [False]


class Terminal(io.StringIO):
    """Where tqdm draws."""

    def isatty(self):
        return True


def shown(bar, is_global_zero=True, terminal=Terminal):
    """What is drawn of 100 samples by a trainer with this bar."""
    trainer = SimpleNamespace(progress_bar_callback=bar, is_global_zero=is_global_zero)
    with redirect_stderr(terminal()) as drawn, scoring_bar(trainer, 100, "scoring") as progress:
        progress(40)
        progress(100)
    return drawn.getvalue()


class OwnBar(AnyProgressBar):
    """As the example in Lightning's documentation."""

    def __init__(self):
        super().__init__()
        self.enable = True

    def disable(self):
        self.enable = False


@pytest.mark.parametrize("bar", [TQDMProgressBar(), ProgressBar(), OwnBar()], ids=lambda bar: type(bar).__name__)
def test_with_another_bar_or_before_the_rich_one_has_begun_tqdm_shows_it(bar):
    assert "scoring:   0%|" in shown(bar)


def test_tqdm_is_told_how_many_are_done_and_leaves_nothing(monkeypatch):
    steps, update = [], tqdm.update
    monkeypatch.setattr(tqdm, "update", lambda self, n: (steps.append(n), update(self, n)))
    left = shown(TQDMProgressBar())
    assert steps == [40, 60]
    assert left.rpartition("\r")[0].rpartition("\r")[2].strip() == ""  # the line is wiped


def off(bar):
    bar.disable()
    return bar


@pytest.mark.parametrize(
    ("bar", "is_global_zero"),
    [(None, True), (TQDMProgressBar(), False), (off(TQDMProgressBar()), True), (off(ProgressBar()), True)],
    ids=["no bar", "another process", "tqdm off", "rich off"],
)
def test_where_the_bar_is_off_nothing_is_shown(bar, is_global_zero):
    assert shown(bar, is_global_zero) == ""


def test_without_a_terminal_tqdm_shows_nothing():
    assert shown(TQDMProgressBar(), terminal=io.StringIO) == ""


@pytest.mark.parametrize(("bar", "told"), [(False, False), (True, True)])
def test_real_data_are_measured_with_a_bar_where_the_run_has_one(bar, told, fit, points_model, ring, count):
    callback = QualityCallback([count(reference="train")], 10)
    with redirect_stderr(Terminal()) as drawn:
        fit(points_model(), ring, callbacks=[callback], enable_progress_bar=bar, limit_train_batches=1)
    assert ("real data, train" in drawn.getvalue()) == ("real data, held_out" in drawn.getvalue()) == told
