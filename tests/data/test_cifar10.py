import os
import pickle
import shutil
import socket
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import tiny_data
import torch
from refusals import refusal
from torchvision.datasets import CIFAR10

from mixgan_lightning.data import CIFAR10DataModule

ARCHIVE = "cifar-10-python.tar.gz"
FOLDER = "cifar-10-batches-py"
BATCHES = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]


@pytest.fixture
def extracted(tmp_path):
    return tiny_data.build_cifar10(tmp_path, each=20, extracted=True)


@pytest.fixture
def marker(tmp_path):
    """A folder that the payload would make."""
    return tmp_path / "the payload has run"


@pytest.fixture
def payload(marker):
    """A pickle that does something when it is read."""

    class Payload:
        def __reduce__(self):
            return os.mkdir, (str(marker),)

    contents = pickle.dumps({"data": Payload(), "labels": []}, protocol=2)
    pickle.loads(contents)
    marker.rmdir()  # it works
    return contents


def archived(root, files):
    """The archive of these files alone, unverified."""
    root.mkdir(exist_ok=True)
    contents = tiny_data.tarred({f"{FOLDER}/{name}": found for name, found in files.items()})
    (root / ARCHIVE).write_bytes(contents)
    return CIFAR10DataModule(root, hashes={ARCHIVE: None})


def batches_of(each=2):
    return {name: tiny_data.pickled_batch(tiny_data.images(each, 3, 32, 32), torch.arange(each)) for name in BATCHES}


@pytest.mark.parametrize("fixture", ["tiny_cifar10", "extracted"])
def test_images_and_labels_are_those_of_the_files_in_their_order(fixture, request):
    tiny = request.getfixturevalue(fixture)
    data = CIFAR10DataModule(**tiny.options)
    data.setup()
    for found, images, labels in (
        (data.train, tiny.train, tiny.labels),
        (data.validation, tiny.held_out, tiny.held_out_labels),
    ):
        assert torch.equal(found.tensors[0], images)
        assert torch.equal(found.tensors[1], labels)
        assert found.tensors[1].dtype == torch.int64


def test_images_stay_bytes_and_a_batch_is_float_in_minus_one_to_one(tiny_cifar10):
    data = CIFAR10DataModule(**tiny_cifar10.options, batch_size=52)
    data.setup()
    assert data.train.tensors[0].dtype == torch.uint8
    images, _ = next(iter(data.val_dataloader()))
    assert (images.shape, images.dtype) == ((52, *data.sample_shape), torch.float32)
    torch.testing.assert_close(images, tiny_cifar10.held_out / 127.5 - 1)
    assert images.abs().max() <= 1


def test_nothing_is_extracted(tiny_cifar10):
    CIFAR10DataModule(**tiny_cifar10.options).setup()
    assert [path.name for path in tiny_cifar10.root.iterdir()] == [ARCHIVE]


def test_the_official_hashes_are_the_default(tiny_cifar10):
    data = CIFAR10DataModule(tiny_cifar10.root)
    assert data.hashes == {ARCHIVE: CIFAR10.tgz_md5, **dict(CIFAR10.train_list), **dict(CIFAR10.test_list)}
    message = refusal(data)
    for named in (str(tiny_cifar10.root / ARCHIVE), CIFAR10.tgz_md5, tiny_cifar10.hashes[ARCHIVE]):
        assert named in message


def test_a_folder_that_lacks_a_batch_does_not_count(extracted):
    (extracted.root / FOLDER / "data_batch_3").unlink()
    assert ARCHIVE in refusal(CIFAR10DataModule(**extracted.options))


@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_that_was_tampered_with_is_refused_before_it_is_unpickled(name, extracted, payload, marker):
    path = extracted.root / FOLDER / name
    path.write_bytes(payload)
    message = refusal(CIFAR10DataModule(**extracted.options))
    for named in (str(path), extracted.hashes[name], tiny_data.md5(payload)):
        assert named in message
    assert not marker.exists()


def test_an_archive_that_was_tampered_with_is_refused_before_it_is_unpickled(tiny_cifar10, tmp_path, payload, marker):
    archived(tmp_path, batches_of() | {"data_batch_2": payload})
    message = refusal(CIFAR10DataModule(tmp_path, hashes=tiny_cifar10.hashes))
    for named in (
        str(tmp_path / ARCHIVE),
        tiny_cifar10.hashes[ARCHIVE],
        tiny_data.md5((tmp_path / ARCHIVE).read_bytes()),
    ):
        assert named in message
    assert not marker.exists()


