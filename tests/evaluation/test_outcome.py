import json
from dataclasses import asdict, replace

import pytest

from mixgan_lightning import log_names
from mixgan_lightning.evaluation.outcome import REAL, Outcome


def row(score, deviation, distance, nearest):
    return {
        log_names.INCEPTION_SCORE_MEAN: score,
        log_names.INCEPTION_SCORE_STD: deviation,
        log_names.FRECHET_DISTANCE: distance,
        log_names.NEAREST_TRAINING_IMAGE: nearest,
    }


MIXTURE = Outcome(
    source="runs/[a]/last.ckpt",
    rows={
        "mixture": row(8.25, 0.5, 12.5, 1.75),
        "component 0": row(6.5, 0.25, 30, 1.5),
        "component 1": row(7.0, 0.25, 20.5, 2),
        REAL: row(9.5, 0, 0.125, 1.25),
    },
    real_splits={
        log_names.INCEPTION_SCORE_MEAN: "held_out",
        log_names.INCEPTION_SCORE_STD: "held_out",
        log_names.FRECHET_DISTANCE: "train",
        log_names.NEAREST_TRAINING_IMAGE: "held_out",
    },
    component_weights=[0.75, 0.25],
    num_samples=50_000,
    seed=3,
    weights="ema",
    features="DigitsClassifier",
    features_sha256="0123456789abcdef",
    measures={"InceptionScore": {"splits": 10}, "Frechet": {"reference": "held_out"}, "Own": {}},
    data={"_target_": "some.Data", "batch_size": 64},
    device="cpu",
    versions={"torch": "2.11"},
)

FOLDER = Outcome(
    source="images",
    rows={"images": {log_names.MODES_COVERED: 25.0, "quality/own": 0.5}, REAL: {log_names.MODES_COVERED: 25.0}},
    real_splits={log_names.MODES_COVERED: "train"},
    component_weights=[],
    num_samples=10,
    seed=None,
    weights=None,
    features=None,
    features_sha256=None,
    measures={"ModeCoverage": {}},
    data={},
    device="cpu",
    versions={"torch": "2.11"},
)

MIXTURE_MARKDOWN = """\
|  | w | inception score | Fréchet distance | nearest training image |
| --- | ---: | ---: | ---: | ---: |
| mixture |  | 8.25 ± 0.5 | 12.5 | 1.75 |
| component 0 | 0.75 | 6.5 ± 0.25 | 30 | 1.5 |
| component 1 | 0.25 | 7 ± 0.25 | 20.5 | 2 |
| real data |  | 9.5 | 0.125 | 1.25 |

- 50,000 samples in every row, seed 3, averaged weights (ema)
- features: DigitsClassifier, sha256 0123456789ab…
- settings: InceptionScore (splits 10), Frechet (reference held_out)
- real row from held-out data: inception score, nearest training image
- real row from training data: Fréchet distance
- nearest training image: smaller than the real data's means memorising

- source: runs/[a]/last.ckpt
- data: _target_ some.Data, batch_size 64
- sha256 of the features: 0123456789abcdef
- device: cpu; versions: torch 2.11
"""

FOLDER_MARKDOWN = """\
|  | modes | quality/own |
| --- | ---: | ---: |
| images | 25 | 0.5 |
| real data | 25 | – |

- 10 samples in every row
- real row from training data: modes

- source: images
- device: cpu; versions: torch 2.11
"""

BOTH = pytest.mark.parametrize(
    ("outcome", "markdown"), [(MIXTURE, MIXTURE_MARKDOWN), (FOLDER, FOLDER_MARKDOWN)], ids=["mixture", "folder"]
)


@BOTH
def test_markdown_holds_the_table_with_deviations_and_weights_and_its_conditions(outcome, markdown):
    assert outcome.markdown() == markdown


def squeezed(line):
    return " ".join(line.replace("|", " ").replace("│", " ").split())


