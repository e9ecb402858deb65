"""Sweeps: a run that fails ends alone, and what came of all of them is told at the end."""

import io
import json
import math

import pytest
from rich.console import Console

from mixgan_lightning import log_names
from mixgan_lightning.cli.sweep import table
from mixgan_lightning.report import summarise

TINY = (
    "trainer.max_epochs=1",
    "+trainer.limit_train_batches=2",
    "trainer.accelerator=cpu",
    "logger=csv",
    "hydra.sweep.dir=sweep",
)
IS = log_names.INCEPTION_SCORE_MEAN


def summary(folder):
    return json.loads((folder / "sweep" / "summary.json").read_text())


def test_a_sweep_ends_with_a_table_a_summary_and_a_report(mixgan_train, tmp_path):
    ran = mixgan_train("-m", "mixture.size=1,2", "seed=1,2", *TINY)
    assert (ran.code, ran.err) == (0, "")
    found = summary(tmp_path)
    assert [row["options"] for row in found["rows"]] == [{"mixture.size": 1}, {"mixture.size": 2}]
    for k, row in enumerate(found["rows"]):
        assert row["seeds"] == [1, 2]
        values = [
            json.loads((tmp_path / "sweep" / str(2 * k + seed) / "results.json").read_text())["mixture"][IS]
            for seed in range(2)
        ]
        assert row["values"][IS]["mean"] == pytest.approx(sum(values) / 2)
        assert row["values"][IS]["sd"] == pytest.approx(abs(values[0] - values[1]) / math.sqrt(2))
    assert found["failures"] == []
    assert ran.out.splitlines()[-1] == "report   sweep/report.html"
    assert "sweep of 4 runs" in ran.out
    assert all((tmp_path / "sweep" / str(run) / "report.html").exists() for run in range(4))
    assert ran.out.count("┏") == 1  # one table, not one a run


def test_a_run_that_fails_does_not_take_the_others_with_it(mixgan_train, tmp_path):
    ran = mixgan_train("-m", "mixture.size=0,2", *TINY)
    assert ran.code == 1
    assert "Traceback" not in ran.out + ran.err
    assert "run 0 of the sweep" in ran.err
    assert "size: expected a whole number of at least 1, got 0" in ran.err
    found = summary(tmp_path)
    assert found["failures"] == [{"run": "0", "reason": "size: expected a whole number of at least 1, got 0"}]
    assert [row["seeds"] for row in found["rows"]] == [[], [0]]
    assert "run 0: size: expected" in ran.out
    assert (tmp_path / "sweep" / "report.html").exists()
    assert not (tmp_path / "sweep" / "0" / "traceback.txt").exists()


BROKEN = """
from torch import nn
from mixgan_lightning import GAN


class Generator(nn.Linear):
    def forward(self, latents):
        {action}
        return super().forward(latents).tanh().unflatten(1, (1, 8, 8))


class MyGAN(GAN):
    def __init__(self, broken=False):
        discriminator = nn.Sequential(nn.Flatten(), nn.Linear(64, 1))
        super().__init__((Generator if broken else Whole)(4, 64), discriminator, latent_dim=4)


class Whole(nn.Linear):
    def forward(self, latents):
        return super().forward(latents).tanh().unflatten(1, (1, 8, 8))
"""


def test_an_error_of_the_users_code_ends_its_run_alone_and_is_kept(mixgan_train, tmp_path):
    action = 'self.calls = getattr(self, "calls", 0) + 1; assert self.calls < 6, "of mine"'  # in the training
    (tmp_path / "mine_broken.py").write_text(BROKEN.format(action=action))
    options = ("gan=custom", "gan._target_=mine_broken.MyGAN", "+gan.broken=true,false")
    ran = mixgan_train("-m", *options, *TINY)
    assert ran.code == 1
    (failure,) = summary(tmp_path)["failures"]
    assert failure["run"] == "0"
    assert failure["reason"] == "AssertionError: of mine"
    assert "in forward" in (tmp_path / "sweep" / "0" / "traceback.txt").read_text()
    assert "sweep/0/traceback.txt" in ran.err
    assert "Traceback" not in ran.err
    assert (tmp_path / "sweep" / "1" / "results.json").exists()


def test_a_module_that_ends_the_process_ends_its_run_alone(mixgan_train, tmp_path):
    (tmp_path / "mine_exiting.py").write_text(BROKEN.format(action='raise SystemExit("enough")'))
    options = ("gan=custom", "gan._target_=mine_exiting.MyGAN", "+gan.broken=true,false")
    assert mixgan_train("-m", *options, *TINY).code == 1
    assert [row["seeds"] for row in summary(tmp_path)["rows"]] == [[], [0]]


