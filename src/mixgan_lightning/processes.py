"""What the processes of a run must agree on, and what they must not share; alone, all of this is nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import torch
from torch import Tensor, distributed, nn
from torchmetrics.utilities.distributed import gather_all_tensors

from mixgan_lightning.copies import copied
from mixgan_lightning.errors import DataError
from mixgan_lightning.sampling import chunk_seed


class Share(NamedTuple):
    """Which parts of a numbered sequence are this process's: rank, rank + size, rank + 2·size …"""

    rank: int
    size: int


ALL = Share(0, 1)
FAILURE = "mixgan_lightning/failure"  # a key in the group's store
GONE = "another process is gone, without a word (killed, or out of memory?)"
LOST = ("gloo", "NCCL")  # what torch's errors of a lost connection name


def own_share() -> Share:
    """This process among those of its group; ALL without one."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return ALL
    return Share(distributed.get_rank(), distributed.get_world_size())


def everyones(value: Any) -> list[Any]:
    """Each process's value, by rank."""
    every = [value] * own_share().size
    if len(every) > 1:
        distributed.all_gather_object(every, value)
    return every


def part_random_streams(device: torch.device) -> None:
    """Give a process whose random stream another before it has too (both were seeded alike) one of its own.

    Otherwise they would draw the same latents, and n processes would see no more of them than one. Only torch's own
    streams, the CPU's and this device's; where they already differ, and on the first process, nothing changes.
    """
    rank, size = own_share()
    if size == 1:
        return
    cuda = [torch.cuda.default_generators[device.index or 0]] if device.type == "cuda" else []
    for generator in [torch.default_generator, *cuda]:
        own = hashlib.sha256(generator.get_state().numpy().tobytes()).digest()[:16]
        if own in everyones(own)[:rank]:
            generator.manual_seed(chunk_seed(int.from_bytes(own), rank))


def copy_from_first(module: nn.Module) -> None:
    """Give every process the first one's parameters and buffers."""
    if own_share().size == 1:
        return
    for tensor in module.state_dict().values():
        distributed.broadcast(tensor, src=0)


@contextmanager
def together() -> Iterator[None]:
    """What fails on one process inside fails on all of them, instead of leaving the others waiting for it.

    Raises:
        DataError: on the processes where nothing failed, naming one where something did.
    """
    failure: BaseException | None = None
    try:
        yield
    except Exception as error:
        failure = error
    said = everyones(None if failure is None else f"{type(failure).__name__}: {failure}")
    if failure is not None:
        raise failure
    failed = [(rank, what) for rank, what in enumerate(said) if what is not None]
    if failed:
        raise DataError(f"process {failed[0][0]} failed, so none goes on: {failed[0][1]}")


def why_others_failed(error: BaseException, reason: str) -> str | None:
    """Why the connection to another process was lost, if that is what failed here; else the first is told the reason.

    A process that dies takes its connections with it, and the error that the others see does not say why. So one that
    fails leaves the reason in the group's store, which process 0 keeps and looks into.

    Args:
        error: that ends this process.
        reason: of it, in a line.
    """
    rank, size = own_share()
    if size == 1:
        return None
    lost = isinstance(error, RuntimeError) and any(word in str(error) for word in LOST)
    lost = lost or isinstance(error, distributed.DistError)
    if lost and rank:
        return "the connection to another process, which says why, is lost; so none goes on"
    store = distributed.distributed_c10d._get_default_store()
    if not lost:
        with suppress(distributed.DistError):  # process 0 is gone
            store.compare_set(FAILURE, "", f"process {rank} failed: {reason}")
        return None
    said = store.get(FAILURE).decode() if store.check([FAILURE]) else GONE
    return f"{said}; so none goes on"


def agreed(what: str, value: Any) -> Any:
    """What all processes that know a value know: the same on all of them, also on those that had None.

    Raises:
        DataError: on all of them, when two know different values.
    """
    known = everyones(value)
    found = [one for one in known if one is not None]
    if any(one != found[0] for one in found):
        raise DataError(f"expected the same {what} on all processes, got {known}; use one network for all of them")
    return found[0] if found else None


