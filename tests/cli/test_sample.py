import re

import numpy as np
import pytest
import torch
from PIL import Image

from mixgan_lightning import MixGANModule, pictures


@pytest.fixture
def digits(run_of):
    return run_of("mixture.size=2") / "checkpoints" / "last.ckpt"


@pytest.fixture
def ring(run_of):
    return run_of("data=gaussians_ring", "mixture.size=2") / "checkpoints" / "last.ckpt"


@pytest.fixture
def conditional(run_of):
    tiny = ("gan.generator.width=4", "gan.discriminator.width=4")
    return run_of("gan=cdcgan", "mixture.size=2", *tiny) / "checkpoints" / "last.ckpt"


def pixels(path):
    return np.asarray(Image.open(path))


def test_a_grid_of_the_models_samples(digits, mixgan_sample, tmp_path):
    ran = mixgan_sample(f"ckpt_path={digits}", "n=16", "out=new/grid.png", "seed=3")
    assert (ran.code, ran.err) == (0, "")
    assert re.fullmatch(r"16 samples in new/grid.png \([\d,]+ a second\)\n", ran.out)
    images, _ = MixGANModule.load_from_checkpoint(digits).sample(16, seed=3)
    assert np.array_equal(pixels(tmp_path / "new" / "grid.png"), pictures.grid(images))
    assert {path.name for path in tmp_path.iterdir()} == {"new"}  # Hydra leaves nothing


def test_64_samples_by_default_and_the_same_again(digits, mixgan_sample, tmp_path):
    for name in ("one", "two"):
        mixgan_sample(f"ckpt_path={digits}", f"out={name}.png")
    mixgan_sample(f"ckpt_path={digits}")
    mixgan_sample(f"ckpt_path={digits}", "out=other.png", "seed=1")
    one, two, default, other = (pixels(tmp_path / f"{name}.png") for name in ("one", "two", "samples", "other"))
    assert one.shape == (2 + 8 * 34, 2 + 8 * 34, 3)
    assert np.array_equal(one, two)
    assert np.array_equal(one, default)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("out", ["folder", "folder/", "a/folder"])
def test_a_folder_gets_a_png_an_image_and_the_grid(out, digits, mixgan_sample, tmp_path):
    ran = mixgan_sample(f"ckpt_path={digits}", "n=9", f"out={out}")
    assert (ran.code, ran.err) == (0, "")
    name = out.rstrip("/")
    assert re.fullmatch(rf"9 images in {name}/, together in {name}_grid.png \([\d,]+ a second\)\n", ran.out)
    images, components = MixGANModule.load_from_checkpoint(digits).sample(9, seed=0)
    names = [f"{i:05d}_component_{c}.png" for i, c in enumerate(components.tolist())]
    assert sorted(path.name for path in (tmp_path / out).iterdir()) == sorted(names)
    for name, image in zip(names, images, strict=True):
        assert np.array_equal(pixels(tmp_path / out / name), pictures.to_uint8(image)[0].numpy())  # 8 × 8, grey
    assert np.array_equal(pixels(tmp_path / f"{out.rstrip('/')}_grid.png"), pictures.grid(images))


def test_one_component_alone(digits, mixgan_sample, tmp_path):
    mixgan_sample(f"ckpt_path={digits}", "n=4", "out=second.png", "component=1")
    images, _ = MixGANModule.load_from_checkpoint(digits).sample(4, seed=0, component=1)
    assert np.array_equal(pixels(tmp_path / "second.png"), pictures.grid(images))


def test_points_become_a_scatter_plot_coloured_by_component(ring, mixgan_sample, tmp_path):
    ran = mixgan_sample(f"ckpt_path={ring}", "n=200", "out=ring.png")
    assert (ran.code, ran.err) == (0, "")
    picture = pixels(tmp_path / "ring.png")
    assert picture.shape == (400, 400, 3)
    blue, orange = (picture.astype(int)[..., [a, b]] @ [1, -1] for a, b in ((2, 0), (0, 2)))
    assert (blue > 60).any()
    assert (orange > 60).any()


@pytest.mark.parametrize("labels", ["3", "[0,1,2,3]"])
def test_labels_of_a_conditional_gan(labels, conditional, mixgan_sample, tmp_path):
    ran = mixgan_sample(f"ckpt_path={conditional}", "n=4", "out=four.png", f"labels={labels}")
    assert (ran.code, ran.err) == (0, "")
    model = MixGANModule.load_from_checkpoint(conditional)
    images, _ = model.sample(4, seed=0, labels=3 if labels == "3" else torch.arange(4))
    assert np.array_equal(pixels(tmp_path / "four.png"), pictures.grid(images))
    assert not torch.equal(images, model.sample(4, seed=0, labels=9)[0])


