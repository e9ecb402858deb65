import copy
import json
import re
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

import mixgan_lightning
from mixgan_lightning import GAN, mix
from mixgan_lightning.errors import ConfigurationError, GANError, MissingLibraryError
from mixgan_lightning.export import FORMATS, check_path, export
from mixgan_lightning.export.sampler import TensorSampler

NAMES = ["mlp", "dcgan", "cdcgan", "conditional batchnorm"]
WITHOUT_THE_PACKAGE = """
import sys
sys.modules["mixgan_lightning"] = None
try:
    import mixgan_lightning
except ImportError:
    pass
else:
    sys.exit("the package can be imported")
import torch
for path in sys.argv[1:]:
    with torch.no_grad():
        torch.save(torch.jit.load(path)(*torch.load(path + ".inputs")), path + ".outputs")
"""


def near(found, expected, tolerance):
    assert found.shape == expected.shape
    assert expected.std() > 0.05  # different samples, of which an error would show
    assert (found - expected).abs().max() <= tolerance


def test_torchscript_gives_the_models_images_in_a_python_without_the_package(mixtures, given, tmp_path):
    expected = {}
    for name, model in mixtures.items():
        path = export(model, tmp_path / "new" / f"{name}.pt")
        inputs, expected[path] = given(model, 100)
        torch.save(inputs, f"{path}.inputs")
    command = [sys.executable, "-I", "-W", "ignore", "-c", WITHOUT_THE_PACKAGE, *expected]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    for path, images in expected.items():
        near(torch.load(f"{path}.outputs"), images, 1e-6)


def test_torch_exports_program_gives_the_models_images(mixtures, given, tmp_path):
    program = torch.export.load(export(mixtures["cdcgan"], tmp_path / "sampler.pt2", "pt2")).module()
    for n in (1, 100):
        inputs, expected = given(mixtures["cdcgan"], n)
        assert (program(*inputs) - expected).abs().max() <= 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_onnx_gives_the_models_images(name, mixtures, given, tmp_path):
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    path = export(mixtures[name], tmp_path / "sampler.onnx", "onnx")
    session = runtime.InferenceSession(path)
    names = [entry.name for entry in session.get_inputs()]
    for n in (1, 100):
        inputs, expected = given(mixtures[name], n, seed=n)
        assert names == ["h0", "latents", "labels"][: len(inputs)]
        (found,) = session.run(["images"], dict(zip(names, (x.numpy() for x in inputs), strict=True)))
        assert found.shape == expected.shape
        assert abs(found - expected.numpy()).max() <= 1e-5
    assert expected.std() > 0.05  # different samples, of which an error would show


@pytest.mark.parametrize("kind", FORMATS)
def test_no_path_of_the_machine_that_made_a_file_is_in_it(kind, mixtures, tmp_path):
    for library in ("onnxscript", "safetensors"):
        pytest.importorskip(library)
    path = export(mixtures["cdcgan"], tmp_path / f"sampler{FORMATS[kind]}", kind)
    parts = [path.read_bytes()]
    if kind in ("torchscript", "pt2"):
        with zipfile.ZipFile(path) as archive:
            parts += [archive.read(name) for name in archive.namelist()]
    places = [str(Path(module.__file__).parent).encode() for module in (torch, mixgan_lightning)]
    assert not [place for place in places for part in parts if place in part]


class Constant(nn.Module):
    """Its number, whatever the latents."""

    def __init__(self, number):
        super().__init__()
        self.number = nn.Parameter(torch.tensor(float(number)))

    def forward(self, latents):
        return self.number.expand(latents.shape[0], 1) + 0 * latents[:, :1]


@pytest.fixture
def numbered():
    """A mixture whose samples are the number of the component that made them."""
    numbers = iter(range(3))
    model = mix(lambda: GAN(Constant(next(numbers)), nn.Linear(1, 1), latent_dim=2), 3)
    model.generators.log_probabilities.data = torch.tensor([0.6, 0.3, 0.1]).log()
    return model


def check_frequencies(samples, weights):
    n = len(samples)
    for i, w in enumerate(weights):
        found = float((samples.flatten() == i).double().mean())
        assert abs(found - w) < 4 * (w * (1 - w) / n) ** 0.5, (i, found)