def summed(counts: Tensor) -> Tensor:
    """Counts of every process added up, as long as the longest, (n,); on the device that the group can send from."""
    if own_share().size == 1:
        return counts
    longest = torch.tensor(len(counts), device=counts.device)
    distributed.all_reduce(longest, distributed.ReduceOp.MAX)
    padded = torch.cat([counts, counts.new_zeros(int(longest) - len(counts))])
    distributed.all_reduce(padded)
    return padded


def average_gradients(parameters: Sequence[Tensor]) -> None:
    """The mean over all processes of each gradient, in one message a type, as DDP's.

    A process without a gradient that another has counts as zero; where none has one, there stays none.
    """
    if own_share().size == 1:
        return
    has = torch.tensor([p.grad is not None for p in parameters], dtype=torch.int32, device=parameters[0].device)
    distributed.all_reduce(has, distributed.ReduceOp.MAX)
    wanted = [p for p, any_has in zip(parameters, has.tolist(), strict=True) if any_has]
    for p in wanted:
        p.grad = torch.zeros_like(p) if p.grad is None else p.grad
    gradients = [p.grad for p in wanted if p.grad is not None]
    for dtype in dict.fromkeys(gradient.dtype for gradient in gradients):
        mine = [gradient for gradient in gradients if gradient.dtype == dtype]
        flat = torch.cat([gradient.flatten() for gradient in mine])
        distributed.all_reduce(flat)
        flat /= own_share().size
        for gradient, mean in zip(mine, flat.split([gradient.numel() for gradient in mine]), strict=True):
            gradient.copy_(mean.view_as(gradient))


def gathered_rows(batches: Sequence[tuple[Tensor, Tensor]], device: torch.device) -> Tensor:
    """The rows of all processes on this device, in the order of their index, whatever process held them.

    Args:
        batches: this process's: rows (n, *shape), and the number of each in the whole, (n,). There may be none.
        device: where the rows are, one that the processes' group can send from.
    """
    like = agreed("shape and type", (batches[0][0].shape[1:], batches[0][0].dtype) if batches else None)
    rows = torch.cat([torch.empty(0, *like[0], dtype=like[1], device=device), *(rows for rows, _ in batches)])
    index = torch.cat([torch.empty(0, dtype=torch.int64), *(index for _, index in batches)]).to(device)
    if own_share().size > 1:
        rows, index = torch.cat(gather_all_tensors(rows)), torch.cat(gather_all_tensors(index))
    return rows[index.argsort()]


def with_equal_buffers(module: nn.Module) -> nn.Module:
    """The module, or, where processes disagree on its buffers, a copy with the same ones on each of them.

    BatchNorm's running statistics are of each process's own batches. The copy shares the parameters and holds the
    mean of every floating-point buffer and the largest of every other. Nothing of the module itself changes.
    """
    agreed_on = _agreed_buffers(module)
    if not agreed_on:
        return module
    equal = copied(module, shared=module.parameters())
    _fill(equal, agreed_on)
    return equal


def equalise_buffers(module: nn.Module) -> None:
    """Make the module's own buffers the same on all processes, as ``with_equal_buffers`` does on a copy."""
    _fill(module, _agreed_buffers(module))


def _agreed_buffers(module: nn.Module) -> dict[str, Tensor]:
    """One value for each buffer, where processes disagree on any; else nothing."""
    if own_share().size == 1:
        return {}
    held = {name: torch.stack(gather_all_tensors(buffer.detach())) for name, buffer in module.named_buffers()}
    unequal = {name: values for name, values in held.items() if not torch.equal(values, values[:1].expand_as(values))}
    return {
        name: values.double().mean(0).to(values.dtype) if values.is_floating_point() else values.amax(0)
        for name, values in unequal.items()
    }


def _fill(module: nn.Module, buffers: dict[str, Tensor]) -> None:
    for name, value in buffers.items():
        module.get_buffer(name).copy_(value)