def test_samples_in_16_bits_are_nearly_the_same(digits, mixgan_sample, tmp_path):
    for name, precision in (("single", "32-true"), ("half", "bf16-mixed")):
        ran = mixgan_sample(f"ckpt_path={digits}", f"out={name}.png", f"precision={precision}", "device=cpu")
        assert (ran.code, ran.err) == (0, "")
    single, half = (pixels(tmp_path / f"{name}.png").astype(int) for name in ("single", "half"))
    assert 0 < abs(single - half).mean() < 2


def test_averaged_or_raw_weights_as_asked(run_of, mixgan_sample, tmp_path):
    path = run_of("mixture.size=2", "callbacks=ema", "callbacks.ema.decay=0.5") / "checkpoints" / "last.ckpt"
    drawn = {}
    for name, *asked in (("default",), ("ema", "weights=ema"), ("raw", "weights=raw")):
        ran = mixgan_sample(f"ckpt_path={path}", "n=4", f"out={name}.png", *asked)
        assert (ran.code, ran.err) == (0, "")
        drawn[name] = pixels(tmp_path / f"{name}.png")
    for weights in ("ema", "raw"):
        images, _ = MixGANModule.load_from_checkpoint(path, weights=weights).sample(4, seed=0)
        assert np.array_equal(drawn[weights], pictures.grid(images))
    assert np.array_equal(drawn["default"], drawn["ema"])
    assert not np.array_equal(drawn["default"], drawn["raw"])


BAD = [
    ("weights=ema", "weights=ema: the checkpoint holds raw weights alone; leave weights out"),
    ("weights=best", "weights: expected ema, raw or null, got 'best'"),
    ("out=grid.jpg", "out=grid.jpg: expected a .png file (one grid) or a folder"),
    ("out=grid.PNG.gz", "expected a .png file"),
    ("n=0", "n: expected a whole number of at least 1, got 0"),
    ("n=many", "n: expected a whole number of at least 1, got 'many'"),
    ("seed=-1", "seed: expected a whole number in 0 … 4294967295, got -1"),
    ("component=2", "component: expected 0 … 1, got 2"),
    ("device=tpu9", "device=tpu9: "),
    ("precision=16", "precision: expected 32-true or bf16-mixed, got 16"),
    ("labels=3", "this GAN is unconditional; leave them out"),
    ("out=/proc/no.png", "/proc/no.png"),
    ("sead=3", "there is no option 'sead'; did you mean 'seed'?"),
    ("nn=3", "did you mean 'n'?"),
]


@pytest.mark.parametrize(("argument", "message"), BAD, ids=[argument for argument, _ in BAD])
def test_bad_input_ends_in_one_line(argument, message, digits, mixgan_sample, one_line, tmp_path):
    assert message in one_line(mixgan_sample(f"ckpt_path={digits}", argument), "mixgan-sample")
    assert not list(tmp_path.iterdir())


def test_points_do_not_become_a_folder_of_images(ring, mixgan_sample, one_line, tmp_path):
    line = one_line(mixgan_sample(f"ckpt_path={ring}", "out=folder"), "mixgan-sample")
    assert "samples of shape (2,) are no pictures" in line
    assert "out=FILE.png" in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("labels", ["[0,1]", "10", "[0,1,2,-1]"])
def test_labels_that_do_not_fit_are_refused(labels, conditional, mixgan_sample, one_line):
    line = one_line(mixgan_sample(f"ckpt_path={conditional}", "n=4", f"labels={labels}"), "mixgan-sample")
    assert "labels: expected 4 whole numbers in 0 … 9 (or one for all)" in line


def test_a_checkpoint_is_asked_for(mixgan_sample, one_line):
    assert one_line(mixgan_sample(), "mixgan-sample") == (
        "mixgan-sample: ckpt_path=… is needed (--help shows an example)"
    )


def test_a_checkpoint_that_is_not_there_is_named(mixgan_sample, one_line):
    assert "no checkpoint at no/such.ckpt" in one_line(mixgan_sample("ckpt_path=no/such.ckpt"), "mixgan-sample")
