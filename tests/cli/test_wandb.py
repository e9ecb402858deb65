"""What a default run leaves for W&B, read back from its offline file."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mixgan_lightning import log_names

OPTIONS = (
    "trainer.max_epochs=2",
    "+trainer.limit_train_batches=4",
    "trainer.log_every_n_steps=2",
    "evaluate_every_n_epochs=1",
    "mixture.size=3",
    "data.batch_size=32",
    "trainer.accelerator=cpu",
)
OF_EVERY_RUN = {
    log_names.GENERATOR_LOSS,
    log_names.DISCRIMINATOR_LOSS,
    log_names.REAL_SCORE,
    log_names.FAKE_SCORE,
    log_names.PAYOFF_VALUE,
    log_names.PAYOFF_GAP,
    log_names.IMAGES_PER_SECOND,
    log_names.OBJECTIVE,
    log_names.INCEPTION_SCORE_MEAN,
    log_names.INCEPTION_SCORE_STD,
    log_names.FRECHET_DISTANCE,
    log_names.NEAREST_TRAINING_IMAGE,
    *(log_names.gradient_norm(player) for player in ("generator", "discriminator")),
    *(log_names.effective(player) for player in ("generator", "discriminator")),
    *(log_names.weight(player, i) for player in ("generator", "discriminator") for i in range(3)),
    *(log_names.of_component(i, log_names.INCEPTION_SCORE_MEAN) for i in range(3)),
    *(log_names.of_component(i, log_names.FRECHET_DISTANCE) for i in range(3)),
}
PICTURES = {
    log_names.SAMPLES_MIXTURE,
    *map(log_names.samples_component, range(3)),
    log_names.PAYOFF_HEATMAP,
}


def records(folder):
    """Every record of a run's offline file."""
    (file,) = (folder / "wandb").glob("offline-run-*/run-*.wandb")
    command = [str(Path(sys.executable).parent / "wandb"), "leet", "inspect", "--json", str(file)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    return [json.loads(line) for line in said.splitlines()]


def history(found):
    """The rows that were logged, a dict each; of pictures and tables the path of the file."""
    rows = [row["history"]["item"] for row in found if row["type"] == "history"]
    return [{key.removesuffix(".path"): value for key, value in row.items()} for row in rows]


def config(found):
    """What the run's config holds in the end."""
    merged = {}
    for record in found:
        for of in (record.get("run", {}).get("config", {}), record.get("config", {})):
            merged |= of.get("update", {})
    return merged


@pytest.fixture(scope="module")
def default_run(tmp_path_factory):
    """The folder of a run with the default logger."""
    folder = tmp_path_factory.mktemp("wandb") / "run"
    command = [str(Path(sys.executable).parent / "mixgan-train"), *OPTIONS, f"hydra.run.dir={folder}", "seed=3"]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    return folder


def test_every_promised_value_is_there_beside_the_images_seen(default_run):
    rows = history(records(default_run))
    seen = {key for row in rows for key in row}
    assert seen >= OF_EVERY_RUN | PICTURES | {log_names.PAYOFF_MATRIX}
    for row in rows:
        if any(key in OF_EVERY_RUN | PICTURES for key in row):
            assert row[log_names.IMAGES_SEEN] > 0
    assert [row[log_names.IMAGES_SEEN] for row in rows if log_names.PAYOFF_HEATMAP in row] == [128, 256]
    assert [row[log_names.IMAGES_SEEN] for row in rows if log_names.OBJECTIVE in row] == [256]


def test_pictures_and_the_table_are_files(default_run):
    rows = history(records(default_run))
    (files,) = (default_run / "wandb").glob("offline-run-*/files")
    for key in [*PICTURES, log_names.PAYOFF_MATRIX]:
        media = [row[key] for row in rows if key in row]
        assert len(media) == 2
        assert all((files / each).stat().st_size > 0 for each in media)
    path = next(row[log_names.PAYOFF_MATRIX] for row in rows if log_names.PAYOFF_MATRIX in row)
    table = json.loads((files / path).read_text())
    assert (len(table["data"]), len(table["columns"])) == (3, 4)


def test_the_config_tells_options_and_where_the_run_comes_from(default_run):
    found = config(records(default_run))
    assert (
        found["options"]["mixture"]["size"] == found["mixture"]["size"] == 3
    )  # the first for people, the other for panels
    assert (found["gan"], found["data"]) == ("mlp", "digits")
    assert found["options"]["seed"] == found["provenance"]["seed"] == 3
    assert found["provenance"]["versions"].keys() >= {"torch", "mixgan-lightning", "python"}
    assert found["provenance"]["parameters"]["generators"] > 0
    assert "commit" in found["provenance"]
    written = json.loads((default_run / "provenance.json").read_text())
    assert written == found["provenance"]
    assert written["command"].startswith("mixgan-train trainer.max_epochs=2")


def test_images_seen_is_the_axis_and_the_best_value_stays_in_the_summary(default_run):
    metrics = [record["metric"] for record in records(default_run) if record["type"] == "metric"]
    assert all(m["step_metric"] == log_names.IMAGES_SEEN for m in metrics if m.get("name") != log_names.IMAGES_SEEN)
    kept = {m["name"]: m["summary"] for m in metrics if "summary" in m}
    assert kept[log_names.INCEPTION_SCORE_MEAN]["max"]
    assert kept[log_names.INCEPTION_SCORE_MEAN]["last"]
    assert kept[log_names.FRECHET_DISTANCE]["min"]


def test_a_training_that_goes_on_is_the_same_run(default_run, mixgan_train, tmp_path):
    ran = mixgan_train(
        f"ckpt_path={default_run / 'checkpoints' / 'last.ckpt'}",
        *OPTIONS,
        "trainer.max_epochs=3",
        "hydra.run.dir=run",
    )
    assert ran.code == 0, ran.err
    first, second = (next((d / "wandb").glob("*/run-*.wandb")).name for d in (default_run, tmp_path / "run"))
    assert first == second
    assert (
        min(row[log_names.IMAGES_SEEN] for row in history(records(tmp_path / "run")) if log_names.IMAGES_SEEN in row)
        > 256
    )


def test_a_training_may_begin_a_new_run_from_a_checkpoint(default_run, mixgan_train, tmp_path):
    checkpoint = f"ckpt_path={default_run / 'checkpoints' / 'last.ckpt'}"
    ran = mixgan_train(checkpoint, *OPTIONS, "trainer.max_epochs=3", "hydra.run.dir=run", "logger.wandb.run_id=branch")
    assert ran.code == 0, ran.err
    assert next((tmp_path / "run" / "wandb").glob("*/run-*.wandb")).name == "run-branch.wandb"
