"""docs/wandb_sweep.yaml, as an agent reads it."""

from pathlib import Path

import yaml

from mixgan_lightning import log_names

SWEEP = yaml.safe_load((Path(__file__).parents[2] / "docs" / "wandb_sweep.yaml").read_text())


def test_the_command_of_an_agent_trains_and_measures_the_metric(mixgan_train, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    values = {"mixture.size": 3, "mixture.entropy_weight": 0.02, "seed": 2}
    assert values.keys() == SWEEP["parameters"].keys()
    program, *words = [word for word in SWEEP["command"] if word != "${env}"]
    assert program == "mixgan-train"
    args = [f"{name}={value}" for name, value in values.items()]  # as ${args_no_hyphens} is replaced
    words = [each for word in words for each in (args if word == "${args_no_hyphens}" else [word])]
    ran = mixgan_train(*words, "trainer.max_epochs=1", "+trainer.limit_train_batches=2", "hydra.run.dir=run")
    assert ran.code == 0, ran.err
    assert SWEEP["metric"] == {"name": log_names.OBJECTIVE, "goal": "maximize"}
    assert log_names.OBJECTIVE in (tmp_path / "run" / "metrics.csv").read_text().splitlines()[0].split(",")
