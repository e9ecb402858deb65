import importlib
import json
import re
from dataclasses import asdict

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image

from mixgan_lightning import MixGANModule, log_names, mix, pictures
from mixgan_lightning.callbacks import InceptionScoreCallback, ModeCoverageCallback
from mixgan_lightning.cli import evaluate
from mixgan_lightning.data import DigitsDataModule, GaussiansRing
from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.evaluation import (
    BirthdayMeasure,
    FrechetMeasure,
    KernelMeasure,
    NearestTrainingImageMeasure,
    NeuralNetDivergenceMeasure,
    PrecisionRecallMeasure,
    real_batch,
)
from mixgan_lightning.features import DigitsClassifier, checksum
from mixgan_lightning.metrics import InceptionScore
from mixgan_lightning.theory import birthday_support, duality_gap, near_duplicate_distance

COLUMNS = [
    log_names.INCEPTION_SCORE_MEAN,
    log_names.FRECHET_DISTANCE,
    log_names.NEAREST_TRAINING_IMAGE,
    log_names.KERNEL_DISTANCE_MEAN,
    log_names.PRECISION,
    log_names.RECALL,
    log_names.NEURAL_NET_DIVERGENCE,
    log_names.SUPPORT,
    log_names.SUPPORT_AT_LEAST,
]
AVERAGED = ("mixture.size=2", "callbacks=ema", "callbacks.ema.decay=0.5")


STEPS = 20  # of the divergence's discriminators: a tenth of a second for a row


@pytest.fixture
def mixgan_evaluate(mixgan_evaluate):
    return lambda *arguments: mixgan_evaluate(f"also.divergence.steps={STEPS}", *arguments)


def checkpoint(run):
    return run / "checkpoints" / "last.ckpt"


@pytest.fixture
def digits(run_of):
    return checkpoint(run_of("mixture.size=2"))


@pytest.fixture
def ring(run_of):
    return checkpoint(run_of("data=gaussians_ring", "mixture.size=2"))


@pytest.fixture
def found(tmp_path):
    """``found(ran)``: evaluation.json of a command that succeeded."""

    def read(ran):
        assert (ran.code, ran.err) == (0, "")
        return json.loads((tmp_path / "evaluation.json").read_text())

    return read


def prepared(callback, model, data):
    data.setup()
    callback.prepare(model, data)
    return callback


def quality(model, num_samples=None, seed=0):
    """What is measured of digits, prepared for this model."""
    also = [FrechetMeasure(), NearestTrainingImageMeasure(), KernelMeasure(), PrecisionRecallMeasure()]
    also += [NeuralNetDivergenceMeasure(steps=STEPS), BirthdayMeasure()]
    callback = InceptionScoreCallback(DigitsClassifier.pretrained(), num_samples, also=also, seed=seed)
    return prepared(callback, model, DigitsDataModule())


def close(values):
    return pytest.approx(values, rel=1e-6, abs=1e-9)


# ---------------------------------------------------------------------------------------- a checkpoint


def test_a_checkpoints_mixture_and_components_stand_beside_real_data(digits, mixgan_evaluate, found):
    outcome = found(mixgan_evaluate(f"ckpt_path={digits}"))
    model = MixGANModule.load_from_checkpoint(digits)
    callback = quality(model)
    assert list(outcome["rows"]) == ["mixture", "component 0", "component 1", "real data"]
    assert outcome["rows"]["mixture"] == close(callback.measure(model))
    for i in range(2):
        assert outcome["rows"][f"component {i}"] == close(callback.measure(model, component=i))
    assert outcome["rows"]["component 0"] != outcome["rows"]["component 1"]
    assert outcome["rows"]["real data"] == close(callback.scoring.real)
    assert outcome["component_weights"] == model.generators.weights.tolist()


