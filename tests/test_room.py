import pytest
import torch
from torch import nn

from mixgan_lightning import room


def test_memory_that_several_tensors_share_counts_once():
    base = torch.zeros(100)
    assert room.size_of([base, base[:10], base.view(10, 10), torch.zeros(3, dtype=torch.float64)]) == 400 + 24


@pytest.mark.parametrize(
    "empty",
    [lambda: torch.zeros(9, device="meta"), lambda: nn.LazyLinear(3).weight, lambda: torch.zeros(9).to_sparse()],
)
def test_tensors_without_memory_of_their_own_count_nothing(empty):
    assert room.size_of([empty()]) == 0


def test_what_a_machine_gives_is_what_is_available_and_swapping(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(room, "CGROUPS", ())
    (tmp_path / "meminfo").write_text("MemTotal: 900 kB\nMemAvailable: 500 kB\nSwapFree:  20 kB\nHugePages_Total: 0\n")
    assert room.free(torch.device("cpu")) == 520 * 1024


def test_without_meminfo_it_is_all_of_the_machine_or_not_known(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "MEMINFO", tmp_path / "none")
    monkeypatch.setattr(room, "CGROUPS", ())
    monkeypatch.setattr(room.os, "sysconf", {"SC_PHYS_PAGES": 10, "SC_PAGE_SIZE": 4096}.__getitem__)
    assert room.free(torch.device("cpu")) == 40960
    monkeypatch.delattr(room.os, "sysconf")
    assert room.free(torch.device("cpu")) is None


@pytest.mark.parametrize(("limit", "left"), [("10000\n", 4000), ("max\n", 520 * 1024), ("5000\n", 0)])
def test_a_container_gives_what_its_limit_leaves_cached_files_aside(tmp_path, monkeypatch, limit, left):
    for name, text in (("meminfo", "MemAvailable: 520 kB"), ("max", limit), ("stat", "anon 6000\nfile 9000\n")):
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(room, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(room, "CGROUPS", ((tmp_path / "max", tmp_path / "stat", "anon"),))
    assert room.free(torch.device("cpu")) == left


def test_of_other_devices_nothing_is_known():
    assert room.free(torch.device("mps")) is None
    assert room.free(torch.device("meta")) is None


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (9_949_999, "9.9 MB"),
        (9_960_000, "10 MB"),
        (3e12, "3.0 TB"),
    ],
)
def test_sizes_are_said_with_two_digits(size, words):
    assert room.said(size) == words
