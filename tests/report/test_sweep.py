import json

import pytest
import yaml

from mixgan_lightning import log_names
from mixgan_lightning.report import Failure, summarise, write_report
from mixgan_lightning.report.comparison import by_size
from mixgan_lightning.report.run import read_run
from mixgan_lightning.report.sweep_page import sweep_page
from mixgan_lightning.spread import Spread


def test_a_row_for_each_config_but_its_seeds(make_sweep):
    summary = summarise(make_sweep())
    assert summary.options == ["mixture.size"]  # what all runs share is not told
    assert [(row.options, row.seeds) for row in summary.rows] == [
        ({"mixture.size": "1"}, [1, 2]),
        ({"mixture.size": "3"}, [1]),
    ]
    assert summary.rows[0].values["quality/fid"] == Spread.of([113.0, 114.0])
    assert summary.rows[1].values["quality/fid"] == Spread(337.0, None, 1)
    assert summary.rows[0].cpu_seconds == 128.0
    assert summary.failures == (Failure("3", "the loss is <nan>"),)
    assert summary.asked == ("mixture.size=1,3", "seed=1,2")
    assert summary.real["quality/fid"] == 2.5


def test_the_best_by_what_is_known_to_be_better(make_sweep):
    summary = summarise(make_sweep())
    one, three = summary.rows
    assert summary.objective == summary.names[0] == "quality/inception_score/mean"
    assert summary.best("quality/inception_score/mean") is three
    assert summary.best("quality/fid") is one
    assert summary.best("quality/my_measure") is None


def test_as_json(make_sweep):
    found = json.loads(json.dumps(summarise(make_sweep()).as_json(), allow_nan=False))
    assert found["rows"][0] == {
        "options": {"mixture.size": 1},
        "seeds": [1, 2],
        "runs": [
            {
                "run": str(seed - 1),
                "seed": seed,
                "values": {
                    "quality/inception_score/mean": 4.5 + seed,
                    "quality/fid": 112.0 + seed,
                    "quality/my_measure": 0.5 + seed,
                },
            }
            for seed in (1, 2)
        ],
        "values": {
            name: {"mean": pytest.approx(value + 1.5), "sd": pytest.approx(0.5**0.5), "n": 2}
            for name, value in (
                ("quality/inception_score/mean", 4.5),
                ("quality/fid", 112),
                ("quality/my_measure", 0.5),
            )
        },
        "cpu_seconds": 128.0,
    }
    assert found["failures"] == [{"run": "3", "reason": "the loss is <nan>"}]


def test_values_of_different_data_are_not_compared(make_sweep):
    folder = make_sweep()
    choices = {"hydra": {"runtime": {"choices": {"gan": "mlp", "data": "gaussians_ring"}}}}
    (folder / "2" / ".hydra" / "hydra.yaml").write_text(yaml.safe_dump(choices))
    summary = summarise(folder)
    assert summary.real == {}
    assert summary.best("quality/inception_score/mean") is None
    write_report(folder)


def test_mixtures_of_another_kind_are_a_line_of_their_own_over_the_size(make_run, tmp_path):
    for k, (name, size, kind) in enumerate(
        [("single", 1, "MixGANModule"), ("mix5", 5, "MixGANModule"), ("independent5", 5, "IndependentGANs")]
    ):
        folder = make_run(f"sweep/{k}", size, overrides=(f"mixture={name}", "seed=1"))
        config = yaml.safe_load((folder / ".hydra" / "config.yaml").read_text())
        config["mixture"]["_target_"] = f"mixgan_lightning.{kind}"
        (folder / ".hydra" / "config.yaml").write_text(yaml.safe_dump(config))
    (drawing, *_) = by_size(summarise(tmp_path / "sweep"))
    assert [key.label for key in drawing.legend if not key.label.startswith("real")] == ["mixture=IndependentGANs"]
    assert "mixture=IndependentGANs T=5" in drawing.svg
    assert "T=1: " in drawing.svg


