import os
from types import SimpleNamespace

import pytest
import wandb
from pytorch_lightning.utilities import rank_zero_only

from mixgan_lightning import log_names
from mixgan_lightning.loggers import WandbRun, wandb_logger


@pytest.fixture
def started(monkeypatch):
    """What ``wandb.init`` and ``define_metric`` are called with; no run is begun."""
    calls = {"metrics": []}

    class Run:
        def define_metric(self, name, **options):
            calls["metrics"].append((name, options))

    def init(**options):
        calls.update(options)
        return Run()

    monkeypatch.setattr(wandb, "init", init)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setattr(rank_zero_only, "rank", 0, raising=False)
    return calls


def test_runs_are_offline_unless_asked(started, tmp_path):
    wandb_logger(tmp_path)
    assert (started["mode"], started["dir"], started["project"]) == ("offline", str(tmp_path), "mixgan_lightning")


def test_online_and_another_project_on_request(started, tmp_path):
    wandb_logger(tmp_path, mode="online", project="mine")
    assert (started["mode"], started["project"]) == ("online", "mine")


@pytest.mark.parametrize("mode", ["offline", "online", "disabled"])
@pytest.mark.parametrize("asked", ["offline", "online"])
def test_the_environment_has_the_last_word_and_is_left_alone(mode, asked, started, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", mode)
    wandb_logger(tmp_path, mode=asked)
    assert started["mode"] == mode
    assert os.environ["WANDB_MODE"] == mode


def test_no_mode_is_written_to_the_environment(started, tmp_path):
    wandb_logger(tmp_path, mode="online")
    assert "WANDB_MODE" not in os.environ


def test_only_one_process_of_a_ddp_run_begins_a_run(started, tmp_path, monkeypatch):
    monkeypatch.setattr(rank_zero_only, "rank", 1, raising=False)
    wandb_logger(tmp_path, mode="online")
    assert started["mode"] == "disabled"


def test_images_seen_is_the_axis_of_all_metrics(started, tmp_path):
    wandb_logger(tmp_path)
    assert started["metrics"][:2] == [(log_names.IMAGES_SEEN, {}), ("*", {"step_metric": log_names.IMAGES_SEEN})]
    assert all(options["step_metric"] == log_names.IMAGES_SEEN for _, options in started["metrics"][1:])


def test_the_summary_holds_the_best_and_the_last_of_measured_values(started, tmp_path):
    wandb_logger(tmp_path)
    kept = {name: options["summary"] for name, options in started["metrics"] if "summary" in options}
    assert kept[log_names.INCEPTION_SCORE_MEAN] == "max,last"
    assert kept[log_names.FRECHET_DISTANCE] == "min,last"


def test_a_run_may_go_on(started, tmp_path):
    wandb_logger(tmp_path)
    assert (started["id"], started["resume"]) == (None, None)
    wandb_logger(tmp_path, run_id="abc")
    assert (started["id"], started["resume"]) == ("abc", "allow")


def test_a_disabled_run_takes_metrics_and_images_and_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    logger = wandb_logger(tmp_path)
    try:
        logger.log_metrics({log_names.PAYOFF_VALUE: -1.4, log_names.IMAGES_SEEN: 64.0}, step=3)
        logger.log_hyperparams({"size": 2})
        assert logger.experiment.disabled
    finally:
        wandb.finish()
    assert not list(tmp_path.rglob("*"))


def test_a_training_that_goes_on_without_wandb_keeps_its_run():
    memory = WandbRun()
    memory.load_state_dict({"id": "abc"})
    memory.setup(SimpleNamespace(loggers=[]), None, "fit")
    assert memory.state_dict() == {"id": "abc"}
    assert WandbRun.of({"callbacks": {"WandbRun": memory.state_dict()}}) == "abc"
    assert WandbRun.of({}) is None
