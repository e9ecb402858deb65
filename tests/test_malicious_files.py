"""Files that would run code if they were read without care: each is refused in words, and nothing in it is run.

What a payload does is make a folder, the marker. After each refusal the same file is read carelessly, and makes it.
"""

import ast
import gzip
import json
import os
import pickle
import shutil
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import tiny_data
import torch
import yaml
from commands import run_command
from hydra.utils import instantiate
from PIL import EpsImagePlugin, Image
from torch import nn
from torch.utils._pytree import treespec_loads

import mixgan_lightning
from mixgan_lightning import MixGANModule, checkpoint, mix
from mixgan_lightning.cache import trained_once
from mixgan_lightning.cli import evaluate, sample, train
from mixgan_lightning.data import CelebADataModule, CIFAR10DataModule, FolderDataModule, MNISTDataModule
from mixgan_lightning.data.image_cache import cached_images
from mixgan_lightning.errors import CheckpointError, ConfigurationError, DataError, MixGANError
from mixgan_lightning.evaluation import FolderSamples
from mixgan_lightning.features import InceptionFeatures
from mixgan_lightning.replay import Template
from mixgan_lightning.report import write_report

POINTS = {
    "_target_": "mixgan_lightning.GAN",
    "generator": {"_target_": "torch.nn.Linear", "in_features": 3, "out_features": 2},
    "discriminator": {"_target_": "torch.nn.Linear", "in_features": 2, "out_features": 1},
    "latent_dim": 3,
}


class Payload:
    """Makes the marker when it is unpickled."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


@pytest.fixture
def marker(tmp_path):
    return tmp_path / "the payload has run"


@pytest.fixture
def harmless(marker):
    """``harmless(careful, error, careless)``: the error's one line; the careless way does make the marker."""

    def check(careful, error, careless):
        with pytest.raises(error) as refused:
            careful()
        check_not_run(careless)
        assert "\n" not in str(refused.value)
        return str(refused.value)

    def check_not_run(careless):
        assert not marker.exists()
        try:
            careless()
        except Exception as error:  # what it makes of the rest does not matter
            print(error)
        assert marker.exists(), "it would not have run: this test shows nothing"
        marker.rmdir()

    check.not_run = check_not_run
    return check


def unpickled(path):
    return partial(torch.load, path, weights_only=False)


# ------------------------------------------------------------------------------------------------ checkpoints


@pytest.fixture
def contents(fit):
    """What a checkpoint of two batches holds."""
    model = mix(POINTS, 2)
    return fit(model, torch.randn(32, 2))._checkpoint_connector.dump_checkpoint(weights_only=False)


def commands(path, cwd):
    """Each command's run with this checkpoint, by name."""
    options = {
        (train.main, "mixgan-train"): ("data=gaussians_ring", "logger=csv", "callbacks/quality=none"),
        (sample.main, "mixgan-sample"): ("n=1",),
        (evaluate.main, "mixgan-evaluate"): ("data=gaussians_ring",),
    }
    for (main, name), words in options.items():
        yield name, run_command(main, name, [f"ckpt_path={path}", *words], cwd)


@pytest.mark.parametrize("place", ["hyper_parameters", "state_dict", "optimizer_states", "callbacks", "unheard of"])
def test_a_pickled_payload_anywhere_in_a_checkpoint_is_not_run(place, contents, tmp_path, marker, harmless):
    path = tmp_path / "evil.ckpt"
    torch.save(contents | {place: {"x": Payload(marker)}}, path)
    for load in (checkpoint.read, MixGANModule.load_from_checkpoint):
        assert "holds code" in harmless(partial(load, path), CheckpointError, unpickled(path))


@pytest.mark.parametrize("kind", ["torch.save", "pickle"])
def test_no_command_runs_a_payload_in_a_checkpoint(kind, contents, tmp_path, marker, harmless):
    path = tmp_path / "evil.ckpt"
    evil = contents | {"loops": Payload(marker)}
    if kind == "torch.save":
        torch.save(evil, path)
    else:
        path.write_bytes(pickle.dumps(evil))
    for name, ran in commands(path, tmp_path):
        assert ran.code == 1
        (line,) = ran.err.splitlines()
        assert line.startswith(f"{name}: {path} cannot be read as a checkpoint")
    harmless.not_run(lambda: pickle.loads(path.read_bytes()) if kind == "pickle" else unpickled(path)())


