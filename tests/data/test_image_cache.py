import multiprocessing
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from mixgan_lightning.data import image_cache
from mixgan_lightning.data.image_cache import AT_ONCE, cached_images, in_order
from mixgan_lightning.errors import DataError

SHAPE = (5, 3, 2, 2)


def numbered(n=5, first=0):
    return [torch.full(SHAPE[1:], first + i, dtype=torch.uint8) for i in range(n)]


def asked(depends_on="it", images=None, title="tiny"):
    """The cached images, and how often they were made for it."""
    made = []

    def make():
        made.append(1)
        return iter(numbered() if images is None else images)

    return cached_images(title, depends_on, SHAPE, make), len(made)


def test_images_come_back_in_their_order_as_bytes(own_cache):
    images, made = asked()
    assert torch.equal(images, torch.stack(numbered()))
    assert (images.dtype, made) == (torch.uint8, 1)


def test_they_are_made_once_and_read_from_then_on(own_cache):
    asked()
    images, made = asked(images=numbered(first=100))
    assert made == 0
    assert torch.equal(images, torch.stack(numbered()))


def test_a_whole_file_is_read_from_a_folder_where_nothing_can_be_locked(own_cache, monkeypatch):
    asked()
    monkeypatch.setattr(image_cache, "FileLock", lambda path: pytest.fail("locked"))
    assert asked()[1] == 0


def test_other_users_may_read_the_file(own_cache):
    before = os.umask(0o022)
    try:
        asked()
    finally:
        os.umask(before)
    (file,) = (own_cache / "images").glob("*.bin")
    assert file.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("other", [{"depends_on": "else"}, {"title": "another"}])
def test_what_depends_on_something_else_is_another_file(own_cache, other):
    asked()
    images, made = asked(images=numbered(first=100), **other)
    assert made == 1
    assert images.min() == 100


def test_a_file_that_is_not_whole_is_made_again(own_cache):
    asked()
    (file,) = (own_cache / "images").glob("*.bin")
    file.write_bytes(file.read_bytes()[:-1])
    images, made = asked()
    assert made == 1
    assert torch.equal(images, torch.stack(numbered()))


def test_writing_to_the_images_does_not_change_the_file(own_cache):
    asked()[0].fill_(255)
    assert torch.equal(asked()[0], torch.stack(numbered()))


def test_an_error_on_the_way_leaves_no_file(own_cache):
    def broken():
        yield from numbered(2)
        raise DataError("third.png: cannot be read")

    with pytest.raises(DataError, match=r"third\.png"):
        cached_images("tiny", "it", SHAPE, broken)
    assert {path.suffix for path in (own_cache / "images").iterdir()} <= {".lock"}
    assert asked()[1] == 1


def test_of_two_that_ask_at_once_one_makes_them_and_the_other_waits(own_cache):
    made, both = [], threading.Barrier(2, timeout=20)

    def slow():
        made.append(1)
        for image in numbered():
            time.sleep(0.02)
            yield image

    def ask(_):
        both.wait()
        return cached_images("tiny", "it", SHAPE, slow)

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(ask, range(2))
    assert len(made) == 1
    assert torch.equal(first, second)


def _ask_of_a_process(both, made, answers):
    def slow():
        with made.get_lock():
            made.value += 1
        for image in numbered():
            time.sleep(0.02)
            yield image

    both.wait()
    answers.put(cached_images("tiny", "it", SHAPE, slow).tolist())


def test_of_two_processes_one_makes_them_and_the_other_waits(own_cache):
    forked = multiprocessing.get_context("fork")  # a fresh Python would take longer than all else here
    both, made, answers = forked.Barrier(2, timeout=20), forked.Value("i", 0), forked.Queue()
    asking = [forked.Process(target=_ask_of_a_process, args=(both, made, answers), daemon=True) for _ in range(2)]
    for process in asking:
        process.start()
    expected = torch.stack(numbered()).tolist()
    assert [answers.get(timeout=60) for _ in asking] == [expected, expected]
    assert made.value == 1


def test_a_cache_that_cannot_be_written_is_one_line_that_says_where(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MIXGAN_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"\$MIXGAN_CACHE") as refused:
        asked()
    assert str(tmp_path / "file") in str(refused.value)


def test_several_are_read_at_a_time_and_come_in_order():
    together = threading.Barrier(2, timeout=20)

    def read(i):
        if i < 2:
            together.wait()  # would wait for ever if one were read after the other
        return torch.tensor(i)

    n = 2 * AT_ONCE + 3
    assert [int(found) for found in in_order(read, range(n))] == list(range(n))


def test_no_more_than_a_block_is_read_ahead():
    read = []
    found = in_order(lambda i: read.append(i) or torch.tensor(i), range(10 * AT_ONCE))
    next(found)
    time.sleep(0.1)
    assert len(read) <= AT_ONCE
    found.close()
