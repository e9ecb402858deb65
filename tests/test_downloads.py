import io
import socket
import threading
import time
from email.message import Message
from http.client import BadStatusLine
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest

from mixgan_lightning import downloads
from mixgan_lightning.downloads import never_stalling, unreachable

URL = "https://data.example/file.zip"


def asked(monkeypatch, answer):
    """What is said of a server that answers so, and after how many seconds."""
    monkeypatch.setattr(downloads, "urlopen", answer)
    start = time.perf_counter()
    return unreachable(URL), time.perf_counter() - start


def test_a_server_that_answers_is_reachable_and_its_answer_is_not_read(monkeypatch):
    response = io.BytesIO(b"gigabytes")
    reason, _ = asked(monkeypatch, lambda url, timeout: response)
    assert reason is None
    assert response.closed


def test_one_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(downloads, "PATIENCE", 0.2)
    over = threading.Event()

    def hang(url, timeout):
        over.wait(60)
        return io.BytesIO()

    try:
        reason, seconds = asked(monkeypatch, hang)
    finally:
        over.set()
    assert reason == "no answer within 0.2 s"
    assert seconds < 2


def test_patience_is_of_seconds():
    assert downloads.PATIENCE <= 5


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (HTTPError(URL, 404, "Not Found", Message(), None), "the server says 404"),
        (URLError(ConnectionRefusedError("refused")), "refused"),
        (socket.gaierror(-3, "no such name"), "[Errno -3] no such name"),
        (TimeoutError(), "TimeoutError"),
        (BadStatusLine("Welcome to the hotel"), "Welcome to the hotel"),
    ],
)
@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_reason_is_said_in_a_few_words(monkeypatch, error, reason):
    def refuse(url, timeout):
        raise error

    assert asked(monkeypatch, refuse)[0] == reason


@pytest.fixture
def silent():
    """The address of a server that accepts whoever comes, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}/file.zip"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_accepts_and_never_answers_is_given_up_within_5_seconds(scheme, silent):
    start = time.perf_counter()
    assert unreachable(f"{scheme}://{silent}") is not None
    assert time.perf_counter() - start < 5


def test_a_connection_that_is_never_made_is_given_up_within_5_seconds(monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(socket.socket, "connect", lambda *args: over.wait(60))
    start = time.perf_counter()
    try:
        assert unreachable("http://127.0.0.1:9/file.zip") == "no answer within 4 s"
    finally:
        over.set()
    assert time.perf_counter() - start < 5


def test_a_download_that_stalls_is_an_error(silent, monkeypatch):
    monkeypatch.setattr(downloads, "STALLED", 0.2)
    before = socket.getdefaulttimeout()
    with pytest.raises(OSError, match="timed out"), never_stalling():
        urlopen(f"http://{silent}")
    assert socket.getdefaulttimeout() == before