def calling(how, marker, tmp_path):
    """A config in a checkpoint that would make the marker, if it were built."""
    call = {"_target_": "os.mkdir", "path": str(marker)}
    if how == "_target_":
        return call
    if how == "_target_ within":
        return POINTS | {"generator": {"_target_": "torch.nn.Sequential", "_args_": [call]}}
    if how == "interpolation":  # a string, until Hydra makes a config of it
        hidden = f"${{oc.create:{{_target_: os.mkdir, path: '{marker}'}}}}"
        return POINTS | {"generator": {"_target_": "torch.nn.Linear", "in_features": hidden, "out_features": 2}}
    torch.save(Payload(marker), tmp_path / "weights.pth")
    extractor = "torch_fidelity.feature_extractor_inceptionv3.FeatureExtractorInceptionV3"  # a network, and unpickles
    beside = {"features_list": ["2048"], "feature_extractor_weights_path": str(tmp_path / "weights.pth")}
    return POINTS | {"generator": {"_target_": extractor, "name": "x", "_convert_": "all", **beside}}


@pytest.mark.parametrize("how", ["_target_", "_target_ within", "interpolation", "a network that unpickles a file"])
@pytest.mark.parametrize("entry", ["make_gan", "n_critic"])
def test_a_config_in_a_checkpoint_cannot_call_what_is_no_part_of_a_gan(
    how, entry, contents, tmp_path, marker, harmless
):
    spec, path = calling(how, marker, tmp_path), tmp_path / "evil.ckpt"
    torch.save(contents | {"hyper_parameters": contents["hyper_parameters"] | {entry: spec}}, path)
    careful = partial(MixGANModule.load_from_checkpoint, path)
    harmless(careful, MixGANError, lambda: instantiate(spec))


def test_what_a_batch_looks_like_imports_nothing(tmp_path, marker, harmless, monkeypatch):
    """A checkpoint of a module as it is describes its batches; torch reads enums by importing what they name."""
    (tmp_path / "enums_of_a_stranger.py").write_text(f"import os\nos.mkdir({str(marker)!r})\n")
    monkeypatch.syspath_prepend(tmp_path)
    enum = json.dumps([{"__enum__": True, "fqn": "enums_of_a_stranger:x", "name": "y"}])
    leaf = {"type": None, "context": None, "children_spec": []}
    structure = json.dumps([1, {"type": "builtins.dict", "context": enum, "children_spec": [leaf]}])
    saved = {"structure": structure, "leaves": [], "sample_shape": [2], "label_counts": []}
    said = harmless(lambda: Template.loaded(saved), CheckpointError, lambda: treespec_loads(structure))
    assert "dicts, lists and tuples" in said


# ------------------------------------------------------------------------------------------------ weights and caches


@pytest.mark.parametrize("verified", [False, True])
def test_a_payload_as_weights_of_the_inception_network_is_not_run(verified, tmp_path, marker, harmless):
    path = tmp_path / "weights.pth"
    torch.save({"fc.weight": Payload(marker)}, path)
    sha256 = tiny_data.sha256(path.read_bytes()) if verified else None
    said = harmless(partial(InceptionFeatures, path, sha256), ConfigurationError, unpickled(path))
    assert str(path) in said


