import hashlib
import threading
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from mixgan_lightning.data import files
from mixgan_lightning.data.files import FilesDataModule, verified
from mixgan_lightning.errors import ConfigurationError, DataError

CONTENTS = b"as published"
MD5 = hashlib.md5(CONTENTS).hexdigest()
SHA256 = hashlib.sha256(CONTENTS).hexdigest()


class Published(FilesDataModule):
    title = "The letter A"
    official: ClassVar = {"a.bin": MD5}
    sample_shape = (2,)
    fetched = 0
    arriving = CONTENTS

    def __init__(self, root="data", download=False, hashes=None):
        super().__init__(root, 64, download, hashes)

    def path(self, name):
        return self.root / "published" / name

    def urls(self, name):
        return [f"https://example.org/{name}"]

    def load(self):
        self.prepare_data()
        with self.opened("a.bin") as file:
            assert file.read() == CONTENTS
        return (torch.zeros(64, 2),), (torch.zeros(4, 2),)

    def fetch(self, url, folder, name):
        type(self).fetched += 1
        (Path(folder) / name).write_bytes(self.arriving)


@pytest.fixture
def kind(monkeypatch):
    monkeypatch.setattr(files, "unreachable", lambda url: None)
    return type("Fresh", (Published,), {})


@pytest.mark.parametrize("expected", [MD5, SHA256, MD5.upper(), None])
def test_a_file_with_its_hash_is_open_at_its_start(expected, tmp_path):
    (tmp_path / "a").write_bytes(CONTENTS)
    with verified(tmp_path / "a", expected) as file:
        assert file.read() == CONTENTS


@pytest.mark.parametrize(("expected", "found"), [(MD5, hashlib.md5(b"x")), (SHA256, hashlib.sha256(b"x"))])
def test_another_hash_is_refused_with_the_file_and_both_hashes_in_one_line(expected, found, tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    with pytest.raises(DataError) as refused:
        verified(tmp_path / "a", expected)
    assert all(part in str(refused.value) for part in (str(tmp_path / "a"), expected, found.hexdigest()))
    assert "\n" not in str(refused.value)


def test_what_is_missing_is_said_with_its_place_and_how_to_get_it(kind, tmp_path):
    with pytest.raises(DataError, match=r"The letter A is missing: expected .*download=true") as refused:
        kind(tmp_path).setup()
    assert str(tmp_path / "published" / "a.bin") in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "published").exists()  # nothing is made where nothing was asked for


def test_a_relative_root_is_told_in_full(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=str(tmp_path / "data" / "published" / "a.bin")):
        kind().setup()


def test_hashes_of_ones_own_take_the_place_of_the_official_ones(kind, tmp_path):
    kind(tmp_path, download=True).setup()
    (tmp_path / "published" / "a.bin").write_bytes(CONTENTS)
    kind(tmp_path, hashes={"a.bin": SHA256}).setup()
    with pytest.raises(DataError, match="0" * 32):
        kind(tmp_path, hashes={"a.bin": "0" * 32}).setup()
    kind(tmp_path, hashes={"a.bin": None}).setup()


@pytest.mark.parametrize(
    ("hashes", "message"),
    [({"b.bin": MD5}, r"among a\.bin, got b\.bin"), ({"a.bin": MD5[1:]}, "32 hexa"), ({"a.bin": 10**31}, "quotes")],
)
def test_hashes_that_cannot_be_are_refused_at_once(hashes, message, kind):
    with pytest.raises(ConfigurationError, match=message):
        kind(hashes=hashes)


def test_a_download_is_verified_and_made_once(kind, tmp_path):
    for _ in range(2):
        kind(tmp_path, download=True).setup()
    assert kind.fetched == 1
    kind(tmp_path).setup()


def test_of_processes_at_once_one_downloads(kind, tmp_path):
    data = [kind(tmp_path, download=True) for _ in range(4)]
    threads = [threading.Thread(target=each.setup) for each in data]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kind.fetched == 1
    assert all(len(each.train) == 64 for each in data)


def test_a_download_of_something_else_is_not_kept(kind, tmp_path):
    kind.arriving = b"an error page"
    with pytest.raises(DataError, match=f"{MD5}, got {hashlib.md5(kind.arriving).hexdigest()}"):
        kind(tmp_path, download=True).setup()
    assert not (tmp_path / "published" / "a.bin").exists()


def test_a_file_with_another_hash_is_not_overwritten_by_a_download(kind, tmp_path):
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / "a.bin").write_bytes(b"mine")
    with pytest.raises(DataError, match="delete it"):
        kind(tmp_path, download=True).setup()
    assert (tmp_path / "published" / "a.bin").read_bytes() == b"mine"


def test_a_download_that_fails_is_one_readable_line(kind, tmp_path):
    def fail(self, url, folder, name):
        raise OSError("no route\nto host")

    kind.fetch = fail
    with pytest.raises(
        DataError, match=r"a\.bin could not be downloaded \(https://example\.org/a\.bin: no route to host\); put it"
    ):
        kind(tmp_path, download=True).setup()
    assert [path.name for path in (tmp_path / "published").iterdir() if path.suffix != ".lock"] == []


def test_a_server_that_does_not_answer_is_said_and_not_waited_for(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "unreachable", lambda url: "no answer within 4 s")
    with pytest.raises(DataError, match=r"\(https://example\.org/a\.bin: no answer within 4 s\); put it"):
        kind(tmp_path, download=True).setup()
    assert kind.fetched == 0


def test_mirrors_are_tried_in_turn(kind, tmp_path):
    def fetch(self, url, folder, name):
        if "first" in url:
            raise OSError("unreachable")
        (Path(folder) / name).write_bytes(CONTENTS)

    kind.fetch = fetch
    kind.urls = lambda self, name: ["https://first", "https://second"]
    kind(tmp_path, download=True).setup()


def test_what_goes_wrong_while_reading_names_the_file(kind, tmp_path):
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / "a.bin").write_bytes(b"not so")
    with pytest.raises(DataError, match=r"a\.bin: cannot be read .* it was not verified"):
        kind(tmp_path, hashes={"a.bin": None}).setup()
