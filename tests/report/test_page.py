import re
import shutil

import pytest

from mixgan_lightning.errors import DataError
from mixgan_lightning.report import write_report

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
SECTIONS = [
    "Results",
    "Samples",
    "Quality",
    "The game",
    "Weights and payoff",
    "Components",
    "Configuration",
    "Provenance",
]
OF_A_SWEEP = ["Results", "Not finished", "By mixture size", "In the course of training", "Samples", "Runs"]


@pytest.fixture(params=["run", "sweep"])
def folder(request, make_run, make_sweep):
    return make_run() if request.param == "run" else make_sweep()


def test_a_page_is_whole_and_well_formed(folder, page_of):
    page = page_of(folder)
    assert page.unbalanced == []
    assert page.headings == (SECTIONS if folder.name == "run" else OF_A_SWEEP)
    assert page.ids_twice == []
    assert len(page.all("svg")) > 5


def test_nothing_is_run_and_nothing_is_fetched(folder, page_of):
    page = page_of(folder)
    assert {"http-equiv": "Content-Security-Policy", "content": POLICY} in page.all("meta")
    assert "script" not in {tag for tag, _ in page.elements}
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert not re.search(r"https?://|@import|url\((?!#)", page.text)
    assert all(image["src"].startswith("data:image/") for image in page.all("img"))
    assert all(link["href"] == "data:," for link in page.all("link"))


def test_what_is_seen_is_also_said(folder, page_of):
    page = page_of(folder)
    assert all(image["alt"] for image in page.all("img"))
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in page.all("svg"))
    assert len({svg["aria-label"] for svg in page.all("svg")}) == len(page.all("svg"))


def test_every_reference_within_a_page_has_its_target(folder, page_of):
    page = page_of(folder)
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    used = set(re.findall(r"(?:url\(|xlink:href=\")#([^)\"]+)", page.text))
    assert used
    assert used == ids


def test_the_same_files_give_the_same_bytes(folder):
    first = write_report(folder).read_bytes()
    assert write_report(folder).read_bytes() == first


def test_colours_follow_the_page(folder, page_of):
    page = page_of(folder)
    assert "var(--series-0)" in page.text
    assert "#0101" not in page.text  # no stand-in is left
    assert page.text.count("prefers-color-scheme: dark") == 1


def test_markup_in_what_the_user_typed_is_text(make_run, page_of):
    evil = "x=<script>alert('&')</script>"
    run = make_run(overrides=(evil, "seed=1"), title="<b>bold</b>")
    (run / "failure.txt").write_text("<img src=x onerror=alert(1)>")
    page = page_of(run)
    assert "script" not in {tag for tag, _ in page.elements}
    assert evil in page.said
    assert "<img src=x onerror=alert(1)>" in page.said
    assert "<b>bold</b>" in page.said_text


def test_a_folder_that_is_neither_is_said_in_one_line(tmp_path):
    for path, came in ((tmp_path / "none", "nothing"), (tmp_path, "an empty folder")):
        with pytest.raises(DataError, match=rf"expected the folder of a run or of a sweep, found {came}"):
            write_report(path)
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(DataError, match="found a file"):
        write_report(tmp_path / "notes.txt")
    with pytest.raises(DataError, match="found neither"):
        write_report(tmp_path)
    (tmp_path / "notes.txt").rename(tmp_path / "multirun.yaml")
    with pytest.raises(DataError, match="there is none yet"):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("missing", ["results.json", "metrics.csv", "samples", "payoff", ".hydra", "provenance.json"])
def test_what_is_missing_is_left_out(missing, make_run, page_of):
    folder = make_run()
    gone = folder / missing
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    page = page_of(folder)
    assert page.unbalanced == []
    lost = {
        "metrics.csv": {"Quality", "The game", "Components"},
        "samples": {"Samples"},
        ".hydra": {"Configuration"},
    }
    expected = [title for title in SECTIONS if title not in lost.get(missing, ())]
    assert page.headings == expected
    assert ("interrupted" in page.said_text) == (missing == "results.json")


def test_large_runs_stay_below_a_megabyte(make_run, page_of):
    page = page_of(make_run(size=20, n=3000))
    assert 100_000 < len(page.text.encode()) < 1_000_000
    assert "a point: the mean of 15 logged values" in page.said_text