def test_how_it_was_measured_is_kept(digits, mixgan_evaluate, found):
    outcome = found(mixgan_evaluate(f"ckpt_path={digits}"))
    assert outcome["source"] == str(digits)
    assert (outcome["num_samples"], outcome["seed"], outcome["weights"]) == (360, 0, "raw")
    assert outcome["features"] == "DigitsClassifier"
    assert outcome["features_sha256"] == checksum(DigitsClassifier.pretrained())
    splits = {name: outcome["real_splits"][name] for name in COLUMNS}
    assert list(splits.values()) == ["held_out", "train", "held_out", *["train"] * 6]


def test_the_mixtures_values_are_those_of_the_run(run_of, mixgan_evaluate, found):
    run = run_of("mixture.size=2")
    trained = json.loads((run / "results.json").read_text())
    outcome = found(mixgan_evaluate(f"ckpt_path={checkpoint(run)}"))
    for row, values in (("mixture", trained["mixture"]), ("real data", trained["real"])):
        assert {name: outcome["rows"][row][name] for name in values} == close(values)


def test_the_table_is_shown_and_written_as_markdown(digits, mixgan_evaluate, tmp_path):
    ran = mixgan_evaluate(f"ckpt_path={digits}")
    left = {"evaluation.md", "evaluation.json", "evaluation_closest_pairs.png"}
    assert {path.name for path in tmp_path.iterdir()} == left  # Hydra leaves nothing
    assert "written to evaluation.md and evaluation.json\n" in ran.out
    table, conditions, _ = (tmp_path / "evaluation.md").read_text().split("\n\n")
    head, _, *lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    assert head == ["", "w", *map(log_names.title, COLUMNS)]
    assert [cells[0] for cells in lines] == ["mixture", "component 0", "component 1", "real data"]
    for name, w, *cells in lines:  # the same, but for the space between the columns, in two tables
        for shown in (cells[:6], cells[6:]):
            assert re.search(r"\s+".join(map(re.escape, filter(None, [name, w, *shown]))), ran.out), shown
    assert "- 360 samples in every row, seed 0, raw weights" in conditions
    for line in conditions.splitlines():
        assert line.removeprefix("- ") in " ".join(ran.out.split())  # the terminal's lines are wrapped
    wide = [line for line in ran.out.splitlines() if str(digits) not in line]
    assert max(map(len, wide)) <= 80


def test_the_duality_gap_is_measured_where_it_is_asked_for(digits, mixgan_evaluate, found):
    assert found(mixgan_evaluate(f"ckpt_path={digits}"))["duality_gap"] is None
    asked = ("duality_gap.steps=3", "duality_gap.num_samples=100", "seed=4")
    ran = mixgan_evaluate(f"ckpt_path={digits}", *asked)
    assert "duality gap: " in ran.out
    data = DigitsDataModule()
    data.setup()
    model = MixGANModule.load_from_checkpoint(digits)
    held_out = real_batch(data, "held_out", model.gan.images, 100)
    expected = duality_gap(model, held_out, steps=3, seed=4)
    outcome = found(ran)["duality_gap"]
    assert outcome == {"gap": expected.gap, **asdict(expected)}
    assert (outcome["train_samples"], outcome["held_out_samples"]) == (50, 50)


def test_what_is_of_a_checkpoint_is_refused_of_a_folder(mixgan_evaluate):
    for option in ("duality_gap.steps=5", "weights=ema"):
        ran = mixgan_evaluate("images=any", option)
        assert (
            ran.err == f"mixgan-evaluate: {option}: is of a checkpoint (ckpt_path=FILE); images=DIR has no networks\n"
        )


@pytest.mark.parametrize("option", ["duality_gap=50", "also=5", "also.birthday=5"])
def test_a_number_in_the_place_of_options_is_told_so(option, digits, mixgan_evaluate):
    ran = mixgan_evaluate(f"ckpt_path={digits}", option)
    name = option.partition("=")[0]
    assert ran.err == f"mixgan-evaluate: {option}: expected options of its own, {name}.NAME=…; --help lists them\n"


