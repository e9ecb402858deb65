import json

import pytest

from mixgan_lightning.report.run import INTERRUPTED, epoch_of, read_run


def test_what_was_trained_in_words(make_run):
    run = read_run(make_run(size=3))
    assert (run.title, run.subject, run.size, run.seed) == ("MIX+ of 3", ("mlp", "digits"), 3, 1)
    assert run.objective == "quality/inception_score/mean"
    assert (run.reason, run.overrides) == (None, ("seed=1",))


@pytest.mark.parametrize(("size", "title"), [(1, "one GAN"), (5, "MIX+ of 5")])
def test_without_results_the_config_tells(size, title, make_run):
    run = read_run(make_run(size=size, finished=False))
    assert (run.title, run.size, run.reason) == (title, size, INTERRUPTED)
    assert run.weights("generator") == pytest.approx([1 / size] * size, abs=0.05)


def test_a_failure_is_told_whatever_else_there_is(make_run):
    folder = make_run()
    (folder / "failure.txt").write_text("out of memory\n")
    assert read_run(folder).reason == "out of memory"


def test_an_own_gan_goes_by_its_class(make_run):
    folder = make_run()
    (folder / ".hydra" / "hydra.yaml").write_text("hydra: {runtime: {choices: {gan: custom, data: digits}}}")
    (folder / ".hydra" / "config.yaml").write_text("gan: {_target_: my_file.MyGAN}")
    assert read_run(folder).subject == ("MyGAN", "digits")


@pytest.mark.parametrize("text", ["", "{", '{"mixture": {"quality/fid"', "[1, 2]", "null", "\x00\xff"])
def test_files_that_were_cut_off_count_as_missing(text, make_run, page_of):
    folder = make_run()
    for name in ("results.json", "provenance.json", ".hydra/hydra.yaml", ".hydra/overrides.yaml", ".hydra/config.yaml"):
        (folder / name).write_text(text)
    run = read_run(folder)
    assert (run.results, run.provenance, run.reason) == ({}, {}, INTERRUPTED)
    assert page_of(folder).unbalanced == []


def test_the_newest_is_the_one_of_the_largest_number(make_run):
    folder = make_run()
    for epoch in (10000, 9999):
        (folder / "samples" / f"epoch_{epoch}.png").write_bytes(b"")
    assert [epoch_of(path) for path in read_run(folder).samples][-2:] == [9999, 10000]


def test_values_that_are_no_numbers_are_shown_as_such(make_run, page_of):
    folder = make_run()
    results = json.loads((folder / "results.json").read_text())
    results["mixture"] |= {"quality/fid": float("nan"), "quality/huge": 1e300, "quality/none": None}
    results |= {"seconds": float("nan"), "images_per_second": float("inf")}
    (folder / "results.json").write_text(json.dumps(results))
    said = page_of(folder).said
    assert {"nan", "1e+300", "4.50 ± 0.250"} <= set(said)