def test_a_malicious_pickle_is_not_run_even_where_nothing_is_verified(extracted, tmp_path, payload, marker):
    assert "mkdir" in refusal(archived(tmp_path / "archive", batches_of() | {"data_batch_2": payload}))
    (extracted.root / FOLDER / "data_batch_2").write_bytes(payload)
    assert "mkdir" in refusal(CIFAR10DataModule(extracted.root, hashes=dict.fromkeys(BATCHES)))
    assert not marker.exists()


def test_a_sha256_is_as_good_as_an_md5(tiny_cifar10):
    found = tiny_data.sha256((tiny_cifar10.root / ARCHIVE).read_bytes())
    CIFAR10DataModule(tiny_cifar10.root, hashes={ARCHIVE: found}).setup()
    wrong = "0" * 64
    message = refusal(CIFAR10DataModule(tiny_cifar10.root, hashes={ARCHIVE: wrong}))
    assert wrong in message
    assert found in message


@pytest.mark.parametrize("left", [0, 0.01, 0.5, 0.99])
def test_a_truncated_archive_is_one_line_that_names_it(left, tiny_cifar10, tmp_path):
    shutil.copy(tiny_cifar10.root / ARCHIVE, tmp_path)
    os.truncate(tmp_path / ARCHIVE, int(left * (tmp_path / ARCHIVE).stat().st_size))
    assert str(tmp_path / ARCHIVE) in refusal(CIFAR10DataModule(tmp_path, hashes=tiny_cifar10.hashes))
    assert str(tmp_path / ARCHIVE) in refusal(CIFAR10DataModule(tmp_path, hashes={ARCHIVE: None}))


def test_an_archive_that_lacks_a_batch_names_it(tmp_path):
    files = batches_of()
    del files["data_batch_4"]
    assert "data_batch_4" in refusal(archived(tmp_path, files))


@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 32, 32)])
def test_images_of_another_size_are_refused(shape, tmp_path):
    wrong = tiny_data.pickled_batch(tiny_data.images(3, *shape), torch.arange(3))
    assert ARCHIVE in refusal(archived(tmp_path, batches_of() | {"data_batch_1": wrong}))


def test_more_labels_than_images_are_refused(tmp_path):
    wrong = tiny_data.pickled_batch(tiny_data.images(3, 3, 32, 32), torch.arange(4))
    assert "each of 4 labels, got uint8 of shape (3, 3072)" in refusal(
        archived(tmp_path, batches_of() | {"data_batch_1": wrong})
    )


@pytest.fixture
def served(tiny_cifar10):
    """The folder of the archive on a server of this machine."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tiny_cifar10.root))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{ARCHIVE}"
        server.shutdown()


def test_a_download_by_torchvision_is_verified_and_read(served, tiny_cifar10, tmp_path, monkeypatch):
    assert CIFAR10DataModule().urls(ARCHIVE) == [CIFAR10.url]
    monkeypatch.setattr(CIFAR10, "url", served)
    data = CIFAR10DataModule(tmp_path / "new", download=True, hashes=tiny_cifar10.hashes)
    data.setup()
    assert torch.equal(data.train.tensors[0], tiny_cifar10.train)
    CIFAR10DataModule(tmp_path / "new", hashes=tiny_cifar10.hashes).setup()


def test_a_download_of_another_archive_is_refused_and_not_kept(served, tiny_cifar10, tmp_path, monkeypatch):
    monkeypatch.setattr(CIFAR10, "url", served)
    message = refusal(CIFAR10DataModule(tmp_path, download=True))
    for named in (CIFAR10.tgz_md5, tiny_cifar10.hashes[ARCHIVE]):
        assert named in message
    assert not (tmp_path / ARCHIVE).exists()


def test_without_a_network_it_says_at_once_what_is_missing_and_where_it_goes(tmp_path, monkeypatch):
    def offline(*args, **options):
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", offline)
    start = time.perf_counter()
    message = refusal(CIFAR10DataModule(tmp_path, download=True))
    assert time.perf_counter() - start < 5
    for said in (CIFAR10.url, "Temporary failure in name resolution", str(tmp_path / ARCHIVE)):
        assert said in message
