"""mixgan-reproduce, from the words typed to the pages written."""

import json
import re
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from hydra.utils import instantiate
from omegaconf import OmegaConf

from mixgan_lightning.cli.explain import alternatives
from mixgan_lightning.cli.reproduce import hydra_words
from mixgan_lightning.reproduce import Computation, Reproduction

TINY = ("trainer.max_epochs=1", "+trainer.limit_train_batches=2", "trainer.accelerator=cpu")
CONF = Path(__file__).parents[2] / "conf"
NAMES = sorted(alternatives("reproduction"))
COMPUTED = ("post_theorem1", "theorem3.1", "theorem3.2")
TRAINED = [name for name in NAMES if name not in COMPUTED]


@pytest.fixture
def reproduction():
    """``reproduction(name)``: the object that its config describes."""

    def build(name):
        with initialize_config_module("mixgan_lightning.conf", version_base="1.3"):
            return instantiate(compose("reproduce", [f"reproduction={name}"]).reproduction, _convert_="all")

    return build


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["table1"], ["reproduction=table1"]),
        (["table1", "data=digits", "seeds=[1]"], ["reproduction=table1", "dataset=digits", "seeds=[1]"]),
        (["jobs=2", "table1"], ["jobs=2", "reproduction=table1"]),
        (["--help"], ["--help"]),
        (["ring", "--", "a=1", "+b=[1,2]"], ["reproduction=ring", 'overrides=["a=1","+b=[1,2]"]']),
        (["ring", "--", 'a="x y"', "data=digits"], ["reproduction=ring", r'overrides=["a=\"x y\"","data=digits"]']),
        (["ring", "--"], ["reproduction=ring"]),
        (["ring", "grid"], ["reproduction=ring", "grid"]),  # which Hydra refuses
    ],
)
def test_what_is_typed_is_put_as_hydra_takes_it(typed, words):
    assert hydra_words(typed) == words


def test_words_after_the_dashes_reach_the_runs_as_they_are():
    typed = ["ring", "--", 'a="x, y"', "b=[1,2]", r"c=\d\\", "+d={e:1}", "e=${f}"]
    with initialize_config_module("mixgan_lightning.conf", version_base="1.3"):
        config = compose("reproduce", hydra_words(typed))
    assert OmegaConf.to_container(config.overrides, resolve=False) == typed[2:]


def test_a_table_of_ones_own_rows_is_trained_written_and_kept(mixgan_reproduce, tmp_path):
    own = "reproduction.experiments=[{experiment:ring/plain,label:GAN},{experiment:ring/mix5,label:MIX}]"
    typed = ("ring", "seeds=[4]", "jobs=2", 'out="my tables, new"', own, "--", *TINY)
    ran = mixgan_reproduce(*typed)
    assert (ran.code, ran.err) == (0, "")
    folder = tmp_path / "my tables, new"
    values = json.loads((folder / "ring.json").read_text())
    rows = {row["experiment"]: row for row in values["rows"]}
    assert list(rows) == ["ring/plain", "ring/mix5"]
    for experiment, row in rows.items():
        results = json.loads((folder / experiment / "seed_4" / "results.json").read_text())
        assert results["images_seen"] == 128  # two batches of 64
        assert row["values"]["quality/modes"] == {"mean": results["mixture"]["quality/modes"], "sd": None, "n": 1}
    page = (folder / "ring.md").read_text()
    assert page in ran.out
    assert f"`mixgan-reproduce ring 'seeds=[4]' '{own}' -- trainer.max_epochs=1 +trainer.limit_train_batches=2" in page
    again = mixgan_reproduce(*typed)
    assert (again.code, again.err) == (0, "")
    assert "2 of 2 runs are finished and kept" in again.out
    assert page in again.out


