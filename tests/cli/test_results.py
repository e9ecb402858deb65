import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from mixgan_lightning import log_names
from mixgan_lightning.cli.results import Results

RESULTS = Results(
    title="MIX+ of 3",
    size=3,
    mixture={log_names.INCEPTION_SCORE_MEAN: 9.4612, log_names.INCEPTION_SCORE_STD: 0.0, log_names.MODES_COVERED: 24.0},
    real={log_names.INCEPTION_SCORE_MEAN: 9.7},
    num_samples=2_500,
    weights="raw",
    generator_weights=[0.5, 0.3, 0.2],
    discriminator_weights=[1 / 3] * 3,
    generators_in_use=2.8,
    discriminators_in_use=3.0,
    images_seen=123_456,
    images_seen_before=0,
    images_per_second=2_345.6,
    seconds=52.6,
    cpu_seconds=50.1,
    device="cpu",
)


@pytest.fixture
def shown(capsys, monkeypatch, tmp_path):
    """``shown(results)``: the lines printed, of a run in ``run/`` of the working directory."""
    monkeypatch.chdir(tmp_path)

    def show(results, run_dir="run"):
        results.show(Path(run_dir))
        return capsys.readouterr().out

    return show


def test_values_stand_in_three_digits_beside_real_data(shown):
    out = shown(RESULTS)
    assert re.search(r"from 2,500 samples +┃ +mixture ┃ +real data ┃", out)
    assert re.search(r"inception score +│ +9.46 │ +9.7 │", out)
    assert re.search(r"modes +│ +24 │ +not scored │", out)


def test_the_sd_over_one_split_is_left_out_and_over_several_shown(shown):
    assert "sd over splits" not in shown(RESULTS)
    several = RESULTS.mixture | {log_names.INCEPTION_SCORE_STD: 0.25}
    assert re.search(r"sd over splits +│ +0.25 │", shown(replace(RESULTS, mixture=several)))


def test_a_measure_without_a_title_goes_by_its_log_name(shown):
    assert re.search(r"quality/own +│ +2 │", shown(replace(RESULTS, mixture={"quality/own": 2.0})))


def test_without_measures_there_is_no_table(shown):
    out = shown(replace(RESULTS, mixture={}, real={}))
    assert "samples" not in out
    assert "w = 0.50 0.30 0.20" in out


def test_weights_time_and_rate_are_told(shown):
    out = shown(RESULTS)
    assert "generators     w = 0.50 0.30 0.20   (2.80 in use)\n" in out
    assert "discriminators w = 0.33 0.33 0.33   (3.00 in use)\n" in out
    assert "training       52.6 s, 123,456 real images seen (2,346/s)\n" in out


def test_averaged_weights_are_said_to_be_averaged(shown):
    assert shown(RESULTS).strip().splitlines()[0].rstrip() == "MIX+ of 3"
    assert "MIX+ of 3, averaged weights" in shown(replace(RESULTS, weights="ema"))


def test_only_files_that_exist_are_pointed_to(shown, tmp_path):
    assert "run/" not in shown(RESULTS)
    (tmp_path / "run" / "samples").mkdir(parents=True)
    (tmp_path / "run" / "metrics.csv").touch()
    lines = shown(RESULTS).splitlines()
    assert lines[-2:] == ["pictures       run/samples/", "curves         run/metrics.csv"]


def test_a_folder_outside_the_working_directory_is_named_in_full(shown, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "metrics.csv").touch()
    assert f"curves         {elsewhere}/metrics.csv\n" in shown(RESULTS, elsewhere)


def test_many_weights_stay_on_one_line(shown):
    out = shown(replace(RESULTS, generator_weights=[0.05] * 20))
    assert " ".join(["0.05"] * 20) in out


def test_results_json_holds_every_value(tmp_path):
    RESULTS.save(tmp_path / "results.json")
    assert Results(**json.loads((tmp_path / "results.json").read_text())) == RESULTS
