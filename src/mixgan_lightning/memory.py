"""What a training takes of the memory, estimated before its first step; refused where there is less.

    parameters + gradients + optimisers' states + activations kept for a backward pass

Rather too little than too much: what a backward pass, a convolution and the allocator need for a moment, DDP's buckets
and callbacks are not counted. Nor are the activations of unmodified GANs, which would have to be played, of overridden
losses and of compiled networks: there, parameters, gradients and optimisers are all.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils._pytree import tree_leaves

from mixgan_lightning.activations import activations
from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.payoff import Choice, Pairs
from mixgan_lightning.payoff.comparison import size_of_comparison
from mixgan_lightning.room import free, held_by, reclaim, said, size_of


@dataclass(frozen=True)
class Need:
    """What a training takes, in bytes.

    Args:
        parameters: with buffers.
        gradients: of all that the optimisers train.
        optimizers: their states.
        activations: of the larger step; None: not known.
        held: what of the first three is in memory already.
        trial: what comparing ways of evaluating the pairs takes beside the parameters, before the first step.
    """

    parameters: int
    gradients: int
    optimizers: int
    activations: int | None
    held: int
    trial: int = 0

    @property
    def fixed(self) -> int:
        """What it takes whatever the batch."""
        return self.parameters + self.gradients + self.optimizers

    @property
    def total(self) -> int:
        """All that is known."""
        return max(self.fixed + (self.activations or 0), self.parameters + self.trial)

    def __str__(self) -> str:
        parts = [f"{said(self.fixed)} parameters, gradients and optimisers"]
        if self.activations is not None:
            parts.append(f"{said(self.activations)} activations")
        if self.total == self.parameters + self.trial:
            parts.append(f"before it {said(self.trial)} to compare recompute=true with plain loops")
        return f"about {said(self.total)} ({', '.join(parts)})"


def need(model: nn.Module, optimizers: Sequence[Optimizer], activations: int | None, trial: int = 0) -> Need:
    """The need of a model under its optimisers."""
    trained = {p for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]}
    states = [t for optimizer in optimizers for state in optimizer.state.values() for t in tree_leaves(state)]
    here = [*held_by(model), *(p.grad for p in trained if p.grad is not None)]
    return Need(
        parameters=size_of(held_by(model)),
        gradients=sum(p.nbytes for p in trained if p.requires_grad),
        optimizers=sum(map(size_of_states, optimizers)),
        activations=activations,
        held=size_of([*here, *(t for t in states if isinstance(t, Tensor))]),
        trial=trial,
    )


# ------------------------------------------------------------------------------------------------ optimisers


def size_of_states(optimizer: Optimizer) -> int:
    """Bytes that an optimiser keeps of its parameters: what is there, and of the others what its first step makes.

    Told by a step of its class on tensors without data, one for each shape: any optimiser, and nothing is allocated.
    One that cannot take that step counts as what it has made until then.
    """
    there = [t for state in optimizer.state.values() for t in tree_leaves(state) if isinstance(t, Tensor)]
    found = size_of(there)
    for group in optimizer.param_groups:
        new = (p for p in group["params"] if p.requires_grad and not optimizer.state.get(p))
        kinds = Counter((tuple(p.shape), p.dtype) for p in new)
        states = _first_states(optimizer, group, list(kinds))
        for kind, state in zip(kinds, states, strict=True):
            found += kinds[kind] * sum(t.nbytes for t in tree_leaves(state) if isinstance(t, Tensor))
    return found


def _first_states(optimizer: Optimizer, group: dict[str, Any], kinds: Sequence[tuple[Any, torch.dtype]]) -> list[Any]:
    """What one step makes of parameters of these shapes and dtypes."""
    stand_ins = [nn.Parameter(torch.empty(shape, dtype=dtype, device="meta")) for shape, dtype in kinds]
    for stand_in in stand_ins:
        stand_in.grad = torch.empty_like(stand_in)
    twin = type(optimizer).__new__(type(optimizer))
    plain = {name: False for name in ("fused", "foreach", "capturable") if group.get(name)}  # kernels that want data
    groups = [{**group, **plain, "params": stand_ins}]
    with suppress(Exception):  # a step that looks at values; most make their states before
        twin.__setstate__({"defaults": optimizer.defaults, "state": defaultdict(dict), "param_groups": groups})
        type(optimizer).step(twin)
    return [twin.state.get(stand_in) for stand_in in stand_ins]


# ------------------------------------------------------------------------------------------------ the check


def check_fits(trainer: pl.Trainer, choice: Choice, pairs: Pairs | None, batch: Any) -> None:
    """Whether a training fits; a warning where it takes more than half of what there is. Changes nothing.

    Args:
        trainer: about to train.
        choice: how the pairs will be evaluated.
        pairs: the game; None: its activations are not known.
        batch: the first one.

    Raises:
        ConfigurationError: with the estimate, what there is, and what takes less.
    """
    precision, kept = trainer.strategy.precision_plugin.train_step_context, None
    if pairs is not None and not choice.compiled:
        with suppress(Exception):  # networks that cannot be copied, or called: the next check says what is wrong
            kept = activations(pairs, batch, precision, choice.recompute)
    trial = size_of_comparison(pairs) if pairs is not None and choice.recompute else 0
    found = need(trainer.lightning_module, trainer.optimizers, kept, trial)
    device = trainer.strategy.root_device
    left = free(device)
    if left is None or 2 * found.total <= left + found.held:
        return
    reclaim()  # what an earlier training of this process has left
    room, where = (free(device) or 0) + found.held, "GPU" if device.type == "cuda" else "machine"
    if found.total > room:
        mend = _less(found, room, pairs, choice)
        raise ConfigurationError(f"a step would need {found}, and this {where} has {said(room)} left; use {mend}")
    if 2 * found.total > room:
        rank_zero_warn(f"a step will need {found}, of {said(room)} that this {where} has left")


def _less(found: Need, room: int, pairs: Pairs | None, choice: Choice) -> str:
    """What takes less memory."""
    if pairs is None or found.fixed > room:
        return "a smaller mixture.size or smaller networks"
    if found.parameters + found.trial > room:
        return "recompute=false, or a smaller mixture.size"
    several = max(len(pairs.generators), len(pairs.discriminators)) > 1
    ways = [f"a smaller batch_size or {'mixture.size' if several else 'smaller networks'}"]
    if pairs.fakes.name == "full" and several:
        ways.append("fakes='split'")
    if not (choice.recompute or choice.compiled):
        ways.append("recompute=true")
    return ways[0] if len(ways) == 1 else f"{', '.join(ways[:-1])}, or {ways[-1]}"