def test_where_all_fail_the_search_ends_with_its_table(mixgan_train, tmp_path):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="needs mixgan-lightning[sweep]")
    params = "hydra.sweeper.params={mixture.size: 'choice(0, 0)'}"
    ran = mixgan_train("sweep=optuna", "hydra.sweeper.n_trials=2", params, *TINY)
    assert ran.code == 1
    assert "Traceback" not in ran.out + ran.err
    assert len(summary(tmp_path)["failures"]) == 2


def test_brackets_in_options_are_shown_as_they_are(mixgan_train, tmp_path):
    ran = mixgan_train("-m", "mixture.share=[],[a]", *TINY)
    assert "[a]" in ran.out
    assert ran.code == 1  # share is for modules of one's own


def test_a_sweep_that_is_interrupted_is_told_so_far(mixgan_train, tmp_path):
    (tmp_path / "mine_interrupted.py").write_text(BROKEN.format(action="raise KeyboardInterrupt"))
    options = ("gan=custom", "gan._target_=mine_interrupted.MyGAN", "+gan.broken=false,true,false")
    ran = mixgan_train("-m", *options, *TINY)
    assert ran.code == 130
    assert [row["seeds"] for row in summary(tmp_path)["rows"]] == [[0], []]
    assert not (tmp_path / "sweep" / "2").exists()


def test_does_mixing_help_runs_without_m(mixgan_train, tmp_path):
    ran = mixgan_train("sweep=does_mixing_help", "hydra.sweeper.params.seed=1", *TINY)
    assert (ran.code, ran.err) == (0, "")
    assert [row["options"]["experiment"].removeprefix("digits/") for row in summary(tmp_path)["rows"]] == [
        "plain",
        "plain_equal_time",
        "plain_equal_parameters",
        "strong",
        "independent5",
        "mix5",
    ]


@pytest.mark.parametrize("task", ["ring", "grid", "stacked_digits"])
def test_the_tasks_have_the_experiments_that_are_asked_for(task):
    from hydra import compose, initialize_config_module

    with initialize_config_module("mixgan_lightning.conf", version_base="1.3"):
        config = compose("train", ["sweep=does_mixing_help", f"task={task}"], return_hydra_config=True)
        for experiment in config.hydra.sweeper.params.experiment.split(","):
            assert experiment.startswith(task)
            compose("train", ["sweep=does_mixing_help", f"experiment={experiment.strip()}"])


def test_optuna_searches_over_a_failure(mixgan_train, tmp_path):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="needs mixgan-lightning[sweep]")
    params = "hydra.sweeper.params={mixture.size: 'choice(0, 2)'}"
    ran = mixgan_train("sweep=optuna", "hydra.sweeper.n_trials=6", params, *TINY)
    assert ran.code == 1  # the search went on to its end
    found = summary(tmp_path)
    assert sum(len(row["seeds"]) for row in found["rows"]) + len(found["failures"]) == 6
    assert found["failures"]  # of six draws of two
    assert (tmp_path / "sweep" / "optimization_results.yaml").exists()


@pytest.mark.parametrize("launcher", ["joblib", pytest.param("submitit_local", marks=pytest.mark.slow)])
def test_other_launchers(shell, tmp_path, launcher):
    plugin = f"hydra_plugins.hydra_{launcher.removesuffix('_local')}_launcher"
    pytest.importorskip(plugin, reason="needs mixgan-lightning[sweep]")
    jobs = ["hydra.launcher.n_jobs=2"] * (launcher == "joblib")
    ran = shell("mixgan-train", "-m", "mixture.size=1,0,2", f"hydra/launcher={launcher}", *jobs, *TINY)
    assert ran.code == 1  # one has failed
    found = summary(tmp_path)
    assert [failure["run"] for failure in found["failures"]] == ["1"]
    assert [row["seeds"] for row in found["rows"]] == [[0], [], [0]]
    assert ran.out.splitlines()[-1] == "report   sweep/report.html"


def test_several_objectives_are_returned_in_their_order(mixgan_train, tmp_path):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="needs mixgan-lightning[sweep]")
    options = (
        f"objective=[{IS},{log_names.FRECHET_DISTANCE}]",
        "hydra.sweeper.direction=[maximize,minimize]",
        "hydra.sweeper.n_trials=2",
        "hydra/sweeper/sampler=random",
    )
    ran = mixgan_train("sweep=optuna", *options, *TINY)
    assert ran.code == 0, ran.err
    assert "solutions" in (tmp_path / "sweep" / "optimization_results.yaml").read_text()


def test_the_table_fits_into_80_columns(mixgan_train, tmp_path):
    mixgan_train("-m", "experiment=digits/plain,digits/plain_equal_parameters", "seed=1,2", *TINY)
    console = Console(width=80, record=True, file=io.StringIO(), markup=False)  # as the command's
    console.print(table(summarise(tmp_path / "sweep")))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= 80
    text = "".join(line.split("│")[1].strip() for line in lines if line.startswith("│"))
    assert text == "digits/plaindigits/plain_equal_parametersreal data"  # folded, not cut
    assert "[bold]" not in "".join(lines)