def test_a_duality_gap_that_cannot_be_costs_no_scoring(digits, mixgan_evaluate, tmp_path, monkeypatch):
    monkeypatch.setattr(evaluate, "_rows", lambda *_: pytest.fail("it was scored"))
    ran = mixgan_evaluate(f"ckpt_path={digits}", "duality_gap.steps=5", "duality_gap.num_samples=0")
    assert ran.err.startswith("mixgan-evaluate: num_samples: expected a whole number")


def test_number_and_seed_of_the_samples_may_be_chosen(digits, mixgan_evaluate, found):
    outcome = found(mixgan_evaluate(f"ckpt_path={digits}", "n=50", "seed=4"))
    model = MixGANModule.load_from_checkpoint(digits)
    callback = quality(model, 50, seed=4)
    assert (outcome["num_samples"], outcome["seed"]) == (50, 4)
    assert outcome["rows"]["mixture"] == close(callback.measure(model)) != close(quality(model, 50).measure(model))
    assert outcome["rows"]["real data"] == close(callback.scoring.real)


def test_one_gan_has_no_rows_of_components(run_of, mixgan_evaluate, found, tmp_path):
    outcome = found(mixgan_evaluate(f"ckpt_path={checkpoint(run_of('mixture=single'))}", "n=20"))
    assert list(outcome["rows"]) == ["mixture", "real data"]
    assert outcome["component_weights"] == []
    assert (tmp_path / "evaluation.md").read_text().startswith("|  | inception score |")


@pytest.mark.parametrize(("asked", "scored"), [([], "ema"), (["weights=ema"], "ema"), (["weights=raw"], "raw")])
def test_of_averaged_and_raw_weights_those_are_scored_that_were_asked_for(
    asked, scored, run_of, mixgan_evaluate, found, tmp_path
):
    path = checkpoint(run_of(*AVERAGED))
    outcome = found(mixgan_evaluate(f"ckpt_path={path}", "n=50", *asked))
    values = {weights: quality(model, 50).measure(model) for weights, model in both(path).items()}
    assert values["ema"] != values["raw"]
    assert outcome["weights"] == scored
    assert outcome["rows"]["mixture"] == close(values[scored])
    said = {"ema": "averaged weights (ema)", "raw": "raw weights"}[scored]
    assert said in (tmp_path / "evaluation.md").read_text()


def both(path):
    return {weights: MixGANModule.load_from_checkpoint(path, weights=weights) for weights in ("ema", "raw")}


def test_points_are_measured_by_their_modes(ring, mixgan_evaluate, found):
    outcome = found(mixgan_evaluate(f"ckpt_path={ring}", "data=gaussians_ring"))
    model = MixGANModule.load_from_checkpoint(ring)
    callback = ModeCoverageCallback()
    callback.scoring.add(NeuralNetDivergenceMeasure(steps=STEPS))
    callback.scoring.add(BirthdayMeasure())
    prepared(callback, model, GaussiansRing(radius=2.0, sd=0.02))
    assert outcome["rows"]["mixture"] == close(callback.measure(model))
    assert outcome["rows"]["component 1"] == close(callback.measure(model, component=1))
    assert outcome["rows"]["real data"] == close(callback.scoring.real)
    assert outcome["rows"]["real data"][log_names.MODES_COVERED] == 8
    assert (outcome["num_samples"], outcome["features"], outcome["features_sha256"]) == (2_500, None, None)


def test_a_conditional_checkpoint_is_scored_with_labels_as_often_as_seen(run_of, mixgan_evaluate, found):
    tiny = ("gan.generator.width=4", "gan.discriminator.width=4")
    path = checkpoint(run_of("gan=cdcgan", "mixture.size=2", *tiny))
    model = MixGANModule.load_from_checkpoint(path)
    outcome = found(mixgan_evaluate(f"ckpt_path={path}", "n=50"))
    assert outcome["rows"]["component 1"] == close(quality(model, 50).measure(model, component=1))


