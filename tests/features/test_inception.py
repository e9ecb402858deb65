"""The real network with random weights: 95 MB that torch-fidelity's own extractor reads as well."""

import hashlib
import io
import random
import shutil
import socket
import threading
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from http.client import BadStatusLine
from pathlib import Path
from urllib.error import HTTPError, URLError

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3

from mixgan_lightning import downloads
from mixgan_lightning.errors import ConfigurationError, DataError
from mixgan_lightning.evaluation.seen import check_one_pass, has_embedding
from mixgan_lightning.features import InceptionFeatures, inception
from mixgan_lightning.features.inception import rgb_uint8
from mixgan_lightning.pictures import to_uint8


@pytest.fixture(scope="module")
def weights(inception_weights):
    return inception_weights


@pytest.fixture(scope="module")
def sha256(weights):
    return hashlib.sha256(weights.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def features(weights, sha256):
    return InceptionFeatures(weights, sha256)


@pytest.fixture(scope="module")
def images():
    """Three 8-bit images; neither square nor of the network's size."""
    return torch.randint(0, 256, (3, 3, 20, 17), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def embedding(features, images):
    return features.embedding(images)


def test_logits_and_embedding_are_torch_fidelitys(features, embedding, images, weights):
    theirs = FeatureExtractorInceptionV3(
        "theirs", ["2048", "logits_unbiased", "logits"], feature_extractor_weights_path=str(weights)
    )
    expected = dict(zip(theirs.features_list, theirs(images), strict=True))
    assert torch.equal(embedding, expected["2048"])
    assert torch.equal(features.logits(embedding), expected["logits_unbiased"])
    assert not torch.equal(features.logits(embedding), expected["logits"])
    assert embedding.std(0).mean() > 1e-3  # the images are told apart, so that equality says something


def test_forward_is_the_logits_of_the_embedding(features, embedding, images):
    assert torch.equal(features(images), features.logits(embedding))
    assert embedding.shape == (3, 2048)
    assert features.logits(embedding).shape == (3, 1008)


def test_the_scoring_takes_its_embedding_and_logits_as_one_pass(features, images):
    assert has_embedding(features)
    check_one_pass(features, images)


def test_float_images_have_the_features_of_their_8_bit_versions(features, embedding, images):
    assert torch.equal(features.embedding(images / 127.5 - 1), embedding)


def test_every_8_bit_value_comes_back_from_float():
    values = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(1, 3, 16, 16)
    for dtype in (torch.float32, torch.float64):
        assert torch.equal(rgb_uint8(values.to(dtype) / 127.5 - 1), values)


def test_float_images_are_rounded_as_in_a_png(tmp_path):
    drawn = 2 * torch.rand(3, 9, 11) - 1
    Image.fromarray(to_uint8(drawn).permute(1, 2, 0).numpy()).save(tmp_path / "drawn.png")
    read = torch.from_numpy(np.array(Image.open(tmp_path / "drawn.png"))).permute(2, 0, 1)
    assert torch.equal(rgb_uint8(drawn[None])[0], read)
    nearest = ((drawn.double() + 1) * 127.5 - read).abs()
    assert nearest.max() <= 0.5 + 1e-5


def test_grey_images_are_rgb_of_three_equal_channels(features, images):
    grey = images[:1, :1]
    assert torch.equal(features.embedding(grey), features.embedding(grey.repeat(1, 3, 1, 1)))


def test_a_rounding_error_beyond_one_is_clamped():
    edge = torch.tensor([-1.0005, 1.0005]).view(1, 1, 1, 2)
    assert rgb_uint8(edge)[0, 0].tolist() == [[0, 255]]


def test_images_go_through_in_batches(features, embedding, images, monkeypatch):
    monkeypatch.setattr(inception, "BATCH", 2)
    sizes = []
    hook = features.network.register_forward_pre_hook(lambda network, given: sizes.append(len(given[0])))
    try:
        found = features.embedding(images)
    finally:
        hook.remove()
    assert sizes == [2, 1]
    torch.testing.assert_close(found, embedding)


def test_no_images_have_no_features(features):
    assert features(torch.zeros(0, 3, 8, 8)).shape == (0, 1008)


def test_features_are_float32_under_autocast(features, embedding, images):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = features.embedding(images)
        assert torch.equal(features.logits(found), features.logits(embedding))
        assert found.dtype == features.logits(found).dtype == torch.float32
    assert torch.equal(found, embedding)


def test_it_is_frozen_and_stays_in_eval_mode(features, images):
    nn.ModuleList([features]).train()
    features.train()
    assert not any(module.training for module in features.modules())
    assert not any(parameter.requires_grad for parameter in features.parameters())
    assert not features((images[:1] / 127.5 - 1).requires_grad_()).requires_grad


def test_building_leaves_the_random_streams(weights, sha256):
    before = torch.get_rng_state(), random.getstate(), [*map(str, np.random.get_state())]  # noqa: NPY002
    InceptionFeatures(weights, sha256)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (random.getstate(), [*map(str, np.random.get_state())]) == before[1:]  # noqa: NPY002


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (torch.zeros(3, 8, 8), r"\(N, 3, H, W\), .*got \(3, 8, 8\)"),
        (torch.zeros(2, 192), r"got \(2, 192\)"),
        (torch.zeros(2, 2, 8, 8), r"got \(2, 2, 8, 8\)"),
        (torch.zeros(2, 4, 8, 8), r"got \(2, 4, 8, 8\)"),
        (torch.zeros(2, 8, 8, 3), r"got \(2, 8, 8, 3\)"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.int64), "got torch.int64"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.bool), "got torch.bool"),
        (255 * torch.ones(2, 3, 8, 8), r"in \[-1, 1\], got \[255, 255\]"),
        (torch.full((2, 3, 8, 8), -1.01), r"got \[-1.01, -1.01\]"),
        (torch.tensor([0.0, torch.nan]).view(2, 1, 1, 1), "NaN or infinity in 1 of 2"),
        (torch.tensor([-torch.inf, torch.inf]).view(2, 1, 1, 1), "NaN or infinity in 2 of 2"),
    ],
)
def test_what_are_no_images_is_refused(features, bad, message):
    with pytest.raises(DataError, match=message):
        features(bad)