@BOTH
def test_the_terminal_shows_the_same(outcome, markdown, capsys):
    outcome.show()
    lines = [squeezed(line) for line in capsys.readouterr().out.splitlines()]
    assert outcome.source in lines
    table, conditions, _ = markdown.split("\n\n")
    for line in table.splitlines()[2:]:
        assert squeezed(line) in lines
    for line in conditions.splitlines():
        assert line.removeprefix("- ") in lines
    for word in squeezed(table.splitlines()[0]).split():
        assert word in " ".join(lines).split()


@pytest.mark.parametrize("columns", [1, 60, 80, 1_000])
def test_a_table_wider_than_the_terminal_goes_on_below(columns, capsys, monkeypatch):
    """No line is too wide, no number is lost, and every part has the rows' names and weights."""
    monkeypatch.setenv("COLUMNS", str(columns))
    names = [name for name in log_names.TITLES if not name.endswith("/std")]
    row = {name: (i + 1) / 7 for i, name in enumerate(names)}
    replace(MIXTURE, rows={"mixture": row, "component 0": row, "component 1": row}, real_splits={}).show()
    lines = capsys.readouterr().out.partition("50,000 samples")[0].splitlines()
    shown = [line.split()[1:] for line in lines if line.startswith("mixture")]
    assert [cell for cells in shown for cell in cells] == [f"{value:.3g}" for value in row.values()]
    assert all(shown)
    assert len([line for line in lines if line.startswith("component 1  0.25 ")]) == len(shown)
    if columns >= 60:
        assert max(map(len, lines)) <= columns
    assert (len(shown) == 1) == (columns == 1_000)


GAME = {"gap": 0.25, "best_discriminator": -1.25, "best_generator": -1.5, "payoff": -1.375, "matrix_gap": 0.125}
GAME |= {"steps": 1_000, "train_samples": 180, "held_out_samples": 179}


def test_a_duality_gap_is_said_below_the_table_and_kept(tmp_path):
    outcome = replace(MIXTURE, duality_gap=GAME)
    line = (
        "- duality gap: 0.25, best discriminator -1.25, payoff -1.38, best generator -1.5; responses of 1,000 steps on "
        "180 held-out real samples, measured on 179 others; by the best components alone 0.125\n"
    )
    assert line in outcome.markdown()
    assert "duality gap: -0.25 (below 0: by chance" in replace(MIXTURE, duality_gap=GAME | {"gap": -0.25}).markdown()
    assert "duality gap" not in MIXTURE.markdown()
    outcome.save(tmp_path / "scores")
    assert Outcome(**json.loads((tmp_path / "scores.json").read_text())) == outcome


@BOTH
def test_json_holds_everything(outcome, markdown, tmp_path):
    outcome.save(tmp_path / "scores")
    found = json.loads((tmp_path / "scores.json").read_text())
    assert found == asdict(outcome)
    assert Outcome(**found) == outcome
    assert (tmp_path / "scores.md").read_text() == markdown


@pytest.mark.parametrize("name", ["scores", "seed_0.1", "new/folder/lr.2e-4"])
def test_both_files_have_the_name_that_was_asked_for(name, tmp_path):
    FOLDER.save(tmp_path / name)
    assert (tmp_path / f"{name}.md").is_file()
    assert (tmp_path / f"{name}.json").is_file()


@pytest.mark.parametrize(
    ("mean", "std", "shown"),
    [
        (11.2384, 0.1161, "11.2 ± 0.12"),
        (11.2384, 0.0, "11.2"),
        (1234.56, 12.34, "1235 ± 12"),
        (-0.000123456, 0.00045678, "-0.000123 ± 0.00046"),
    ],
)
def test_three_digits_and_two_of_the_deviation_are_shown(mean, std, shown):
    values = {log_names.KERNEL_DISTANCE_MEAN: mean, log_names.KERNEL_DISTANCE_STD: std}
    table = replace(FOLDER, rows={"images": values}, real_splits={}).markdown()
    assert table.startswith(f"|  | kernel distance |\n| --- | ---: |\n| images | {shown} |\n\n")


@pytest.mark.parametrize(
    ("weights", "said"), [("ema", ", averaged weights (ema)\n"), ("raw", ", raw weights\n"), (None, ", seed 3\n")]
)
def test_which_weights_were_scored_is_said(weights, said):
    assert said in replace(MIXTURE, weights=weights).markdown()
