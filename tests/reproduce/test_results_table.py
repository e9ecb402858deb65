import json

import pytest
from PIL import Image

from mixgan_lightning.reproduce import ResultsTable, results_table

SCORE, MODES = "quality/inception_score/mean", "quality/modes"
COLUMNS = {SCORE: {"heading": "score", "digits": 2}, MODES: {"heading": "modes", "digits": 0}}


@pytest.fixture
def write(tmp_path):
    """``write(*ran, **options)``: the page's table as rows of cells; the page; the JSON."""

    def make(*ran, **options):
        experiments = [
            {"experiment": one.entry.experiment, "label": one.entry.label, "paper": one.entry.paper} for one in ran
        ]
        table = ResultsTable(title="Table", experiments=experiments, columns=COLUMNS, **options)
        page = table.write(ran, tmp_path / "table")
        rows = [line.strip("| ").split(" | ") for line in page.body.splitlines() if line.startswith("|")]
        return rows, page, json.loads((tmp_path / "table.json").read_text())

    return make


def three(finished, name, scores=(7.0, 8.0, 9.0), **results):
    return [
        finished(name, seed, {SCORE: score, MODES: 8}, {SCORE: 9.5, MODES: 10}, **results)
        for seed, score in enumerate(scores, 1)
    ]


def test_a_row_is_mean_and_deviation_over_seeds_median_seconds_and_their_number(write, ran, finished):
    outcomes = [
        finished("a", seed, {SCORE: score, MODES: 8}, seconds=seconds, cpu_seconds=seconds / 2)
        for seed, score, seconds in ((1, 7.0, 10.0), (2, 8.0, 400.0), (3, 9.0, 20.0))
    ]
    (head, _, row, _), page, _ = write(ran("GAN", *outcomes))
    assert head == ["score", "modes", "seconds (median)", "CPU seconds (median)", "seeds"]
    assert row == ["GAN", "8.00 ± 1.00", "8 ± 0", "20", "10", "3"]
    assert page.notes == []
    assert page.conditions == ["mean ± sd over seeds 1, 2, 3; scored from 360 samples; trained on cpu"]


def test_one_seed_has_no_deviation(write, ran, finished):
    (_, _, row, _), page, _ = write(ran("GAN", *three(finished, "a", [7.126])))
    assert row[:3] == ["GAN", "7.13", "8"]
    assert page.conditions[0].startswith("seed 1; ")


def test_real_data_have_the_last_row(write, ran, finished):
    (*_, row), _, values = write(ran("GAN", *three(finished, "a")), ran("MIX+", *three(finished, "b")))
    assert row[:3] == ["real data", "9.50", "10"]
    assert values["real"] == {SCORE: 9.5, MODES: 10}


def test_the_papers_numbers_stand_beside_ours_and_name_its_data(write, ran, finished):
    entries = [ran("GAN", *three(finished, "a"), paper="7.16 ± 0.10"), ran("ours", *three(finished, "b"))]
    (head, _, first, second, real), _, _ = write(*entries, data="cifar10", papers_real="11.24 ± 0.12")
    assert head[:2] == ["score", "paper, cifar10"]
    assert [row[2] for row in (first, second, real)] == ["7.16 ± 0.10", "–", "11.24 ± 0.12"]


def test_a_row_that_was_not_run_has_no_number_and_its_message_stands_below(write, ran, finished, failed):
    missing = ran("MIX+", failed("b", 1, "no weights"), failed("b", 2, "no weights"), paper="7.65")
    (_, _, _, row, _), page, values = write(ran("GAN", *three(finished, "a")), missing, data="cifar10")
    assert row == ["MIX+", "not run", "7.65", "not run", "–", "–", "0 of 2"]
    assert page.notes == ["MIX+: not run: no weights (seeds 1, 2)"]
    assert values["rows"][1]["values"] == {}
    assert values["rows"][1]["runs"] == [{"seed": 1, "not_run": "no weights"}, {"seed": 2, "not_run": "no weights"}]