# ------------------------------------------------------------------------------------------------ the weights' file


def test_the_checksum_may_be_in_capitals(weights, sha256):
    InceptionFeatures(str(weights), sha256.upper())


def test_a_file_with_another_checksum_is_refused_and_both_are_named(weights, sha256):
    for expected, given in ((inception.OFFICIAL_SHA256, {}), ("0" * 64, {"sha256": "0" * 64})):
        with pytest.raises(ConfigurationError, match=f"sha256={expected}, got {sha256} ") as error:
            InceptionFeatures(weights, **given)
        assert str(weights) in str(error.value)
        assert "features.weights_path=FILE" in str(error.value)


@pytest.fixture
def damaged(weights, tmp_path):
    """``damaged(change)``: a copy of the file, its contents changed."""

    def write(change):
        path = tmp_path / "damaged.pth"
        path.write_bytes(change(weights.read_bytes()))
        return path

    return write


def flipped_bit(whole):
    middle = len(whole) // 2
    return whole[:middle] + bytes([whole[middle] ^ 64]) + whole[middle + 1 :]


def truncated(whole):
    return whole[: len(whole) // 2]


@pytest.mark.parametrize("damage", [flipped_bit, truncated, lambda whole: b""])
def test_a_damaged_file_is_refused(damaged, damage, sha256):
    with pytest.raises(ConfigurationError, match=r"damaged.pth: expected the checksum.*truncated, altered"):
        InceptionFeatures(damaged(damage), sha256)


@pytest.mark.parametrize("damage", [truncated, lambda whole: b"", lambda whole: b"no tensors"])
def test_a_damaged_file_is_refused_also_where_no_checksum_is_asked_for(damaged, damage):
    with pytest.raises(ConfigurationError, match=r"damaged.pth: cannot be read as a file of tensors .*truncated"):
        InceptionFeatures(damaged(damage), sha256=None)


@pytest.mark.parametrize(
    "state", [nn.Linear(2, 2).state_dict(), OrderedDict(), {0: torch.zeros(1)}, [torch.zeros(1)], torch.zeros(1)]
)
def test_a_file_of_another_architecture_is_refused(state, tmp_path):
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(ConfigurationError, match=r"other.pth: .*another architecture than .*inception-v3-compat"):
        InceptionFeatures(tmp_path / "other.pth", sha256=None)


class Code:
    """Something whose unpickling writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("verified", [False, True])
def test_code_in_a_file_is_not_run(verified, tmp_path):
    path, ran = tmp_path / "code.pth", tmp_path / "ran"
    torch.save({"fc.weight": Code(ran)}, path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest() if verified else None
    with pytest.raises(ConfigurationError, match="cannot be read as a file of tensors"):
        InceptionFeatures(path, sha256)
    assert not ran.exists()
    torch.load(path, weights_only=False)
    assert ran.exists()  # so it would have run


@pytest.mark.parametrize("name", ["missing.pth", "."])
def test_a_file_that_is_not_there_is_named(name, tmp_path):
    with pytest.raises(ConfigurationError, match=r"no such file; download https://.*features\.weights_path=FILE"):
        InceptionFeatures(tmp_path / name)


# ------------------------------------------------------------------------------------------------ the download


@pytest.fixture
def hub(tmp_path, monkeypatch, weights, sha256):
    """torch.hub's cache, empty, with the random weights in the place of the official ones; no network yet."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(inception, "OFFICIAL_SHA256", sha256)

    def offline(*args, **options):
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", offline)
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *args, **options: pytest.fail("downloaded"))
    return tmp_path / "hub" / "checkpoints" / URL_INCEPTION_V3.rsplit("/", 1)[1]