def test_components_are_as_frequent_as_their_weights(numbered, tmp_path):
    path = export(numbered, tmp_path / "sampler.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampler = torch.jit.load(path)
    check_frequencies(sampler(torch.randn(100_000), torch.randn(100_000, 2)), [0.6, 0.3, 0.1])


def test_components_are_as_frequent_as_their_weights_in_onnx(numbered, tmp_path):
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(export(numbered, tmp_path / "sampler.onnx", "onnx"))
    inputs = {"h0": torch.randn(100_000).numpy(), "latents": torch.randn(100_000, 2).numpy()}
    check_frequencies(torch.from_numpy(session.run(None, inputs)[0]), [0.6, 0.3, 0.1])


@pytest.mark.parametrize("name", ["dcgan", "cdcgan"])
def test_safetensors_hold_every_generators_weights_and_w(name, mixtures, tmp_path):
    library = pytest.importorskip("safetensors")
    model = mixtures[name]
    path = export(model, tmp_path / "weights.safetensors", "safetensors", about={"source": "run 7"})
    with library.safe_open(path, "pt") as held:
        tensors = {key: held.get_tensor(key) for key in held.keys()}  # noqa: SIM118  # it is no dict
        description = json.loads(held.metadata()["mixgan.json"])
    torch.testing.assert_close(tensors.pop("weights"), torch.tensor([0.6, 0.3, 0.1]))
    for i, generator in enumerate(model.generators):
        state = generator.state_dict()
        assert {k.removeprefix(f"components.{i}.") for k in tensors if k.startswith(f"components.{i}.")} == set(state)
        for key, tensor in state.items():
            assert torch.equal(tensors.pop(f"components.{i}.{key}"), tensor)
    assert not tensors
    assert description == json.loads((tmp_path / "weights.safetensors.json").read_text("utf-8"))
    assert description["source"] == "run 7"


def test_the_description_says_what_goes_in_what_comes_out_and_what_it_is(mixtures, tmp_path):
    export(mixtures["cdcgan"], tmp_path / "sampler.pt")
    found = json.loads((tmp_path / "sampler.pt.json").read_text("utf-8"))
    assert found["component_weights"] == pytest.approx([0.6, 0.3, 0.1])
    assert found["thresholds"] == pytest.approx([0.2533, 1.2816], abs=1e-3)
    assert [(entry["name"], entry["shape"], entry["dtype"]) for entry in found["inputs"]] == [
        ("h0", ["N"], "float32"),
        ("latents", ["N", 10], "float32"),
        ("labels", ["N"], "int64"),
    ]
    assert found["inputs"][1]["law"] == "standard normal"
    assert found["outputs"] == [{"name": "images", "shape": ["N", 1, 8, 8], "dtype": "float32"}]
    assert (found["num_classes"], found["class_weights"]) == (3, pytest.approx([1 / 3] * 3))
    assert found["generator"] == "DCGANGenerator"
    assert "ConvTranspose2d(4, 1" in "\n".join(found["architecture"])


def test_the_description_is_in_the_file_too(mixtures, tmp_path):
    beside = {}
    for kind in ("torchscript", "pt2"):
        path = export(mixtures["mlp"], tmp_path / f"sampler{FORMATS[kind]}", kind)
        beside[kind] = path.with_name(f"{path.name}.json").read_text("utf-8").strip()
    held = {"mixgan.json": ""}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.load(tmp_path / "sampler.pt", _extra_files=held)
    assert held["mixgan.json"].decode("utf-8") == beside["torchscript"]
    held = {"mixgan.json": ""}
    torch.export.load(tmp_path / "sampler.pt2", extra_files=held)
    assert held["mixgan.json"] == beside["pt2"] == beside["torchscript"]


def test_the_model_stays_as_it_is(mixtures, tmp_path):
    model = copy.deepcopy(mixtures["dcgan"]).train()
    before, stream = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    export(model, tmp_path / "sampler.pt")
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())
    assert all(p.requires_grad for p in model.generators.parameters())
    assert model.training
    assert model.generators.training
    assert torch.equal(torch.get_rng_state(), stream)