def test_earlier_curves_in_the_folder_are_this_runs_only_where_it_went_on(make_run):
    folder = make_run(n=20)
    earlier = (folder / "metrics.csv").read_text().splitlines()
    (folder / "metrics.before_0.csv").write_text("\n".join(earlier[:5]))
    with_ckpt = yaml.safe_load((folder / ".hydra" / "config.yaml").read_text()) | {"ckpt_path": "a.ckpt"}
    rows = [",".join(earlier[:1]), *earlier[10:]]
    (folder / "metrics.csv").write_text("\n".join(rows))
    alone = len(read_run(folder).metrics[log_names.GENERATOR_LOSS].seen)
    (folder / ".hydra" / "config.yaml").write_text(yaml.safe_dump(with_ckpt))
    assert len(read_run(folder).metrics[log_names.GENERATOR_LOSS].seen) == alone + 4


def test_the_table_of_the_page(make_sweep, page_of):
    folder = make_sweep()
    found = sweep_page(summarise(folder))
    assert found["headings"] == ["inception score ↑", "Fréchet distance ↓", "quality/my_measure"]
    assert [(line.options, line.seeds) for line in found["lines"]] == [(("1",), "2"), (("3",), "1 of 2")]
    assert [cell.best for line in found["lines"] for cell in line.cells] == [False, True, False, True, False, False]
    assert [of.title for of in found["sizes"]] == ["inception score", "Fréchet distance", "quality/my_measure"]
    assert [of.title for of in found["bands"]][-2:] == ["gap of the payoff matrix", "generators in use"]
    assert [label for label, _ in found["samples"]] == ["mixture.size=1", "mixture.size=3"]
    assert "the loss is <nan>" in page_of(folder).said


def test_links_lead_to_the_pages_that_there_are(make_sweep, page_of):
    folder = make_sweep()
    page_of(folder / "0")
    page = page_of(folder)
    assert [link["href"] for link in page.all("a")] == ["./0/report.html"]


def test_a_sweep_of_one_run(make_run, tmp_path, page_of):
    make_run("sweep/0")
    (tmp_path / "sweep" / "multirun.yaml").write_text("")
    page = page_of(tmp_path / "sweep")
    assert page.unbalanced == []
    assert page.headings == ["Results", "In the course of training", "Samples", "Runs"]
    assert summarise(tmp_path / "sweep").rows[0].label == "MIX+ of 3"


def test_a_sweep_of_which_nothing_has_finished(make_run, tmp_path, page_of):
    for k in range(2):
        make_run(f"sweep/{k}", overrides=(f"seed={k}",), finished=False)
    (tmp_path / "sweep" / "multirun.yaml").write_text("")
    page = page_of(tmp_path / "sweep")
    assert page.headings == ["Results", "Not finished", "Runs"]
    assert "0 of 2 runs finished" in page.said


def test_values_that_are_no_numbers_do_not_count(make_run, tmp_path):
    for k, fid in enumerate((1.0, float("nan"), 3.0)):
        make_run(
            f"sweep/{k}", seed=k, overrides=(f"seed={k}",), mixture={"quality/fid": fid, "quality/bad": float("inf")}
        )
    (row,) = summarise(tmp_path / "sweep").rows
    assert row.values == {"quality/fid": Spread.of([1.0, 3.0])}


def test_runs_in_order_and_in_deeper_folders(make_run, tmp_path):
    for name in ("10", "9", "experiment=digits/mix5", "experiment=digits/mix3"):
        make_run(f"sweep/{name}", overrides=(f"x={name}",))
    (tmp_path / "sweep" / "multirun.yaml").write_text("")
    summary = summarise(tmp_path / "sweep")
    names = [run.folder.relative_to(tmp_path / "sweep").as_posix() for row in summary.rows for run in row.runs]
    assert names == ["9", "10", "experiment=digits/mix3", "experiment=digits/mix5"]


def test_a_failed_run_has_a_page_of_its_own(make_sweep, page_of):
    page = page_of(make_sweep() / "3")
    assert {"failed", "the loss is <nan>"} <= set(page.said)