def test_rows_of_one_experiment_differ_by_their_options(mixgan_reproduce, tmp_path):
    rows = '{experiment:ring/mix5,label:two,options:["mixture.size=2"]},{experiment:ring/mix5,label:five}'
    ran = mixgan_reproduce("ring", "seeds=[1]", f"reproduction.experiments=[{rows}]", "--", *TINY)
    assert (ran.code, ran.err) == (0, "")
    folder = tmp_path / "reproduced" / "ring" / "ring"
    sizes = {path.name: json.loads((path / "seed_1" / "results.json").read_text())["size"] for path in folder.iterdir()}
    assert sizes == {"mix5,mixture.size=2": 2, "mix5": 5}
    assert "ring/mix5,mixture.size=2, seed 1: " in ran.out


def test_a_theorem_is_computed_and_written(mixgan_reproduce, tmp_path):
    typed = ("theorem3.1", "seeds=[4,5]", "reproduction.sizes=[10,20]", "reproduction.measurement.dimension=9")
    ran = mixgan_reproduce(*typed)
    assert (ran.code, ran.err) == (0, "")
    folder = tmp_path / "reproduced" / "theorem3.1"
    page = (folder / "theorem3.1.md").read_text()
    assert page in ran.out
    assert re.search(r"\n\| 20 \| \d\.\d{3} ± \d\.\d{3} \| .* \| 0\.693 ± 0\.000 \| ", page)
    assert "- mean ± sd over seeds 4, 5\n- two samples of N(0, I/d), d = 9; " in page
    assert "- `mixgan-reproduce theorem3.1 'seeds=[4,5]' 'reproduction.sizes=[10,20]' reproduction.meas" in page
    assert sorted(path.name for path in folder.iterdir()) == [f"theorem3.1.{kind}" for kind in ("csv", "md", "png")]


@pytest.mark.usefixtures("fake_training")
def test_what_cannot_be_run_is_a_cell_without_a_number_and_exit_status_1(mixgan_reproduce, one_line, tmp_path):
    ran = mixgan_reproduce("table1", "data=digits", "seeds=[1,2]")
    line = one_line(ran, "mixgan-reproduce")
    page = (tmp_path / "reproduced" / "table1_digits" / "table1_digits.md").read_text()
    assert "reproduced/table1_digits/table1_digits.md says why" in line
    assert "| DCGAN (Huang et al. 2016) | not run | 7.16 ± 0.10 | not run | – | – | 0 of 2 |" in page
    assert "- DCGAN (Huang et al. 2016); **MIX+DCGAN** of 5; Wasserstein GAN; " in page
    assert ": not run: there is no data at /data (seeds 1, 2)\n" in page
    assert "paper, cifar10" in page


