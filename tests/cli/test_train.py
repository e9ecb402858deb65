import csv
import json
import logging
import os
import re
import socket
import time

import pytest
import torch
from hydra import compose, initialize_config_module
from omegaconf import open_dict

from mixgan_lightning import MixGANModule, log_names
from mixgan_lightning.callbacks import InceptionScoreCallback, QualityCallback
from mixgan_lightning.cli import train
from mixgan_lightning.data import DigitsDataModule
from mixgan_lightning.evaluation import FrechetMeasure, NearestTrainingImageMeasure
from mixgan_lightning.features import DigitsClassifier

TWO_STEPS = ("trainer.accelerator=cpu", "trainer.max_epochs=1", "+trainer.limit_train_batches=2")

OWN_MODULE = """
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader
from mixgan_lightning.data import DigitsDataModule

class SeedEachBatch(pl.Callback):
    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        torch.manual_seed(1000 * trainer.current_epoch + batch_idx)

class Ordered(DigitsDataModule):
    def train_dataloader(self):
        return DataLoader(super().train_dataloader().dataset, self.batch_size, collate_fn=lambda batch: batch)

class Interrupt(pl.Callback):
    def on_train_batch_end(self, trainer, *args):
        if trainer.current_epoch == 1:
            raise KeyboardInterrupt
"""


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def results(run):
    return json.loads((run / "results.json").read_text())


def state(run):
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)


def digits_quality(model):
    """What the digits' config measures, prepared for this model."""
    also = [FrechetMeasure(), NearestTrainingImageMeasure()]
    callback = InceptionScoreCallback(DigitsClassifier.pretrained(), num_samples=None, also=also)
    data = DigitsDataModule()
    data.setup()
    callback.prepare(model, data)
    return callback


# ---------------------------------------------------------------------------------------- what a run leaves


