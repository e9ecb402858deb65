"""What a user gets by ``pip install``: a wheel with code, configs and types, whose commands work from any folder."""

import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def call(*command, cwd, **environment):
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run(
        command, cwd=cwd, env=clean | environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-4000:]
    return ran


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy of the sources: setuptools leaves a build/ folder where it works."""
    missing = [name for name in ("pip", "setuptools") if not find_spec(name)]
    if missing:
        pytest.skip(f"building a wheel without network needs {', '.join(missing)} in this environment")
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("src", "conf"):
        copytree(ROOT / name, source / name, ignore=ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (source / name).write_bytes((ROOT / name).read_bytes())
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    call(*pip, "wheel", ".", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(out), cwd=source)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The scripts of a fresh virtual environment that holds the wheel and borrows all else from this interpreter."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    site = Path(call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).stdout.strip())
    # a .pth inside the borrowed folder, such as an editable install's, is not read
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python))
    call(*pip, "install", "--no-deps", "--no-index", "--force-reinstall", str(wheel), cwd=folder)
    where = "from importlib.util import find_spec; print(find_spec('mixgan_lightning').origin)"
    origin = call(python, "-c", where, cwd=folder).stdout.strip()
    assert Path(origin).is_relative_to(folder), "the sources were imported instead of the wheel"
    return folder / "bin"


def test_the_wheel_holds_every_config_module_and_the_type_marker(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    configs = {f"mixgan_lightning/conf/{path.relative_to(ROOT / 'conf')}" for path in (ROOT / "conf").rglob("*.yaml")}
    modules = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src" / "mixgan_lightning").rglob("*.py")}
    assert len(configs) > 15
    assert sorted(configs - held) == []
    assert sorted(modules - held) == []
    assert "mixgan_lightning/py.typed" in held


def test_the_wheel_holds_nothing_else(wheel):
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    version = PROJECT["project"]["version"]
    assert tops == {"mixgan_lightning", f"mixgan_lightning-{version}.dist-info"}
    assert not [name for name in zipfile.ZipFile(wheel).namelist() if "__pycache__" in name or "egg-info" in name]


def test_the_licence_is_in_the_wheel(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert [name for name in names if name.endswith("licenses/LICENSE")]


def test_every_folder_of_modules_is_a_package_of_the_project():
    """setuptools takes the list as it is: a new room must be entered in it."""
    declared = set(PROJECT["tool"]["setuptools"]["packages"])
    rooms = {path.parent.relative_to(ROOT / "src") for path in (ROOT / "src").rglob("*.py")}
    assert {".".join(room.parts) for room in rooms} <= declared


def test_every_command_is_installed_and_has_a_function_and_a_config(installed):
    commands = PROJECT["project"]["scripts"]
    assert set(commands) == {
        f"mixgan-{name}" for name in ("train", "sample", "evaluate", "export", "reproduce", "report", "dashboard")
    }
    for name, target in commands.items():
        module, function = target.split(":")
        assert callable(getattr(import_module(module), function))
        assert (installed / name).exists()
        if name != "mixgan-report":  # its only word is a path
            assert (ROOT / "conf" / f"{name.removeprefix('mixgan-')}.yaml").exists()


def test_the_installed_commands_run_from_another_folder(installed, tmp_path):
    shown = call(installed / "mixgan-train", "--help", cwd=tmp_path).stdout
    for group in (
        "callbacks: ",
        "data: celeba, cifar10, custom, digits",
        "gan: cdcgan, csngan, custom, dcgan",
        "logger: csv",
        "mixture: ",
        "trainer: ",
    ):
        assert f"\n{group}" in shown
    tiny = ("logger=csv", "trainer.max_epochs=1", "+trainer.limit_train_batches=2", "hydra.run.dir=run")
    ran = call(installed / "mixgan-train", *tiny, "experiment=ring/mix5", cwd=tmp_path, WANDB_MODE="disabled")
    assert ran.stderr == ""
    assert "MIX+ of 5" in ran.stdout
    score = (f"ckpt_path={tmp_path}/run/checkpoints/last.ckpt", "data=gaussians_ring")
    call(installed / "mixgan-evaluate", *score, cwd=tmp_path)
    assert (tmp_path / "evaluation.json").exists()
    left = {path.name for path in (tmp_path / "run").iterdir()}
    assert left >= {"metrics.csv", "results.json", "checkpoints", "samples"}
