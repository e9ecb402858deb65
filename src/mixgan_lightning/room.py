"""How much memory there is, and how much tensors take."""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

MEMINFO = Path("/proc/meminfo")
CGROUPS = (  # (limit, what is used, and its line for what cannot be given back): version 2, version 1
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.stat"), "anon"),
    (Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"), Path("/sys/fs/cgroup/memory/memory.stat"), "total_rss"),
)
UNITS = (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3))


def size_of(tensors: Iterable[Tensor]) -> int:
    """Bytes of the tensors' memory; what several share, once. Without data (lazy, meta, sparse) they count nothing."""
    dense = (t for t in tensors if not is_lazy(t) and t.layout is torch.strided and t.device.type != "meta")
    storages = {storage._cdata: storage.nbytes() for storage in (tensor.untyped_storage() for tensor in dense)}
    return sum(storages.values())


def held_by(network: nn.Module) -> Iterator[Tensor]:
    """Its parameters and buffers."""
    yield from network.parameters()
    yield from network.buffers()


def free(device: torch.device) -> int | None:
    """Bytes that can still be had on a device, those of swapping included; None: not known."""
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + cached
    known = [found for found in (_of_machine(), *_of_containers()) if found is not None]
    return min(known) if known and device.type == "cpu" else None


def reclaim() -> None:
    """Give the machine back what Python and its allocator keep of what is not used any more."""
    gc.collect()
    with suppress(OSError, AttributeError, TypeError):  # the GNU C library's, where it is that
        ctypes.CDLL(None).malloc_trim(0)


def _of_machine() -> int | None:
    if MEMINFO.exists():
        lines = (line.split() for line in MEMINFO.read_text().splitlines())
        kib = {line[0].rstrip(":"): int(line[1]) for line in lines}
        if "MemAvailable" in kib:
            return 1024 * (kib["MemAvailable"] + kib.get("SwapFree", 0))
    try:  # macOS: all that the machine has
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _of_containers() -> Iterator[int | None]:
    """What the limit of a container leaves; files that are only cached would make room."""
    for limit, stat, line in CGROUPS:
        try:
            used = dict(row.split() for row in stat.read_text().splitlines())
            yield max(int(limit.read_text()) - int(used[line]), 0)
        except (OSError, ValueError, KeyError):  # no such limit ("max")
            yield None


def said(size: int) -> str:
    """Bytes in words, with two digits.

    Example:
        >>> said(41_234_567_890), said(1_640_000_000), said(345_000_000), said(12)
        ('41 GB', '1.6 GB', '345 MB', '12 bytes')
    """
    for unit, one in UNITS:
        if size >= one:
            return f"{size / one:.1f} {unit}" if size < 9.95 * one else f"{size / one:.0f} {unit}"
    return f"{size} bytes"