def test_one_generator_can_be_exported(tmp_path):
    model = mix(lambda: GAN(nn.Linear(4, 2), nn.Linear(2, 1), latent_dim=4), 1)
    program = torch.export.load(export(model, tmp_path / "one.pt2", "pt2")).module()
    latents = torch.randn(20, 4)
    torch.testing.assert_close(program(torch.randn(20), latents), model.component(0)(latents))


# ---------------------------------------------------------------------------------------- what cannot be


class OwnLatents(GAN):
    def latents(self, n, batch):
        return torch.randn(n, 2), torch.rand(n, 2)

    def generate(self, generator, latents, batch):
        return generator(torch.cat(latents, 1))


class Noisy(nn.Linear):
    """Draws at random."""

    def forward(self, latents):
        return super().forward(latents) + torch.randn(len(latents), 2)


class OfLength(nn.Linear):
    """Its output depends on the number of rows as a Python number."""

    def forward(self, latents):
        return super().forward(latents) * float(len(latents))


def points(network, kind=GAN):
    return mix(lambda: kind(network(4, 2), nn.Linear(2, 1), latent_dim=4), 2)


@pytest.mark.parametrize("kind", ["torchscript", "pt2"])
def test_latents_of_several_tensors_are_refused_but_for_the_weights(kind, tmp_path):
    model = points(nn.Linear, OwnLatents)
    with pytest.raises(
        GANError, match=r"expected latents that are one tensor \(N, …\), this GAN's are \(2, 2\), \(2, 2\)"
    ):
        export(model, tmp_path / f"sampler{FORMATS[kind]}", kind)
    assert not list(tmp_path.iterdir())
    pytest.importorskip("safetensors")
    export(model, tmp_path / "weights.safetensors", "safetensors")
    assert "inputs" not in json.loads((tmp_path / "weights.safetensors.json").read_text())


class LabelsAmongLatents(GAN):
    """As an AC-GAN's: ``generate`` wants the pair."""

    def latents(self, n, batch):
        return torch.randn(n, 4), batch.labels

    def generate(self, generator, latents, batch):
        z, labels = latents
        return generator(z) + labels[:, None]


def test_labels_among_the_latents_are_refused_but_for_the_weights(tmp_path):
    pytest.importorskip("safetensors")
    model = mix(lambda: LabelsAmongLatents(nn.Linear(4, 2), nn.Linear(2, 1), latent_dim=4, num_classes=3), 2)
    with pytest.raises(GANError, match="expected latents that are one tensor"):
        export(model, tmp_path / "sampler.pt")
    export(model, tmp_path / "weights.safetensors", "safetensors")
    found = json.loads((tmp_path / "weights.safetensors.json").read_text())
    assert found["generate"] == "by LabelsAmongLatents.generate, with what it holds"


class Twisted(nn.Linear):
    """Of another sign, once it has been traced with positive latents: a constant of the graph."""

    def forward(self, latents):
        return super().forward(latents) * (1.0 if latents.mean().item() > -1e9 and self.calls() < 2 else -1.0)

    def calls(self):
        self.count = getattr(self, "count", 0) + 1
        return self.count


def test_a_generator_of_little_weight_is_checked_as_well(tmp_path):
    """Of 16 samples drawn by the weights none would be its own."""
    networks = iter([nn.Linear(4, 2), Twisted(4, 2)])
    model = mix(lambda: GAN(next(networks), nn.Linear(2, 1), latent_dim=4), 2)
    model.generators.log_probabilities.data = torch.tensor([0.999, 0.001]).log()
    with pytest.raises(GANError, match="gives other samples than the model"):
        export(model, tmp_path / "sampler.pt")


@pytest.mark.parametrize(
    ("said", "law"), [(None, "as Own.latents draws them; mean"), ("h ~ U.", "as Own.latents draws them: h ~ U.; mean")]
)
def test_a_law_is_what_the_gans_own_method_says_and_not_the_one_it_overrides(said, law, tmp_path):
    class Own(GAN):
        def latents(self, n, batch):
            return torch.rand(n, 4)

    Own.latents.__doc__ = said
    export(points(nn.Linear, Own), tmp_path / "sampler.pt")
    assert json.loads((tmp_path / "sampler.pt.json").read_text("utf-8"))["inputs"][1]["law"].startswith(law)