@pytest.fixture
def fake_training(tmp_path, monkeypatch):
    import sys

    (tmp_path / "fake.py").write_text('import sys; sys.exit("mixgan-train: there is no data at /data")')
    monkeypatch.setattr("mixgan_lightning.reproduce.runs.PROGRAM", (sys.executable, str(tmp_path / "fake.py")))


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("", f"expected the name of a table or figure: one of {', '.join(NAMES)}"),
        ("tabel1", "there is no such reproduction; did you mean 'table1'? (available: cheaper_pairs, digits, "),
        ("ring grid", "cannot read 'grid': expected key=value"),
        ("table1 data=moons", "data=moons: there are no such experiments on these data (available: "),
        ("ring data=digits", "data=digits: these experiments name their data themselves; leave it out"),
        ("ring seed=1", "there is no option 'seed'; did you mean 'seeds'?"),
        ("table1 data.download=true", "options of mixgan-train go after --: -- data.download=…"),
        ("ring seeds=3", "seeds: expected a list of different whole numbers, as seeds=[1,2,3], got 3"),
        ("ring seeds=[1,1]", "seeds: expected a list of different whole numbers"),
        ("ring seeds=[]", "seeds: expected a list of different whole numbers"),
        ("ring seeds=[[1],[2]]", "seed: expected a whole number in 0"),
        ("ring seeds=[-1]", "seed: expected a whole number in 0"),
        ("ring jobs=0", "jobs: expected a whole number of at least 1, got 0"),
        ("ring threads=0", "threads: expected a whole number of at least 1, got 0"),
        ("ring overrides=3", "overrides: expected options of mixgan-train, best typed after --"),
        ("ring -- trainer.max_epoch=1", "there is no option 'trainer.max_epoch'; did you mean 'trainer.max_epochs'?"),
        ("ring -- mixture=mix4", "mixture=mix4: there is no such mixture; did you mean 'mix"),
        ("ring -- mixture", "cannot read 'mixture': expected key=value"),
        ("ring reproduction.columns.a=3", "there is no option 'reproduction.columns.a'"),
        ("ring +reproduction.colums=3", "unexpected keyword argument 'colums'"),
        ("theorem3.1 data=digits", "theorem3.1 is computed, without trainings or data; leave out data=digits"),
        (
            "theorem3.2 jobs=2 fresh=true",
            "theorem3.2 is computed, without trainings or data; leave out jobs=2, fresh=true",
        ),
        ("post_theorem1 -- trainer.max_epochs=1", "without trainings or data; leave out -- and what follows"),
        ("theorem3.1 threads=0", "threads: expected a whole number of at least 1, got 0"),
        ("theorem3.1 seeds=[1,1]", "seeds: expected a list of different whole numbers"),
        ("theorem3.1 reproduction.sizes=[0]", "sizes: expected a whole number of at least 1, got 0"),
        ("theorem3.1 reproduction.measurement.dimension=0", "dimension: expected a whole number of at least 1, got 0"),
    ],
)
def test_bad_input_ends_in_one_line_before_anything_runs(typed, message, mixgan_reproduce, one_line, tmp_path):
    assert message in one_line(mixgan_reproduce(*typed.split()), "mixgan-reproduce")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", COMPUTED)
def test_a_theorem_is_computed_without_trainings(name, reproduction):
    found = reproduction(name)
    assert isinstance(found, Computation)
    assert (found.entries, found.seeds) == ([], (1, 2, 3))


@pytest.mark.parametrize("name", TRAINED)
def test_every_reproduction_is_built_of_experiments_that_exist(name, reproduction):
    found = reproduction(name)
    assert isinstance(found, Reproduction)
    experiments = alternatives("experiment")
    entries = found.on(None, experiments).entries
    assert entries
    assert {entry.experiment for entry in entries} <= set(experiments)
    assert len({entry.label for entry in entries}) == len(entries)


@pytest.mark.parametrize("name", [name for name in NAMES if (CONF / "experiment" / name).is_dir()])
def test_a_table_of_results_has_a_row_for_every_experiment_of_its_folder(name, reproduction):
    of_folder = {experiment for experiment in alternatives("experiment") if experiment.startswith(f"{name}/")}
    assert {entry.experiment for entry in reproduction(name).entries} == of_folder


@pytest.mark.parametrize("name", ["table1", "figure2", "figure4", "figure5"])
def test_the_papers_can_be_had_on_digits(name, reproduction):
    found = reproduction(name).on("digits", alternatives("experiment"))
    assert all(entry.experiment.startswith("paper/digits/") for entry in found.entries)


def test_the_options_of_every_reproduction_exist(reproduction):
    options = [word for name in NAMES for word in reproduction(name).options]
    with initialize_config_module("mixgan_lightning.conf", version_base="1.3"):
        assert compose("train", [*options, "run_dir=run"]).evaluate_every_n_epochs == 1000


def test_help_names_every_reproduction(mixgan_reproduce, tmp_path):
    ran = mixgan_reproduce("--help")
    listed = ran.out.split("\nNAME\n")[1].split("\n\n")[0]
    names = [name for line in listed.splitlines() for name in re.split(r"  +", line.strip())[0].split(", ")]
    assert sorted(names) == sorted(NAMES)
    assert not list(tmp_path.iterdir())