def test_a_payload_in_torch_hubs_cache_is_not_run(tmp_path, marker, harmless, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    path = tmp_path / "checkpoints" / "weights-inception-2015-12-05-6726825d.pth"
    path.parent.mkdir()
    torch.save({"fc.weight": Payload(marker)}, path)
    assert "expected the checksum" in harmless(InceptionFeatures, ConfigurationError, unpickled(path))


def test_a_payload_as_a_trained_classifier_is_trained_anew(tmp_path, marker, harmless, caplog):
    """The digits' classifier and SGAN's encoder are kept so."""
    path, trained = tmp_path / "classifier.pt", []
    torch.save({"weight": Payload(marker)}, path)
    evil = shutil.copy(path, tmp_path / "evil.pt")
    trained_once(nn.Linear(1, 1), path, lambda: trained.append(True))
    assert trained == [True]
    assert f"cannot read {path}" in caplog.text
    harmless.not_run(unpickled(evil))
    assert torch.load(path, weights_only=True).keys() == {"weight", "bias"}  # it has taken the payload's place


def test_a_payload_as_resized_images_is_pixels(marker, harmless, own_cache):
    evil = pickle.dumps(Payload(marker))
    depends_on = "x", (1, 1, 1, len(evil)), lambda: iter([torch.zeros(1, 1, len(evil), dtype=torch.uint8)])
    cached_images("title", *depends_on)
    (file,) = (own_cache / "images").glob("*.bin")
    file.write_bytes(evil)
    assert bytes(cached_images("title", *depends_on).flatten().tolist()) == evil
    harmless.not_run(partial(pickle.loads, file.read_bytes()))


# ------------------------------------------------------------------------------------------------ datasets


def batch(marker, how):
    """A batch of CIFAR-10 with a payload."""
    if how == "at once":
        return pickle.dumps({"data": Payload(marker), "labels": []}, protocol=2)
    array = np.array([Payload(marker)], dtype=object)  # in an array of objects
    return pickle.dumps({"data": array, "labels": [0]}, protocol=2).replace(b"numpy._core.", b"numpy.core.")


@pytest.mark.parametrize("how", ["at once", "in an array"])
@pytest.mark.parametrize("verified", [False, True])
@pytest.mark.parametrize("extracted", [False, True])
@pytest.mark.filterwarnings("ignore:numpy.core:DeprecationWarning")
def test_a_payload_in_cifar10_is_not_run(how, verified, extracted, tmp_path, marker, harmless):
    tiny = tiny_data.build_cifar10(tmp_path, each=2, extracted=extracted)
    evil, folder = batch(marker, how), "cifar-10-batches-py"
    if extracted:
        (tmp_path / folder / "data_batch_2").write_bytes(evil)
    else:
        names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
        archive = tiny_data.tarred({f"{folder}/{name}": evil for name in names})
        (tmp_path / "cifar-10-python.tar.gz").write_bytes(archive)
    data = CIFAR10DataModule(tmp_path, hashes=tiny.hashes if verified else dict.fromkeys(tiny.hashes))
    said = harmless(data.setup, DataError, partial(pickle.loads, evil))
    assert ("expected the md5" if verified else "nothing of it was run") in said


@pytest.mark.parametrize("kind", [MNISTDataModule, CelebADataModule])
def test_a_payload_in_other_archives_is_not_run(kind, tmp_path, marker, harmless, own_cache):
    name = kind.__name__.removesuffix("DataModule").lower()
    tiny = getattr(tiny_data, f"build_{name}")(tmp_path)
    evil = pickle.dumps(Payload(marker))
    for path in filter(Path.is_file, tmp_path.rglob("*")):
        path.write_bytes(gzip.compress(evil) if path.suffix == ".gz" else evil)
    for hashes in (tiny.hashes, dict.fromkeys(tiny.hashes)):
        harmless(kind(tmp_path, hashes=hashes).setup, DataError, partial(pickle.loads, evil))


@pytest.fixture
def postscript(tmp_path, marker, monkeypatch):
    """A program by the name of a picture, and an interpreter that runs it."""
    interpreter = tmp_path / "gs"
    interpreter.write_text(f"#!/bin/sh\nmkdir '{marker}'\n")
    interpreter.chmod(0o755)
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", str(interpreter))
    path = tmp_path / "pictures" / "epoch_0001.png"
    path.parent.mkdir()
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(x) run\n%%EOF\n")
    return path


def test_a_picture_that_is_a_program_is_not_run(postscript, harmless, own_cache):
    folder = postscript.parent

    def careless():
        Image.open(postscript).load()

    shutil.copy(postscript, folder / "epoch_0000.png")  # one to be held out
    for careful in (
        FolderDataModule(folder, batch_size=1, validation_share=0.5).setup,
        lambda: next(iter(FolderSamples(folder, channels=3).batches())),
    ):
        assert ".png: cannot be read as an image (it is PostScript" in harmless(careful, DataError, careless)


# ------------------------------------------------------------------------------------------------ what reports read

SCRIPT = "<script>x</script><img src=x onerror=x>\"'><b>"


class Tags(HTMLParser):
    """All tags, and all attributes, of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes = set(), set()
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)


@pytest.mark.parametrize("file", ["config.yaml", "overrides.yaml", "hydra.yaml"])
def test_code_in_the_yaml_of_a_run_is_not_run(file, tmp_path, marker, harmless, postscript):
    run = tmp_path / "run"
    (run / ".hydra").mkdir(parents=True)
    shutil.copytree(postscript.parent, run / "samples")
    (run / "results.json").write_text("{}")
    evil = f"!!python/object/apply:os.mkdir ['{marker}']\n"
    (run / ".hydra" / file).write_text(evil)
    write_report(run)
    harmless.not_run(partial(yaml.unsafe_load, evil))


def test_markup_in_any_file_of_a_run_is_text(tmp_path):
    hydra = tmp_path / ".hydra"
    hydra.mkdir()
    files = {
        "results.json": json.dumps(
            {"title": SCRIPT, "size": 2, "mixture": {f"quality/{SCRIPT}": 1.0}, "device": SCRIPT}
        ),
        "provenance.json": json.dumps({"command": SCRIPT, "versions": {SCRIPT: SCRIPT}, "commit": SCRIPT}),
        "failure.txt": SCRIPT,
        "metrics.csv": f'images_seen,"quality/{SCRIPT.replace(chr(34), chr(34) * 2)}"\n64,1\n128,2\n',
        ".hydra/config.yaml": yaml.safe_dump({"gan": {"_target_": SCRIPT}, "data": {"_target_": SCRIPT}, "seed": 1}),
        ".hydra/overrides.yaml": yaml.safe_dump([SCRIPT]),
        ".hydra/hydra.yaml": yaml.safe_dump({"hydra": {"runtime": {"choices": {"gan": SCRIPT, "data": SCRIPT}}}}),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    page = write_report(tmp_path).read_text()
    found = Tags(page)
    assert page.count("&lt;script&gt;") > 4
    assert not found.tags & {"script", "img"}
    assert not [name for name in found.attributes if name.startswith("on")]


# ------------------------------------------------------------------------------------------------ the source

CARELESS = {
    "pickle.load", "pickle.loads", "pickle.Unpickler", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "np.load",
    "torch.jit.load", "torch.package", "joblib.load", "os.system", "eval", "exec", "load_state_dict_from_url",
    "torch.hub.load", "torch.hub.load_state_dict_from_url", "shutil.unpack_archive",
}  # fmt: skip
SAFE_ONLY = {"torch.load", "trainer.fit", "trainer.validate", "trainer.test", "trainer.predict"}


def calls():
    """Every call in the package: (where, the name that is called, its keywords)."""
    for path in sorted(Path(mixgan_lightning.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                yield f"{path.name}:{node.lineno}", ast.unparse(node.func), keywords


def test_nothing_in_the_package_unpickles_or_runs_what_it_reads():
    found = [(where, name) for where, name, _ in calls()]
    assert len(found) > 1_000
    assert [here for here in found if here[1] in CARELESS or here[1].endswith(".extractall")] == []
    assert [where for where, _, keywords in calls() if keywords.get("shell", "False") != "False"] == []


def test_whatever_the_package_loads_is_tensors_and_plain_values():
    found = [(where, name, keywords) for where, name, keywords in calls() if name in SAFE_ONLY]
    loading = [call for call in found if call[1] == "torch.load" or "ckpt_path" in call[2]]
    assert len(loading) >= 4
    assert [call for call in loading if call[2].get("weights_only") != "True"] == []