class TheirGAN(pl.LightningModule):
    """Unmodified: a latent of its own law, and attributes that a LightningModule refuses without a Trainer."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.discriminator = nn.Linear(3, 2), nn.Linear(2, 1)

    def configure_optimizers(self):
        return [torch.optim.SGD(network.parameters(), 0.1) for network in (self.generator, self.discriminator)]

    def training_step(self, batch, batch_idx):
        of_g, of_d = self.optimizers()
        fake = self.generator(torch.rand(len(batch), 3))
        for optimizer, sign, images in ((of_d, 1, fake.detach()), (of_g, -1, fake)):
            optimizer.zero_grad()
            self.manual_backward(sign * self.discriminator(images).mean())
            optimizer.step()


@pytest.mark.parametrize("kind", ["torchscript", "pt2"])
def test_an_unmodified_gan_is_exported_and_its_latents_are_described(kind, fit, tmp_path):
    model = mix(TheirGAN, 2)
    fit(model, torch.randn(64, 2))
    path = export(model, tmp_path / f"sampler{FORMATS[kind]}", kind)
    sampler = torch.jit.load(path) if kind == "torchscript" else torch.export.load(path).module()
    h0, latents = torch.tensor([-3.0, 3.0]).repeat(5), torch.rand(10, 3)
    expected = torch.stack([model.component(int(h > 0))(z) for h, z in zip(h0, latents, strict=True)])
    torch.testing.assert_close(sampler(h0, latents), expected, rtol=0, atol=1e-6)
    law = json.loads(path.with_name(f"{path.name}.json").read_text("utf-8"))["inputs"][1]["law"]
    uniform = r"mean 0\.(49|50|51), sd 0\.(28|29|30), from 0\.00 to 1\.00"
    assert re.fullmatch(rf"as the user's own step draws them; {uniform}", law)


@pytest.mark.parametrize("weights", [[1.0], [0.5, 0.5], [0.0, 1.0, 0.0], [0.3, 0.0, 0.699999, 1e-6]])
def test_inputs_of_all_are_as_many_for_each_generator_that_has_weight(weights):
    model = mix(lambda: GAN(nn.Linear(4, 2), nn.Linear(2, 1), latent_dim=4), len(weights))
    model.generators.log_probabilities.data = torch.tensor(weights).log()
    sampler = TensorSampler.of(model)
    h0, latents = sampler.inputs_of_all(3)
    chosen = (h0[:, None] > sampler.network.thresholds).sum(1)
    assert torch.bincount(chosen, minlength=len(weights)).tolist() == [3 * (w > 0) for w in weights]
    assert len(latents) == len(h0)


@pytest.mark.parametrize("network", [Noisy, OfLength])
@pytest.mark.parametrize("kind", ["torchscript", "pt2"])
def test_a_generator_whose_graph_would_be_another_is_refused_and_nothing_written(network, kind, tmp_path):
    with pytest.raises(GANError, match=r"format=safetensors keeps (the )?weights"):
        export(points(network), tmp_path / f"sampler{FORMATS[kind]}", kind)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("kind", "package"), [("onnx", "onnx"), ("onnx", "onnxscript"), ("safetensors", "safetensors")]
)
def test_a_missing_library_is_named_with_the_way_to_get_it(kind, package, mixtures, tmp_path, monkeypatch):
    pytest.importorskip("onnx")
    for name in [package, *(name for name in sys.modules if name.startswith(f"{package}."))]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        MissingLibraryError, match=rf"format={kind} needs the package {package}: pip install '.\[export\]'"
    ):
        export(mixtures["mlp"], tmp_path / f"sampler{FORMATS[kind]}", kind)
    assert not list(tmp_path.iterdir())


def test_the_file_has_the_formats_suffix():
    assert [str(check_path(None, kind)) for kind in FORMATS] == [f"sampler{suffix}" for suffix in FORMATS.values()]
    with pytest.raises(ConfigurationError, match=r"out=a.pt: expected a .onnx file for format=onnx"):
        check_path("a.pt", "onnx")
    with pytest.raises(
        ConfigurationError, match="format: expected one of torchscript, pt2, onnx, safetensors, got 'tflite'"
    ):
        check_path("a.tflite", "tflite")
