"""Checkpoints as files: whole or not there, and never half believed."""

import os
import random
import shutil
import subprocess

import pytest
import torch

from mixgan_lightning.checkpoint_file import CheckpointFiles, before, hash_of, load, save
from mixgan_lightning.errors import CheckpointError

CONTENTS = {"state_dict": {"w": torch.arange(600.0)}, "step": 3, "names": ["a", "b"]}


@pytest.fixture
def path(tmp_path):
    save(CONTENTS, tmp_path / "last.ckpt")
    return tmp_path / "last.ckpt"


def same(a, b):
    return a.keys() == b.keys() and torch.equal(a["state_dict"]["w"], b["state_dict"]["w"]) and a["step"] == b["step"]


def test_what_was_saved_is_read(path):
    assert same(load(path), CONTENTS)
    assert sorted(each.name for each in path.parent.iterdir()) == ["last.ckpt", "last.ckpt.sha256"]


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum")
def test_the_hashes_are_in_the_form_that_sha256sum_checks(path):
    save(CONTENTS, path)
    hashes = [hash_of(each).name for each in (path, before(path))]
    checked = subprocess.run(["sha256sum", "--check", "--strict", *hashes], cwd=path.parent, check=False)
    assert checked.returncode == 0


def test_the_one_before_is_kept(path):
    save(CONTENTS | {"step": 4}, path)
    save(CONTENTS | {"step": 5}, path)
    assert (load(path)["step"], load(before(path))["step"]) == (5, 4)
    assert {each.name for each in path.parent.iterdir()} == {
        name + end for name in ("last.ckpt", "last.previous.ckpt") for end in ("", ".sha256")
    }


def read_or_told(path):
    """The contents, or the named error; any other fails the test."""
    try:
        return load(path), ""
    except CheckpointError as error:
        return None, str(error)


@pytest.mark.parametrize("has_hash", [True, False])
def test_of_300_flipped_bits_and_100_cut_off_files_none_is_taken_for_whole(path, has_hash):
    whole, draw = path.read_bytes(), random.Random(0)
    save(CONTENTS, path)
    if not has_hash:
        hash_of(path).unlink()
    damaged = []
    for _ in range(300):
        flipped = bytearray(whole)
        flipped[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        damaged.append(bytes(flipped))
    damaged += [whole[: draw.randrange(len(whole))] for _ in range(100)]
    named = 0
    for contents in damaged:
        path.write_bytes(contents)
        found, said = read_or_told(path)
        if said:
            named += 1
            assert str(path) in said
            assert f"the checkpoint before it is {before(path)}" in said
        else:
            assert same(found, CONTENTS)  # a bit that nobody reads: padding, a date
    assert named == 400 if has_hash else named > 300


def test_a_damaged_hash_is_named_too(path):
    hash_of(path).write_bytes(b"\xff\x00")
    with pytest.raises(CheckpointError, match=r"is damaged or cut off.*delete last\.ckpt\.sha256"):
        load(path)
    hash_of(path).write_text("")
    with pytest.raises(CheckpointError, match="says nothing"):
        load(path)


def test_a_file_without_its_hash_is_read(path):
    hash_of(path).unlink()
    assert same(load(path), CONTENTS)


@pytest.mark.parametrize("moment", range(1, 8))
def test_a_save_that_is_cut_off_at_any_moment_leaves_one_to_go_on_from(path, moment, monkeypatch):
    save(CONTENTS | {"step": 4}, path)
    calls = []

    def cut_off(function):
        def call(*arguments, **options):
            calls.append(function.__name__)
            if len(calls) == moment:
                raise KeyboardInterrupt
            return function(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        for name in ("replace", "unlink", "fsync"):
            patch.setattr(os, name, cut_off(getattr(os, name)))
        with pytest.raises(KeyboardInterrupt):
            save(CONTENTS | {"step": 5}, path)
    left = [load(each)["step"] for each in (path, before(path)) if each.exists()]
    assert left[0] in (4, 5)
    save(CONTENTS | {"step": 6}, path)
    assert load(path)["step"] == 6


def test_a_plugin_of_the_trainer_reads_and_writes_them(tmp_path):
    files = CheckpointFiles()
    files.save_checkpoint(CONTENTS, tmp_path / "a" / "x.ckpt")
    assert same(files.load_checkpoint(tmp_path / "a" / "x.ckpt", weights_only=False), CONTENTS)
    files.remove_checkpoint(tmp_path / "a" / "x.ckpt")
    assert not list((tmp_path / "a").iterdir())


def test_where_there_is_no_room_the_old_one_stays(path, little_room):
    with pytest.raises(CheckpointError, match=r"last\.ckpt cannot be written: File too large \([\d,.]+ MB free"):
        save({"w": torch.zeros(1_000_000)}, path)
    assert same(load(path), CONTENTS)
    assert sorted(each.name for each in path.parent.iterdir()) == ["last.ckpt", "last.ckpt.sha256"]


def test_contents_that_cannot_be_saved_are_their_own_error(path):
    with pytest.raises(Exception, match="lambda"):
        save({"f": lambda: None}, path)
    assert same(load(path), CONTENTS)
