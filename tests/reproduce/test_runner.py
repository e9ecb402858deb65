import os
import signal
import time
from threading import Thread

import pytest
from hydra import initialize_config_module
from omegaconf import OmegaConf

from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.reproduce import Run, Runner

pytestmark = pytest.mark.usefixtures("fake_training")


@pytest.fixture
def run(tmp_path):
    """``run(experiment, seed=1, options=())``: one in a folder whose name is to be quoted."""
    return lambda experiment, seed=1, options=(): Run(
        experiment, seed, tmp_path / "out, of=the" / experiment / f"seed_{seed}", options
    )


def test_each_run_is_told_its_words_and_its_threads(run):
    (outcome,) = Runner(threads=3).run([run("good", 5, ("trainer.max_epochs=2",))])
    assert outcome.failure is None
    *words, folder = outcome.results["words"]
    assert words == ["experiment=good", "seed=5", "logger=csv", "trainer.max_epochs=2"]
    assert folder == f'hydra.run.dir="{outcome.run.folder}"'
    assert outcome.results["threads"] == "3"


@pytest.mark.parametrize(
    ("experiment", "failure"),
    [
        ("without_data", "there is no data at /data"),
        ("crashes", "RuntimeError: what nobody expected"),
        ("killed", "ended by SIGKILL"),
    ],
)
def test_a_run_that_fails_says_why_in_one_line(experiment, failure, run):
    (outcome,) = Runner().run([run(experiment)])
    assert outcome.failure == failure


def test_a_run_without_results_has_failed_whatever_it_says(run):
    (outcome,) = Runner().run([run("forgets")])
    assert outcome.failure == f"it left no results.json; {outcome.run.folder / 'output.log'} tells more"


def test_the_others_go_on_and_the_order_stays(run, capsys):
    runs = [run("good", 1), run("without_data", 1), run("crashes", 1), run("good", 2)]
    outcomes = Runner(jobs=2).run(runs)
    assert [outcome.run for outcome in outcomes] == runs
    assert [outcome.failure is None for outcome in outcomes] == [True, False, False, True]
    said = capsys.readouterr().out
    assert "without_data, seed 1: not run: there is no data at /data\n" in said
    assert "good, seed 2: 0 s\n" in said


def test_what_a_run_prints_is_kept(run):
    (outcome,) = Runner().run([run("without_data")])
    assert (outcome.run.folder / "output.log").read_text().startswith("epoch 1: something\nmixgan-train: there is no")


def test_results_of_a_run_with_other_options_are_not_taken_for_those_of_one_that_fails(run):
    it = run("without_data")
    it.folder.mkdir(parents=True)
    it.results_path.write_text("{}")
    (outcome,) = Runner().run([it])
    assert outcome.failure is not None
    assert not it.results_path.exists()


def test_finished_runs_are_kept_unless_asked_for(run, capsys):
    with initialize_config_module("mixgan_lightning.conf", version_base="1.3"):
        it = run("ring/mix5")
        (it.folder / ".hydra").mkdir(parents=True)
        OmegaConf.save(OmegaConf.create(it.config()), it.folder / ".hydra" / "config.yaml")
        it.results_path.write_text('{"words": "of an earlier run"}')
        (kept,) = Runner().run([it])
        assert kept.results["words"] == "of an earlier run"
        assert "1 of 1 runs are finished and kept" in capsys.readouterr().out
        (again,) = Runner(fresh=True).run([it])
        assert again.results["words"] != "of an earlier run"


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def interrupt_when_both_run(runs, sign):
    while not all((run.folder / "pid").exists() and (run.folder / "pid").read_text() for run in runs):
        time.sleep(0.05)
    os.kill(os.getpid(), sign)


@pytest.fixture
def in_the_foreground():
    """SIGINT as in a terminal: a shell has what it starts in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_what_runs_and_starts_nothing_more(sign, run, in_the_foreground):
    runs = [run("slow", 1), run("slow", 2), run("slow", 3)]
    handler = signal.getsignal(signal.SIGTERM)
    interrupt = Thread(target=interrupt_when_both_run, args=(runs[:2], sign))
    interrupt.start()
    with pytest.raises(KeyboardInterrupt):
        Runner(jobs=2).run(runs)
    interrupt.join()
    assert signal.getsignal(signal.SIGTERM) == handler
    pids = [int((it.folder / "pid").read_text()) for it in runs[:2]]
    assert not any(map(is_alive, pids))
    assert not (runs[2].folder / "pid").exists()


@pytest.mark.parametrize("options", [{"jobs": 0}, {"jobs": "two"}, {"threads": 0}, {"threads": 1.5}])
def test_numbers_that_are_none_are_refused(options):
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        Runner(**options)