def test_seeds_that_failed_are_not_averaged(write, ran, finished, failed):
    (_, _, row, _), page, _ = write(ran("GAN", *three(finished, "a", [7.0, 9.0]), failed("a", 3, "NaN")))
    assert (row[1], row[-1]) == ("8.00 ± 1.41", "2 of 3")
    assert page.notes == ["GAN: not run: NaN (seed 3)"]


def test_where_nothing_ran_there_are_no_numbers_at_all(write, ran, failed):
    (_, _, row, real), page, _ = write(ran("GAN", failed()))
    assert (row[1], real[1]) == ("not run", "–")
    assert page.conditions == ["seed 1"]


def test_a_value_that_a_run_lacks_is_told(write, ran, finished):
    (_, _, row, _), page, _ = write(ran("GAN", finished("a", 1, {SCORE: 7.0})))
    assert row[1:3] == ["7.00", "not measured"]
    assert page.notes == ["GAN: not measured: no quality/modes in the results of a"]


def test_results_of_before_the_cpus_seconds_have_none(write, ran, finished):
    outcome = finished("a", 1, {SCORE: 7.0, MODES: 8})
    results = outcome.results
    del results["cpu_seconds"]
    outcome.run.results_path.write_text(json.dumps(results))
    (_, _, row, _), _, _ = write(ran("GAN", outcome))
    assert row[3:5] == ["30", "–"]


def test_rows_of_several_devices_are_told_apart(write, ran, finished):
    on_gpu = three(finished, "b", device="H100")
    _, page, _ = write(ran("GAN", *three(finished, "a")), ran("MIX+", *on_gpu))
    assert page.conditions[0].endswith("trained on cpu (GAN), H100 (MIX+)")


def test_the_json_holds_every_value_of_every_run(write, ran, finished):
    _, _, values = write(ran("GAN", *three(finished, "a"), paper="7.16"), data="cifar10")
    (row,) = values["rows"]
    assert (row["experiment"], row["label"], row["paper"]) == ("a", "GAN", "7.16")
    assert row["values"][SCORE] == {"mean": 8.0, "sd": 1.0, "n": 3}
    assert [run["mixture"][SCORE] for run in row["runs"]] == [7.0, 8.0, 9.0]
    assert [run["device"] for run in row["runs"]] == ["cpu"] * 3


def test_the_picture_lies_beside_the_page_and_is_shown_there(write, ran, finished, tmp_path):
    _, page, _ = write(ran("GAN", *three(finished, "a")))
    assert "![Table](<table.png>)" in page.body
    assert Image.open(tmp_path / "table.png").width > 500


@pytest.fixture
def costs(monkeypatch):
    """What is drawn over the seconds."""
    drawn = []
    monkeypatch.setattr(results_table, "write_costs", lambda *given: drawn.append(given))
    return drawn


def test_the_first_value_is_drawn_over_the_median_seconds_with_real_data(write, ran, finished, failed, costs, tmp_path):
    rows = [ran(label, *three(finished, label, cpu_seconds=s)) for label, s in (("GAN", 10.0), ("**MIX+**", 30.0))]
    write(*rows, ran("not run", failed("c")))
    ((path, drawn, _, heading, real),) = costs
    assert path == tmp_path / "table_by_seconds.png"
    assert [(cost.label, cost.seconds, cost.value.mean) for cost in drawn] == [("GAN", 10, 8), ("**MIX+**", 30, 8)]
    assert (heading, real) == ("score", 9.5)


def test_one_row_is_not_drawn_over_the_seconds(write, ran, finished, failed, costs):
    _, page, _ = write(ran("GAN", *three(finished, "a")), ran("MIX+", failed("b")))
    assert not costs
    assert "by_seconds" not in page.body


def test_the_picture_over_the_seconds_is_shown_on_the_page(write, ran, finished, tmp_path):
    _, page, _ = write(ran("GAN", *three(finished, "a")), ran("**MIX+**", *three(finished, "b", [7.5])))
    assert "![Table](<table_by_seconds.png>)" in page.body
    assert tmp_path / "table_by_seconds.png" in page.files
    assert Image.open(tmp_path / "table_by_seconds.png").width > 800