def refusal():
    """What is said where the weights cannot be had, and after how many seconds."""
    start = time.perf_counter()
    with pytest.raises(ConfigurationError) as error:
        InceptionFeatures()
    return str(error.value), time.perf_counter() - start


def test_without_a_network_it_says_at_once_where_to_get_the_file_and_how_to_name_it(hub):
    message, seconds = refusal()
    assert seconds < 5
    assert "Temporary failure in name resolution" in message
    assert URL_INCEPTION_V3 in message
    assert "callbacks.quality.features.weights_path=FILE" in message


def test_a_network_that_never_answers_is_given_up_within_5_seconds(hub, monkeypatch):
    over = threading.Event()

    def hang(*args, **options):
        over.wait(60)
        return io.BytesIO()

    monkeypatch.setattr(downloads, "urlopen", hang)
    try:
        message, seconds = refusal()
    finally:
        over.set()
    assert seconds < 5
    assert "no answer within 4 s" in message
    assert URL_INCEPTION_V3 in message
    assert "features.weights_path=FILE" in message


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (HTTPError(URL_INCEPTION_V3, 404, "Not Found", Message(), None), "the server says 404"),
        (URLError(ConnectionRefusedError("refused")), "refused"),
        (TimeoutError("timed out"), "timed out"),
        (BadStatusLine("Welcome to the hotel"), "Welcome to the hotel"),
    ],
)
@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_the_server_answers_is_said(hub, monkeypatch, error, reason):
    def refuse(*args, **options):
        raise error

    monkeypatch.setattr(downloads, "urlopen", refuse)
    assert f"cannot be fetched: {reason}; " in refusal()[0]


def test_a_cached_file_needs_no_network(hub, weights, sha256):
    hub.parent.mkdir(parents=True)
    hub.symlink_to(weights)
    InceptionFeatures(sha256=sha256)


def test_a_cached_file_is_verified_too(hub, sha256):
    hub.parent.mkdir(parents=True)
    hub.write_bytes(b"half of it")
    with pytest.raises(ConfigurationError, match=rf"{hub.name}: expected the checksum sha256={sha256}, got .*10 bytes"):
        InceptionFeatures(sha256=sha256)


def test_two_at_once_download_once(hub, monkeypatch, weights, sha256):
    both_found_nothing = threading.Barrier(2, timeout=10)
    fetched = []

    def answer(*args, **options):
        both_found_nothing.wait()
        return io.BytesIO()

    def download(url, path, hash_prefix=None, progress=True):
        fetched.append((url, path, hash_prefix))
        time.sleep(0.2)
        shutil.copy(weights, path)

    monkeypatch.setattr(downloads, "urlopen", answer)
    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    with ThreadPoolExecutor(2) as pool:
        built = list(pool.map(lambda i: InceptionFeatures(sha256=sha256), range(2)))
    assert fetched == [(URL_INCEPTION_V3, str(hub), sha256)]
    expected = torch.load(weights)
    for features in built:
        assert all(torch.equal(value, expected[name]) for name, value in features.network.state_dict().items())


@pytest.mark.parametrize(
    "error", [URLError("connection reset"), OSError("No space left"), RuntimeError("invalid hash")]
)
def test_a_download_that_breaks_off_is_a_configuration_error(hub, monkeypatch, error):
    def download(*args, **options):
        raise error

    monkeypatch.setattr(downloads, "urlopen", lambda *args, **options: io.BytesIO())
    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    message, _ = refusal()
    assert f"could not be downloaded ({error})" in message
    assert "features.weights_path=FILE" in message