def test_measures_can_be_left_out(digits, mixgan_evaluate, found):
    left_out = ("callbacks.quality.also.frechet=null", "also.kernel=null", "also.precision_recall=null")
    left_out += ("also.divergence=null", "also.birthday=null")
    outcome = found(mixgan_evaluate(f"ckpt_path={digits}", "n=20", *left_out))
    assert {name for name in COLUMNS if name in outcome["rows"]["mixture"]} == {COLUMNS[0], COLUMNS[2]}


def test_more_samples_than_real_data_leave_the_real_row_out(digits, mixgan_evaluate, tmp_path):
    ran = mixgan_evaluate(f"ckpt_path={digits}", "n=1500")
    assert ran.code == 0
    assert "num_samples=1500, more than there are real samples" in ran.err
    outcome = json.loads((tmp_path / "evaluation.json").read_text())
    assert list(outcome["rows"]) == ["mixture", "component 0", "component 1"]
    assert outcome["real_splits"] == {}


def test_the_same_command_gives_the_same_values(digits, mixgan_evaluate, found):
    torch.manual_seed(5)
    first = found(mixgan_evaluate(f"ckpt_path={digits}", "n=50"))
    torch.manual_seed(6)
    assert found(mixgan_evaluate(f"ckpt_path={digits}", "n=50")) == first


# ---------------------------------------------------------------------------------------- the closest pairs


def test_the_mixtures_closest_pairs_are_drawn_and_what_they_say_is_told(digits, mixgan_evaluate, tmp_path):
    ran = mixgan_evaluate(f"ckpt_path={digits}", "n=100")
    model = MixGANModule.load_from_checkpoint(digits)
    samples = model.sample(100, seed=0)[0]
    _, (held_out, _) = DigitsDataModule().load()
    support = birthday_support(samples, near_duplicate_distance(held_out))
    assert f"birthday test: {support}\nclosest pairs of the mixture: evaluation_closest_pairs.png\n" in ran.out
    title = f"{support}\nclosest pairs, alike up to a distance of {support.threshold:.3g}"
    names = [f"{distance:.3g}" for distance in support.distances.tolist()]
    expected = pictures.pairs(samples[support.closest], names, title)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "evaluation_closest_pairs.png")), expected)


def test_points_have_a_birthday_test_and_no_picture(ring, mixgan_evaluate, tmp_path):
    ran = mixgan_evaluate(f"ckpt_path={ring}", "data=gaussians_ring", "n=100")
    assert "birthday test: " in ran.out
    assert "closest pairs" not in ran.out
    assert not list(tmp_path.glob("*.png"))


# ---------------------------------------------------------------------------------------- a folder of images


