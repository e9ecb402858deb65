import json
import sys
import warnings

import pytest
import torch

from mixgan_lightning import MixGANModule

TINY = ("gan.generator.width=4", "gan.discriminator.width=4")


@pytest.fixture
def digits(run_of):
    return run_of("mixture.size=2") / "checkpoints" / "last.ckpt"


@pytest.fixture
def conditional(run_of):
    return run_of("gan=cdcgan", "mixture.size=2", *TINY) / "checkpoints" / "last.ckpt"


@pytest.fixture
def averaged(run_of):
    return run_of("mixture.size=2", "callbacks=ema", "callbacks.ema.decay=0.5") / "checkpoints" / "last.ckpt"


def loaded(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.load(path)


def images_of(path, *, weights=None, n=50):
    """Inputs, and what the checkpoint's own generators make of them."""
    model = MixGANModule.load_from_checkpoint(path, weights=weights).eval()
    h0, latents = torch.randn(n), torch.randn(n, model.gan.latent_dim)
    labels = None if model.gan.num_classes is None else torch.randint(model.gan.num_classes, (n,))
    bounds = torch.distributions.Normal(0, 1).icdf(model.generators.weights.cumsum(0)[:-1])
    with torch.no_grad():
        images = model.sampler.generate(latents, labels, (h0[:, None] > bounds).sum(1))
    return [h0, latents, *([] if labels is None else [labels])], images


def test_a_sampler_of_the_checkpoints_mixture(digits, mixgan_export, tmp_path):
    ran = mixgan_export(f"ckpt_path={digits}")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("MIX+ of 2, raw weights, in sampler.pt (0.")
    assert {path.name for path in tmp_path.iterdir()} == {"sampler.pt", "sampler.pt.json"}  # Hydra leaves nothing
    inputs, images = images_of(digits)
    torch.testing.assert_close(loaded(tmp_path / "sampler.pt")(*inputs), images, rtol=0, atol=1e-6)
    description = json.loads((tmp_path / "sampler.pt.json").read_text("utf-8"))
    assert description["source"] == "run/checkpoints/last.ckpt"  # no path of this machine
    assert description["weights"] == "raw"
    assert description["gan"]["generator"]["_target_"] == "mixgan_lightning.networks.MLPGenerator"


def test_a_conditional_gans_sampler_takes_labels(conditional, mixgan_export, tmp_path):
    assert mixgan_export(f"ckpt_path={conditional}", "out=new/cdcgan.pt").code == 0
    inputs, images = images_of(conditional)
    assert len(inputs) == 3
    torch.testing.assert_close(loaded(tmp_path / "new" / "cdcgan.pt")(*inputs), images, rtol=0, atol=1e-6)


def test_averaged_or_raw_weights_as_asked(averaged, mixgan_export, tmp_path):
    found = {}
    for name, *asked in (("default",), ("ema", "weights=ema"), ("raw", "weights=raw")):
        ran = mixgan_export(f"ckpt_path={averaged}", f"out={name}.pt", *asked)
        assert (ran.code, ran.err) == (0, "")
        assert ("raw weights" if name == "raw" else "ema weights") in ran.out
        found[name] = loaded(tmp_path / f"{name}.pt")
    for weights in ("ema", "raw"):
        inputs, images = images_of(averaged, weights=weights)
        torch.testing.assert_close(found[weights](*inputs), images, rtol=0, atol=1e-6)
    assert torch.equal(found["default"](*inputs), found["ema"](*inputs))
    assert not torch.equal(found["raw"](*inputs), found["ema"](*inputs))


def test_onnx_from_the_command_line(conditional, mixgan_export, tmp_path):
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    ran = mixgan_export(f"ckpt_path={conditional}", "format=onnx")
    assert (ran.code, ran.err) == (0, "")
    inputs, images = images_of(conditional)
    named = dict(zip(("h0", "latents", "labels"), (x.numpy() for x in inputs), strict=True))
    (found,) = runtime.InferenceSession(tmp_path / "sampler.onnx").run(["images"], named)
    torch.testing.assert_close(torch.from_numpy(found), images, rtol=0, atol=1e-5)


def test_safetensors_from_the_command_line(averaged, mixgan_export, tmp_path):
    library = pytest.importorskip("safetensors.torch")
    ran = mixgan_export(f"ckpt_path={averaged}", "format=safetensors", "weights=raw")
    assert (ran.code, ran.err) == (0, "")
    held = library.load_file(tmp_path / "sampler.safetensors")
    for i, generator in enumerate(MixGANModule.load_from_checkpoint(averaged, weights="raw").generators):
        for name, tensor in generator.state_dict().items():
            assert torch.equal(held[f"components.{i}.{name}"], tensor)


BAD = [
    ("format=tflite", "format: expected one of torchscript, pt2, onnx, safetensors, got 'tflite'"),
    ("out=sampler.onnx", "out=sampler.onnx: expected a .pt file for format=torchscript"),
    ("weights=ema", "weights=ema: the checkpoint holds raw weights alone"),
    ("fromat=onnx", "there is no option 'fromat'; did you mean 'format'?"),
    ("out=/proc/no.pt", "/proc/no.pt"),
]


@pytest.mark.parametrize(("argument", "message"), BAD, ids=[argument for argument, _ in BAD])
def test_bad_input_ends_in_one_line(argument, message, digits, mixgan_export, one_line, tmp_path):
    assert message in one_line(mixgan_export(f"ckpt_path={digits}", argument), "mixgan-export")
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_is_asked_for(mixgan_export, one_line):
    assert (
        one_line(mixgan_export(), "mixgan-export") == "mixgan-export: ckpt_path=… is needed (--help shows an example)"
    )


def test_a_checkpoint_that_is_not_there_is_named(mixgan_export, one_line):
    assert "no checkpoint at no/such.ckpt" in one_line(mixgan_export("ckpt_path=no/such.ckpt"), "mixgan-export")


def test_a_missing_extra_ends_in_one_line(digits, mixgan_export, one_line, tmp_path, monkeypatch):
    for name in ["safetensors", *(name for name in sys.modules if name.startswith("safetensors."))]:
        monkeypatch.setitem(sys.modules, name, None)
    line = one_line(mixgan_export(f"ckpt_path={digits}", "format=safetensors"), "mixgan-export")
    assert "format=safetensors needs the package safetensors: pip install '.[export]'" in line
    assert not list(tmp_path.iterdir())