def test_a_run_leaves_its_files(tiny_train, tmp_path):
    ran = tiny_train("seed=3", "mixture.size=2")
    assert (ran.code, ran.err) == (0, "")
    left = {path.relative_to(tmp_path / "run").as_posix() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert {path for path in left if not path.startswith(".hydra")} == {
        "metrics.csv",
        "hparams.yaml",
        "provenance.json",
        "results.json",
        "report.html",
        "checkpoints/last.ckpt",
        "checkpoints/last.ckpt.sha256",
        "payoff/epoch_0001.csv",
        "samples/epoch_0001.png",
    }
    assert {path.name for path in tmp_path.iterdir()} == {"run"}  # and nothing beside them


def test_the_table_shows_the_values_of_results_json(tiny_train, tmp_path):
    ran = tiny_train("mixture.size=2", "mixture.log_probability_lr=0.5")
    found = results(tmp_path / "run")
    for name in (log_names.INCEPTION_SCORE_MEAN, log_names.FRECHET_DISTANCE, log_names.NEAREST_TRAINING_IMAGE):
        mixture, real = found["mixture"][name], found["real"][name]
        assert re.search(rf"{log_names.TITLES[name]} +│ +{mixture:.3g} │ +{real:.3g} │", ran.out), name
    for player in ("generators", "discriminators"):
        shown = " ".join(f"{w:.2f}" for w in found[f"{player[:-1]}_weights"])
        assert f"w = {shown}   ({found[f'{player}_in_use']:.2f} in use)" in ran.out
    assert found["generator_weights"][0] != 0.5  # learnt
    assert sum(found["generator_weights"]) == pytest.approx(1)
    assert "MIX+ of 2" in ran.out
    assert "from 360 samples" in ran.out
    assert f"{found['seconds']:.1f} s, 128 real images seen" in ran.out
    for name in ("samples/", "metrics.csv", "results.json", "checkpoints/last.ckpt"):
        assert f" run/{name}\n" in ran.out
        assert (tmp_path / "run" / name).exists()
    assert max(map(len, ran.out.splitlines())) <= 80


def test_the_final_values_are_those_of_the_model_in_the_checkpoint(run_of):
    run = run_of("mixture.size=2")
    model = MixGANModule.load_from_checkpoint(run / "checkpoints" / "last.ckpt")
    callback, found = digits_quality(model), results(run)
    assert found["mixture"] == pytest.approx(callback.measure(model), rel=1e-6)
    assert found["real"] == pytest.approx(callback.scoring.real, rel=1e-6)
    assert found["num_samples"] == 360


def test_the_final_values_are_the_last_measurement_and_no_second_one_is_made(tiny_train, tmp_path, monkeypatch):
    measured, score = [], QualityCallback._score
    monkeypatch.setattr(QualityCallback, "_score", lambda *args: (measured.append(score(*args)), measured[-1])[1])
    two_of_three = ("trainer.max_epochs=3", "evaluate_every_n_epochs=2")
    assert tiny_train("mixture.size=2", *two_of_three).code == 0
    assert len(measured) == 2 * (1 + 2)  # the mixture, and each component
    assert results(tmp_path / "run")["mixture"] == measured[3] != measured[0]


def test_the_same_seed_gives_the_same_run_and_another_seed_another(run_of):
    first, again, other = (
        run_of("mixture.size=2", f"seed={seed}", *more) for seed, *more in ((1,), (1, "verbose=true"), (2,))
    )
    assert results(first)["mixture"] == results(again)["mixture"]
    assert results(first)["mixture"] != results(other)["mixture"]


def test_the_return_value_is_the_objective_logged_and_saved(tmp_path):
    """What a sweep compares."""
    overrides = ["logger=csv", *TWO_STEPS, f"run_dir={tmp_path}"]
    with initialize_config_module("mixgan_lightning.conf", version_base="1.3"):
        config = compose("train", overrides=[*overrides, "mixture=single", f"objective={log_names.FRECHET_DISTANCE}"])
    returned = train.train(config)
    assert returned == results(tmp_path)["mixture"][log_names.FRECHET_DISTANCE]
    logged = rows(tmp_path / "metrics.csv")[-1]
    assert float(logged[log_names.OBJECTIVE]) == pytest.approx(returned)
    assert float(logged[log_names.IMAGES_SEEN]) == 128
    config.ckpt_path = "last"
    assert train.train(config) == returned  # nothing is left to train
    with open_dict(config):
        config.ckpt_path = None
        config.callbacks.pop("quality")
        config.objective = None
    assert train.train(config) is None


def test_metrics_hold_losses_weights_and_quality(tiny_train, tmp_path):
    tiny_train("mixture.size=2", "trainer.log_every_n_steps=1", "evaluate_every_n_epochs=1")
    names = {name for row in rows(tmp_path / "run" / "metrics.csv") for name, value in row.items() if value}
    assert names >= {
        log_names.IMAGES_SEEN,
        log_names.GENERATOR_LOSS,
        log_names.DISCRIMINATOR_LOSS,
        log_names.PAYOFF_VALUE,
        log_names.weight("generator", 1),
        log_names.weight("discriminator", 0),
        log_names.effective("generator"),
        log_names.gradient_norm("discriminator"),
        log_names.INCEPTION_SCORE_MEAN,
        log_names.FRECHET_DISTANCE,
        log_names.OBJECTIVE,
    }


def test_a_run_on_points_counts_modes(run_of):
    run = run_of("data=gaussians_ring", "mixture.size=2")
    found = results(run)
    assert found["real"][log_names.MODES_COVERED] == 8
    assert set(found["mixture"]) == {log_names.MODES_COVERED, log_names.GOOD_SHARE, log_names.REVERSE_KL}
    assert found["num_samples"] == 2_500
    assert (run / "samples" / "epoch_0001.png").exists()


def test_a_run_that_ends_by_max_steps_leaves_pictures_too(mixgan_train, tmp_path):
    """Long before an evaluation is due."""
    ran = mixgan_train("logger=csv", "trainer.accelerator=cpu", "trainer.max_steps=4", "hydra.run.dir=run")
    assert ran.code == 0
    assert [path.name for path in (tmp_path / "run" / "samples").iterdir()] == ["epoch_0001.png"]
    assert "run/samples/" in ran.out


def test_a_profiler_that_was_asked_for_is_heard(tiny_train, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("pytorch_lightning"), "handlers", [caplog.handler])
    tiny_train("+trainer.profiler=simple", "~callbacks.quality", "objective=null")
    assert "FIT Profiler Report" in caplog.text


def test_callbacks_can_be_left_out(tiny_train, tmp_path):
    ran = tiny_train("~callbacks.quality", "objective=null", "callbacks.samples=null", "callbacks.checkpoint=null")
    assert (ran.code, ran.err) == (0, "")
    assert results(tmp_path / "run")["mixture"] == {}
    assert not (tmp_path / "run" / "samples").exists()
    assert "from 0 samples" not in ran.out


def test_an_objective_that_nothing_measures_is_refused_before_training(tiny_train, tmp_path):
    ran = tiny_train("~callbacks.quality")
    assert ran.code == 1
    assert ran.err.splitlines() == [
        "mixgan-train: objective=quality/inception_score/mean: nothing measures it; keep callbacks.quality, or set "
        "objective=null"
    ]
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_a_misspelt_objective_is_said_before_anything_is_trained(tiny_train, one_line, tmp_path):
    line = one_line(tiny_train("objective=quality/inception_scoer/mean"))
    assert line.endswith("nothing measures it; did you mean 'quality/inception_score/mean'?")
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_an_objective_that_is_not_measured_does_not_cost_the_results(tiny_train, tmp_path):
    ran = tiny_train("objective=quality/modes")
    assert ran.code == 1
    assert "expected one of the measured values, quality/inception_score/mean, " in ran.err
    assert log_names.INCEPTION_SCORE_MEAN in results(tmp_path / "run")["mixture"]


def test_more_samples_than_real_data_leave_the_real_column_open(tiny_train):
    """The 360 held-out digits are too few; of those measures that training digits serve as well, there are enough."""
    ran = tiny_train("callbacks.quality.num_samples=400")
    assert ran.code == 0
    assert "NearestTrainingImageMeasure: num_samples=400, more than there are real samples" in ran.err
    assert re.search(r"nearest training image +│ +[\d.]+ │ not scored │", ran.out)
    assert re.search(r"inception score +│ +[\d.]+ │ +[\d.]+ │", ran.out)


# ---------------------------------------------------------------------------------------- going on, and going again


def test_metrics_of_an_earlier_run_in_the_folder_are_kept(tiny_train, tmp_path):
    kept = []
    for seed in range(3):
        assert tiny_train("mixture=single", f"seed={seed}").code == 0
        kept.append((tmp_path / "run" / "metrics.csv").read_text())
    assert len(set(kept)) == 3
    assert sorted(path.name for path in (tmp_path / "run").glob("results*")) == [
        "results.before_0.json",
        "results.before_1.json",
        "results.json",
    ]
    found = [(tmp_path / "run" / f"metrics.{name}csv").read_text() for name in ("before_0.", "before_1.", "")]
    assert found == kept


def test_results_are_kept_without_curves_and_from_a_run_that_never_begins(tiny_train, tmp_path):
    for seed in range(3):
        assert tiny_train("mixture=single", f"seed={seed}", "logger.csv=null").code == 0
    assert tiny_train("mixture=single", "callbacks.speed._target_=no.such.thing").code == 1
    assert sorted(path.name for path in (tmp_path / "run").glob("results*")) == [
        "results.before_0.json",
        "results.before_1.json",
        "results.json",
    ]


def test_a_report_that_cannot_be_written_costs_nothing_else(tiny_train, tmp_path):
    (tmp_path / "run" / "report.html").mkdir(parents=True)
    ran = tiny_train("mixture=single")
    assert ran.code == 0
    assert ran.err.startswith("mixgan-report: no report of ")
    assert results(tmp_path / "run")


def test_secrets_of_the_environment_stay_there(mixgan_train, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("MY_API_KEY", "very-secret-indeed")
    ran = mixgan_train(*TWO_STEPS, "hydra.run.dir=run", "mixture=single", "paper=${oc.env:MY_API_KEY}")
    assert ran.code == 0, ran.err
    assert list((tmp_path / "run").rglob("*.wandb"))
    for path in (tmp_path / "run").rglob("*"):
        assert not path.is_file() or b"very-secret-indeed" not in path.read_bytes(), path


def test_a_checkpoint_is_gone_on_from(run_of, tiny_train, tmp_path):
    first = run_of("mixture.size=2")
    on = (f"ckpt_path={first}/checkpoints/last.ckpt", "trainer.max_epochs=3", "trainer.log_every_n_steps=1")
    ran = tiny_train("mixture.size=2", *on)
    assert (ran.code, ran.err) == (0, "")
    logged = [float(row[log_names.IMAGES_SEEN]) for row in rows(tmp_path / "run" / "metrics.csv")]
    assert sorted(set(logged)) == [192, 256, 320, 384]  # nothing is played again
    before, after = state(first), state(tmp_path / "run")
    assert (
        before["mixgan_lightning"]["played"]
        == {
            "discriminator_steps": 2,
            "generator_steps": 2,
            "since_generator": 0,
            "images_seen": 128,
        }
        | before["mixgan_lightning"]["played"]
    )
    played = after["mixgan_lightning"]["played"]
    assert (played["discriminator_steps"], played["generator_steps"], played["images_seen"]) == (6, 6, 384)
    assert after["epoch"] == before["epoch"] + 2
    assert after["global_step"] == 3 * before["global_step"]
    assert results(tmp_path / "run")["images_seen"] == 384
    assert [path.name for path in (tmp_path / "run" / "samples").iterdir()] == ["epoch_0003.png"]


def test_the_rate_is_that_of_this_run_alone(run_of, tiny_train, tmp_path):
    tiny_train("mixture.size=2", f"ckpt_path={run_of('mixture.size=2')}/checkpoints/last.ckpt", "trainer.max_epochs=2")
    found = results(tmp_path / "run")
    assert found["images_per_second"] == pytest.approx(128 / found["seconds"])
    assert 0 < found["cpu_seconds"] < 10 * found["seconds"]
    assert found["device"] == "cpu"


def test_resuming_gives_the_parameters_of_an_uninterrupted_run(tmp_path, tiny_train):
    """Where both see the same data and draws: a checkpoint holds neither random streams nor the order of a shuffle."""
    (tmp_path / "own.py").write_text(OWN_MODULE)
    common = ("mixture.size=2", "gan=dcgan", "gan.generator.width=4", "gan.discriminator.width=4")
    common += (
        "mixture.log_probability_lr=0.1",
        "+callbacks.seed._target_=own.SeedEachBatch",
        "data._target_=own.Ordered",
    )
    for more in (
        ["hydra.run.dir=whole", "trainer.max_epochs=2"],
        ["hydra.run.dir=first"],
        ["hydra.run.dir=second", "trainer.max_epochs=2", "ckpt_path=first/checkpoints/last.ckpt", "seed=9"],
    ):
        assert tiny_train(*common, *more).code == 0
    whole, second = state(tmp_path / "whole"), state(tmp_path / "second")
    for key, value in whole["state_dict"].items():
        assert torch.equal(value, second["state_dict"][key]), key
    for one, other in zip(whole["optimizer_states"], second["optimizer_states"], strict=True):
        for key, moments in one["state"].items():
            assert all(torch.equal(value, other["state"][key][name]) for name, value in moments.items())
    assert results(tmp_path / "whole")["mixture"] == results(tmp_path / "second")["mixture"]


def test_a_run_that_is_complete_is_only_measured(run_of, tiny_train, tmp_path):
    first = run_of("mixture.size=2")
    ran = tiny_train("mixture.size=2", f"ckpt_path={first}/checkpoints/last.ckpt", "seed=9")
    assert ran.code == 0
    assert results(tmp_path / "run")["mixture"] == pytest.approx(results(first)["mixture"], rel=1e-5)
    assert results(tmp_path / "run")["generator_weights"] == results(first)["generator_weights"]
    assert results(tmp_path / "run")["images_seen"] == 128


def test_a_run_with_averaged_weights_that_is_complete_is_measured_as_it_was(run_of, tiny_train, tmp_path):
    averaging = ("mixture.size=2", "callbacks=ema", "callbacks.ema.decay=0.5")
    first = run_of(*averaging)
    assert tiny_train(*averaging, f"ckpt_path={first}/checkpoints/last.ckpt").code == 0
    assert results(tmp_path / "run")["weights"] == "ema"
    assert results(tmp_path / "run")["mixture"] == pytest.approx(results(first)["mixture"], rel=1e-5)


def test_an_interrupted_run_says_so_and_can_be_gone_on_from(tmp_path, tiny_train):
    (tmp_path / "own.py").write_text(OWN_MODULE)
    ran = tiny_train("mixture.size=2", "trainer.max_epochs=3", "+callbacks.stop._target_=own.Interrupt")
    assert ran.code == 130
    left = "run/checkpoints/interrupted.ckpt"  # Interrupt raises within a batch
    assert ran.err == f"mixgan-train: interrupted; ckpt_path={left} goes on from here\n"
    contents = torch.load(tmp_path / left, weights_only=True)
    assert contents["mixgan_lightning"]["played"]["images_seen"] == 192
    assert tiny_train("mixture.size=2", f"ckpt_path={left}", "trainer.max_epochs=3").code == 0


# ---------------------------------------------------------------------------------------- averaged weights, quality


def test_averaged_weights_are_scored_and_kept_beside_the_raw_ones(tiny_train, tmp_path):
    ran = tiny_train("mixture.size=2", "callbacks=ema", "callbacks.ema.decay=0.5")
    assert (ran.code, ran.err) == (0, "")
    assert "epoch 1, averaged weights: inception score " in ran.out
    assert "MIX+ of 2, averaged weights" in ran.out
    assert results(tmp_path / "run")["weights"] == "ema"
    contents = state(tmp_path / "run")
    key = "generators.components.1.body.0.weight"
    assert not torch.equal(contents["state_dict"][key], contents["current_model_state"][key])


def test_raw_weights_are_scored_where_they_are_asked_for(run_of):
    averaging = ("mixture.size=2", "callbacks=ema", "callbacks.ema.decay=0.5")
    found = results(run_of(*averaging, "callbacks.quality.weights=raw"))
    assert found["weights"] == results(run_of("mixture.size=2"))["weights"] == "raw"
    assert found["mixture"] == results(run_of("mixture.size=2"))["mixture"] != results(run_of(*averaging))["mixture"]


@pytest.mark.parametrize("weights", ["ema", "raw"])
def test_scores_by_steps_end_with_those_of_the_model_in_the_checkpoint(weights, tiny_train, tmp_path):
    """Also where the last batch was the occasion: in these configs the quality callback stands before the average."""
    by_steps = ("callbacks.quality.every_n_epochs=null", "callbacks.quality.every_n_steps=1")
    averaging = ("callbacks=ema", "callbacks.ema.decay=0.5", f"callbacks.quality.weights={weights}")
    assert tiny_train("mixture.size=2", *by_steps, *averaging, "++trainer.limit_train_batches=3").code == 0
    steps = [row["step"] for row in rows(tmp_path / "run" / "metrics.csv") if row[log_names.INCEPTION_SCORE_MEAN]]
    assert steps == ["0", "1", "2"]
    model = MixGANModule.load_from_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt", weights=weights)
    assert results(tmp_path / "run")["mixture"] == pytest.approx(digits_quality(model).measure(model), rel=1e-6)


def test_components_of_a_run_are_scored_where_asked(tiny_train, tmp_path):
    assert tiny_train("mixture.size=2", "callbacks.quality.components=true").code == 0
    (row,) = [row for row in rows(tmp_path / "run" / "metrics.csv") if row[log_names.INCEPTION_SCORE_MEAN]]
    model = MixGANModule.load_from_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")
    for i in range(2):
        for name, value in digits_quality(model).measure(model, component=i).items():
            assert float(row[log_names.of_component(i, name)]) == pytest.approx(value, rel=1e-6, abs=1e-9)
    assert set(results(tmp_path / "run")["mixture"]) == set(digits_quality(model).measure(model))


@pytest.fixture
def no_network(tmp_path, monkeypatch):
    """Neither a cached file nor a server that answers."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    monkeypatch.setattr("mixgan_lightning.features.inception.URL_INCEPTION_V3", "http://127.0.0.1:9/weights.pth")


def test_the_published_protocol_without_its_weights_is_refused_at_once_before_training(
    no_network, tiny_train, one_line, tmp_path
):
    start = time.perf_counter()
    line = one_line(tiny_train("callbacks/quality=inception"))
    assert time.perf_counter() - start < 5
    assert "the Inception weights are not on this machine and cannot be fetched" in line
    assert "callbacks.quality.features.weights_path=FILE" in line
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_a_network_that_accepts_and_never_answers_is_refused_before_training_too(
    no_network, tiny_train, one_line, tmp_path, monkeypatch
):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/weights.pth"
        monkeypatch.setattr("mixgan_lightning.features.inception.URL_INCEPTION_V3", url)
        line = one_line(tiny_train("callbacks/quality=inception"))
    assert "the Inception weights are not on this machine and cannot be fetched" in line
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.parametrize("data", ["mnist", "cifar10", "celeba"])
def test_data_that_are_missing_are_said_before_weights_that_are_missing_too(
    data, no_network, tiny_train, one_line, tmp_path
):
    line = one_line(tiny_train(f"data={data}", f"data.root={tmp_path}/empty"))
    assert f"is missing: expected {tmp_path}/empty/" in line


@pytest.mark.parametrize("data", ["digits", "gaussians_ring"])
def test_without_measurements_there_is_no_objective(data, tiny_train, tmp_path):
    ran = tiny_train(f"data={data}", "callbacks/quality=none", "mixture.size=2")
    assert (ran.code, ran.err) == (0, "")
    assert results(tmp_path / "run")["mixture"] == {}


# ---------------------------------------------------------------------------------------- sweeps, configs of one's own


def test_a_sweep_runs_every_combination(mixgan_train, tmp_path):
    tiny = ("logger=csv", *TWO_STEPS, "hydra.sweep.dir=sweep")
    ran = mixgan_train("-m", *tiny, "mixture=single,mix3", "seed=1,2")
    assert (ran.code, ran.err) == (0, "")
    found = [results(tmp_path / "sweep" / str(job)) for job in range(4)]
    assert [len(run["generator_weights"]) for run in found] == [1, 1, 3, 3]
    assert len({run["mixture"][log_names.FRECHET_DISTANCE] for run in found}) == 4
    assert not (tmp_path / "sweep" / "4").exists()
    assert all((tmp_path / "sweep" / str(job) / "checkpoints" / "last.ckpt").exists() for job in range(4))


def test_a_sweep_over_runs_of_several_processes_is_refused(mixgan_train, tmp_path):
    """Each of their processes would run the whole sweep again."""
    ran = mixgan_train("-m", "logger=csv", "trainer=ddp_sim", "hydra.sweep.dir=sweep", "seed=1,2")
    assert (ran.code, ran.err.count("-m cannot sweep over runs of 2 processes each; give every run one device")) == (
        1,
        2,
    )
    assert not list((tmp_path / "sweep").rglob("metrics.csv"))
    assert not list((tmp_path / "sweep").rglob("*.ckpt"))


def test_a_bad_job_ends_a_sweep_with_its_line(mixgan_train, tmp_path):
    tiny = ("logger=csv", *TWO_STEPS, "hydra.sweep.dir=sweep")
    ran = mixgan_train("-m", *tiny, "mixture.size=1,0")
    assert ran.code == 1
    (line, *_) = ran.err.splitlines()
    assert line.startswith("mixgan-train: run 1 of the sweep (")
    assert line.endswith("): size: expected a whole number of at least 1, got 0")
    assert results(tmp_path / "sweep" / "0")  # what was done is there


MY_MODULE = """
from torch import nn
from mixgan_lightning import GAN

class Own(GAN):
    def __init__(self, width):
        body = nn.Sequential(nn.Linear(5, width), nn.ReLU(), nn.Linear(width, 64), nn.Tanh())
        body.append(nn.Unflatten(1, (1, 8, 8)))
        super().__init__(body, nn.Sequential(nn.Flatten(), nn.Linear(64, 1)), latent_dim=5)
"""


def write_own_configs(folder):
    (folder / "my_gans.py").write_text(MY_MODULE)
    (folder / "my_configs" / "gan").mkdir(parents=True)
    (folder / "my_configs" / "gan" / "mine.yaml").write_text("_target_: my_gans.Own\nwidth: 7\n")
    (folder / "my_configs" / "experiment").mkdir()
    (folder / "my_configs" / "experiment" / "own.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /gan: mine\n  - override /mixture: mix3\ngan:\n  width: 9\n"
    )


def test_configs_and_modules_of_ones_own_are_found_from_the_working_directory(tmp_path, shell):
    write_own_configs(tmp_path)
    tiny = ("logger=csv", *TWO_STEPS, "hydra.run.dir=run")
    ran = shell("mixgan-train", *tiny, "hydra.searchpath=[file://my_configs]", "gan=mine", "gan.width=8")
    assert (ran.code, ran.err) == (0, "")
    assert "MIX+ of 5" in ran.out
    assert state(tmp_path / "run")["state_dict"]["generators.components.4.0.weight"].shape == (8, 5)
    ran = shell("mixgan-sample", "ckpt_path=run/checkpoints/last.ckpt", "n=5", "out=pictures/grid.png")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("5 samples in pictures/grid.png (")
    assert (tmp_path / "pictures" / "grid.png").exists()


def test_an_experiment_of_ones_own_overrides_the_groups(tmp_path, tiny_train):
    write_own_configs(tmp_path)
    ran = tiny_train("hydra.searchpath=[file://my_configs]", "experiment=own")
    assert (ran.code, ran.err) == (0, "")
    weights = state(tmp_path / "run")["state_dict"]
    assert weights["generators.components.2.0.weight"].shape == (9, 5)
    assert "generators.components.3.0.weight" not in weights


# ---------------------------------------------------------------------------------------- W&B


def test_the_default_logger_writes_an_offline_run(mixgan_train, tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    modes = []
    import wandb

    finish = wandb.finish
    monkeypatch.setattr(wandb, "finish", lambda: (modes.append(os.environ.get("WANDB_MODE")), finish()))
    tiny = (*TWO_STEPS, "hydra.run.dir=run", "mixture.size=2")
    ran = mixgan_train(*tiny)
    assert ran.code == 0
    assert len(list((tmp_path / "run" / "wandb").glob("offline-run-*/run-*.wandb"))) == 1
    assert rows(tmp_path / "run" / "metrics.csv")  # beside the CSV
    assert modes == [None]  # Lightning's offline=True would have set it
    assert wandb.run is None  # closed, so that a sweep's next job has its own
    assert {path.name for path in tmp_path.iterdir()} == {"run"}


@pytest.mark.parametrize("logger", ["default", "wandb"])
def test_wandb_mode_disabled_is_respected(logger, mixgan_train, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    tiny = (*TWO_STEPS, "hydra.run.dir=run", "mixture.size=2")
    ran = mixgan_train(f"logger={logger}", *tiny)
    assert ran.code == 0
    assert not (tmp_path / "run" / "wandb").exists()
    assert rows(tmp_path / "run" / "metrics.csv")