@pytest.fixture
def images(tmp_path):
    """A folder of 40 grey noise images; their pixels, (40, 1, 8, 8), uint8."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 1, 8, 8), dtype=np.uint8)
    (tmp_path / "images").mkdir()
    for i, image in enumerate(pixels):
        Image.fromarray(image[0]).save(tmp_path / "images" / f"{i:02d}.png")
    return torch.from_numpy(pixels)


def test_a_folder_of_images_is_scored_beside_as_many_real_ones(images, mixgan_evaluate, found):
    outcome = found(mixgan_evaluate("images=images"))
    features = DigitsClassifier.pretrained()
    metric = InceptionScore(features, splits=1)
    metric.update(images / 127.5 - 1)
    assert list(outcome["rows"]) == ["images", "real data"]
    assert outcome["rows"]["images"][COLUMNS[0]] == pytest.approx(float(metric.compute()[0]), rel=1e-6)
    of_images, of_real = ({*values} | {log_names.SUPPORT} for values in outcome["rows"].values())  # if a pair is alike
    assert of_images == of_real > set(COLUMNS)
    assert (outcome["source"], outcome["num_samples"], outcome["component_weights"]) == ("images", 40, [])
    assert (outcome["seed"], outcome["weights"]) == (None, None)
    assert outcome["features_sha256"] == checksum(features)


def test_so_many_evenly_spaced_images_may_be_scored(images, mixgan_evaluate, found):
    outcome = found(mixgan_evaluate("images=images", "n=25"))
    metric = InceptionScore(DigitsClassifier.pretrained(), splits=1)
    metric.update(images[[k * len(images) // 25 for k in range(25)]] / 127.5 - 1)
    assert outcome["num_samples"] == 25
    assert outcome["rows"]["images"][COLUMNS[0]] == pytest.approx(float(metric.compute()[0]), rel=1e-6)


def test_what_mixgan_sample_writes_scores_as_the_checkpoint_does(digits, mixgan_sample, mixgan_evaluate, found):
    """But for the rounding to 8 bits."""
    assert mixgan_sample(f"ckpt_path={digits}", "n=100", "out=drawn").code == 0
    drawn = found(mixgan_evaluate("images=drawn"))
    model = MixGANModule.load_from_checkpoint(digits)
    expected = quality(model, 100).measure(model)
    assert drawn["num_samples"] == 100
    for name in (COLUMNS[0], COLUMNS[1], COLUMNS[2]):
        assert drawn["rows"]["images"][name] == pytest.approx(expected[name], rel=1e-2)


def test_images_of_another_size_than_the_data_are_scored_where_no_pixels_are_compared(images, mixgan_evaluate, found):
    no_pixels = ("callbacks.quality.also.nearest=null", "also.divergence=null", "also.birthday=null")
    outcome = found(mixgan_evaluate("images=images", "data.image_size=16", *no_pixels))
    assert COLUMNS[1] in outcome["rows"]["images"]


# ---------------------------------------------------------------------------------------- what cannot be


@pytest.mark.parametrize("arguments", [(), ("ckpt_path=a.ckpt", "images=images"), ("n=5",)])
def test_either_a_checkpoint_or_a_folder_is_asked_for(arguments, mixgan_evaluate, one_line):
    line = one_line(mixgan_evaluate(*arguments), "mixgan-evaluate")
    came = "both; leave one out" if len(arguments) == 2 else "neither"
    assert f"expected ckpt_path=FILE (a mixture's checkpoint) or images=DIR (images), got {came}" in line


def test_a_checkpoint_that_does_not_know_its_gan_is_told_its_class(tmp_path, mixgan_evaluate, one_line, monkeypatch):
    """As of a class of a script, or a lambda."""
    source = "from torch import nn\nfrom mixgan_lightning import GAN\n\n\ndef make():\n    generator = nn.Sequential("
    source += "nn.Linear(4, 64), nn.Tanh(), nn.Unflatten(1, (1, 8, 8)))\n"
    source += "    return GAN(generator, nn.Sequential(nn.Flatten(), nn.Linear(64, 1)), latent_dim=4)\n"
    (tmp_path / "own_gans.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    make = importlib.import_module("own_gans").make
    silent = {"logger": False, "enable_progress_bar": False, "enable_checkpointing": False}
    trainer = pl.Trainer(max_steps=2, accelerator="cpu", **silent)
    trainer.fit(mix(lambda: make(), 2), datamodule=DigitsDataModule())
    trainer.save_checkpoint(tmp_path / "own.ckpt")
    assert "pass make_gan=" in one_line(mixgan_evaluate("ckpt_path=own.ckpt", "n=20"), "mixgan-evaluate")
    ran = mixgan_evaluate("ckpt_path=own.ckpt", "n=20", "make_gan=own_gans.make")
    assert (ran.code, ran.err) == (0, "")
    assert "component 1" in ran.out


BAD = [
    ("n=0", "n: expected a whole number of at least 1, got 0"),
    ("n=many", "n: expected a whole number of at least 1, got 'many'"),
    ("seed=-1", "seed: expected a whole number in 0 … 4294967295, got -1"),
    ("weights=ema", "weights=ema: the checkpoint holds raw weights alone; leave weights out"),
    ("weights=averaged", "weights: expected ema, raw or null, got 'averaged'"),
    ("data=gaussians_ring", "draws samples of shape (1, 8, 8), the data hold (2,); choose the data"),
    ("data.image_size=16", "draws samples of shape (1, 8, 8), the data hold (1, 16, 16); choose the data"),
    ("data=digit", "data=digit: there is no such data; did you mean 'digits'?"),
    ("callbacks/quality=modes", "counts modes of GaussiansRing or GaussiansGrid, got DigitsDataModule"),
    ("callbacks.quality.splits=361", "num_samples=360: InceptionScoreMeasure needs at least 361"),
    ("n=3", "num_samples=3: PrecisionRecallMeasure needs at least 4"),
    ("device=abacus", "abacus"),
    ("device=cuda:99", "cuda:99"),
    ("out=/proc/no/table", "/proc/no"),
    ("nn=3", "there is no option 'nn'; did you mean 'n'?"),
]


@pytest.mark.parametrize(("argument", "message"), BAD, ids=[argument for argument, _ in BAD])
def test_bad_input_ends_in_one_line(argument, message, digits, mixgan_evaluate, one_line, tmp_path):
    assert message in one_line(mixgan_evaluate(f"ckpt_path={digits}", argument), "mixgan-evaluate")
    assert not list(tmp_path.iterdir())


BAD_FOLDERS = [
    ("images=none", "images=none: expected a folder of images, there is none"),
    ("images=images/00.png", "images=images/00.png: expected a folder of images, there is none"),
    ("images=images n=41", "expected at least 41 images"),
    ("images=images data=gaussians_ring", "the data are no images (grey or RGB), choose others with data="),
    ("images=images data.image_size=16", "(1, 16, 16)"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_FOLDERS, ids=[arguments for arguments, _ in BAD_FOLDERS])
def test_a_folder_that_cannot_be_scored_ends_in_one_line(arguments, message, images, mixgan_evaluate, one_line):
    assert message in one_line(mixgan_evaluate(*arguments.split()), "mixgan-evaluate")


@pytest.mark.parametrize(
    ("name", "contents", "message"),
    [
        ("99.png", b"no picture", "99.png: cannot be read as an image"),
        ("notes.txt", b"hello", None),  # not looked at
    ],
)
def test_other_files_in_the_folder(name, contents, message, images, mixgan_evaluate, one_line, tmp_path):
    (tmp_path / "images" / name).write_bytes(contents)
    ran = mixgan_evaluate("images=images")
    if message is None:
        assert (ran.code, ran.err) == (0, "")
    else:
        assert message in one_line(ran, "mixgan-evaluate")


def test_an_empty_folder_is_told(tmp_path, mixgan_evaluate, one_line):
    (tmp_path / "empty").mkdir()
    assert "images=empty: expected at least 1 image" in one_line(mixgan_evaluate("images=empty"), "mixgan-evaluate")


def test_a_file_that_is_no_checkpoint_is_told(tmp_path, mixgan_evaluate, one_line):
    (tmp_path / "a.ckpt").write_bytes(b"PK and so on")
    line = one_line(mixgan_evaluate("ckpt_path=a.ckpt"), "mixgan-evaluate")
    assert "a.ckpt cannot be read as a checkpoint" in line
    line = one_line(mixgan_evaluate("ckpt_path=none.ckpt"), "mixgan-evaluate")
    assert "no checkpoint at none.ckpt" in line


def test_verbose_shows_the_traceback(mixgan_evaluate):
    with pytest.raises(ConfigurationError, match="expected ckpt_path=FILE"):
        mixgan_evaluate("verbose=true")


def test_the_files_have_the_name_that_was_asked_for_and_that_is_told(digits, mixgan_evaluate, tmp_path):
    ran = mixgan_evaluate(f"ckpt_path={digits}", "n=20", "out=tables/lr_0.01")
    assert ran.code == 0
    assert "written to tables/lr_0.01.md and tables/lr_0.01.json" in ran.out
    assert {path.name for path in (tmp_path / "tables").iterdir()} == {
        "lr_0.01.md",
        "lr_0.01.json",
        "lr_0.01_closest_pairs.png",
    }
