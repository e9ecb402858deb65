"""A way of evaluating the pairs against plain loops, on copies: whether all it gives is the same."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mixgan_lightning.mixture import Mixture
from mixgan_lightning.payoff.pairs import Pairs, expectation
from mixgan_lightning.payoff.trees import each, first_rows
from mixgan_lightning.payoff.ways import Way
from mixgan_lightning.sampling import own_stream

TOLERANCE = {torch.float64: 1e-11, torch.float32: 1e-3}  # of the largest value; what is wrong differs by far more
CONTAINERS = (list, dict, set)
PLAIN = (int, float, bool, str, bytes, type(None))  # attributes that are compared by their value
Precision = Callable[[], AbstractContextManager[Any]]
IN_WORDS = {  # of torch's messages that tell little
    "called random operation": "a network draws random numbers (dropout, noise)",
    "support the deepcopy protocol": "the networks cannot be copied for a trial (torch.nn.utils.spectral_norm and "
    "weight_norm; those of torch.nn.utils.parametrizations can be)",
}
FEW = 7  # samples that show how a network treats them
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


@dataclass(frozen=True)
class Outcome:
    """What one step of both players gave: losses, gradients and buffers by name, and the random state it left."""

    tensors: dict[str, Tensor]
    random_state: Tensor


def size_of_comparison(pairs: Pairs) -> int:
    """Bytes that a comparison takes: the gradients of plain loops, a copy and its gradients, all in float64."""
    players = (pairs.generators, pairs.discriminators)
    return 3 * 8 * sum(p.numel() for player in players for p in player.parameters())


class Comparison:
    """Plain loops on a copy of the game, which other ways are compared with; in float64, where the GAN can do that.

    Args:
        pairs: the game; it is not touched.
        batch: what is played.
        precision: the context that the game is played in, such as autocast.
    """

    def __init__(self, pairs: Pairs, batch: Any, precision: Precision = nullcontext) -> None:
        self.pairs, self.batch, self.precision = pairs, batch, precision
        self.peculiar: str | None = None  # what only plain loops are sure to do right
        few = self._few()
        for dtype, played in ((torch.float64, few), (torch.float32, few), (torch.float32, batch)):
            self.dtype, self.played = dtype, played
            try:
                self._reference = self._play(Way())
                return
            except Exception as error:  # a GAN that makes tensors of a dtype of its own, or wants a whole batch
                refused = error
        raise refused

    def _few(self) -> Any:
        """Some rows of the batch, so that the trial takes little time and memory."""
        n = len(self.pairs.gan.images(self.batch))
        few = min(n, max(FEW, self.pairs.smallest_batch + 1))  # not a multiple, if it can be
        return first_rows(self.batch, n, few)

    def why_not(self, way: Way) -> str | None:
        """What goes wrong with a way; None: nothing, it gives the same."""
        if self.peculiar is not None and (way.vectorised or way.joined or way.recompute):
            return self.peculiar
        try:
            reason = self._difference(self._play(way))
            if reason is None:
                with own_stream(self._device, seed=0), self.precision():
                    self._step(*self._copy(way, self.played, dtype=None))
        except Exception as error:
            return in_short(error)
        return reason

    def _difference(self, found: Outcome) -> str | None:
        expected = self._reference.tensors
        if found.tensors.keys() != expected.keys():
            return f"no gradient, or one too many: {min(found.tensors.keys() ^ expected.keys())}"
        for name, tensor in expected.items():
            gap = float((found.tensors[name].double() - tensor.double()).abs().max()) if tensor.numel() else 0.0
            if not gap <= TOLERANCE[self.dtype] * self._scale(tensor):
                return f"{name} would differ by {gap:.2g}"
        if not torch.equal(found.random_state, self._reference.random_state):
            return "it draws random numbers"
        return None

    def _scale(self, tensor: Tensor) -> float:
        """What a difference is small beside; float32 is compared coarsely, so beside the tensor's own values."""
        largest = float(tensor.abs().max()) if tensor.numel() else 0.0
        return max(1.0, largest) if self.dtype == torch.float64 else largest + 1e-7

    def seconds(self, way: Way, steps: int = 5, warm_up: int = 3) -> float:
        """How long one step of both players takes, the median of some."""
        game = self._copy(way, self.batch, dtype=None)
        times = []
        with own_stream(self._device, seed=0), self.precision():
            for _ in range(warm_up + steps):
                start = self._now()
                self._step(*game)
                times.append(self._now() - start)
        return sorted(times[warm_up:])[steps // 2]

    @property
    def _device(self) -> torch.device:
        return self.pairs.gan.like.device

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()

    def _copy(self, way: Way, batch: Any, dtype: torch.dtype | None) -> tuple[Pairs, Any]:
        """The game on copies of its networks, and the batch, in a dtype; None: as they are."""
        networks = self.pairs.gan, self.pairs.generators, self.pairs.discriminators
        gan, generators, discriminators = copy.deepcopy(networks)
        if dtype is not None:
            for network in (gan, generators, discriminators):
                _shake(network.to(dtype))
            batch = each(lambda leaf: leaf.to(dtype) if leaf.is_floating_point() else leaf, batch)
        pairs = Pairs(gan, generators, discriminators, self.pairs.fakes, self.pairs.judges)
        pairs.evaluate(way)
        return pairs, batch

    def _play(self, way: Way) -> Outcome:
        pairs, batch = self._copy(way, self.played, self.dtype)
        networks = {"gan": pairs.gan, "generators": pairs.generators, "discriminators": pairs.discriminators}
        before = {name: _attributes(network) for name, network in networks.items()}
        with own_stream(self._device, seed=0), _no_slow_fallback() if way.vectorised else nullcontext():
            tensors = self._step(pairs, batch)
            state = torch.cuda.get_rng_state(self._device) if self._device.type == "cuda" else torch.get_rng_state()
        for player, network in networks.items():
            if way == Way():
                self.peculiar = self.peculiar or _peculiarity(network, before[player])
            gradients = {n: p.grad for n, p in network.named_parameters() if p.grad is not None}
            tensors |= {f"the gradient of {player}.{n}": gradient for n, gradient in gradients.items()}
            tensors |= {f"the buffer {player}.{n}": buffer for n, buffer in network.named_buffers()}
        return Outcome({name: tensor.detach() for name, tensor in tensors.items()}, state)

    def _step(self, pairs: Pairs, batch: Any) -> dict[str, Tensor]:
        """Both players' pair losses, and their gradients."""
        w_u, w_v = (_uneven(mixture) for mixture in (pairs.generators, pairs.discriminators))
        found: dict[str, Tensor] = {}
        for player, opponent, losses in (
            (pairs.discriminators, pairs.generators, pairs.discriminator_losses),
            (pairs.generators, pairs.discriminators, pairs.generator_losses),
        ):
            frozen = [p for p in opponent.parameters() if p.requires_grad]
            for parameter in frozen:
                parameter.requires_grad_(False)
            player.zero_grad()
            found[losses.__name__] = matrix = losses(batch)
            penalty = pairs.penalty(batch, w_u, w_v) if player is pairs.discriminators else None
            if penalty is not None:
                found["penalty"] = penalty
            value = expectation(w_u, matrix, w_v)
            (value if penalty is None else value + penalty).backward()
            for parameter in frozen:
                parameter.requires_grad_(True)
        return found


@contextmanager
def _no_slow_fallback() -> Iterator[None]:
    """An operation that vmap would carry out network by network raises."""
    from torch._C import _functorch  # private: a torch without it only loses this comparison, and so the other ways

    before = _functorch._is_vmap_fallback_enabled()  # type: ignore[attr-defined]
    _functorch._set_vmap_fallback_enabled(False)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        _functorch._set_vmap_fallback_enabled(before)  # type: ignore[attr-defined]


def in_short(error: Exception) -> str:
    """Its kind and its first sentence; in other words, where we have better ones."""
    for part, words in IN_WORDS.items():
        if part in str(error):
            return words
    line = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {line.partition('. ')[0][:120]}"


@torch.no_grad()
def _shake(network: nn.Module) -> None:
    """Add a tenth of noise, the same each time: zeros and what has converged would hide what goes wrong."""
    stream = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        if parameter.is_floating_point():
            noise = torch.randn(parameter.shape, generator=stream, dtype=parameter.dtype).to(parameter.device)
            parameter.add_(0.1 * (parameter.abs().mean() + 0.01) * noise)


def _uneven(mixture: Mixture) -> Tensor:
    """Weights that differ, so that no two networks can be taken for each other."""
    weights = torch.arange(1, len(mixture) + 1, device=mixture.log_probabilities.device).to(mixture.log_probabilities)
    return weights / weights.sum()


def _attributes(network: nn.Module) -> dict[str, Any]:
    """The attributes of all its modules, and their buffers."""
    found: dict[str, Any] = {}
    for path, module in network.named_modules():
        own = {key: value for key, value in vars(module).items() if key not in ("_parameters", "_modules", "_buffers")}
        found |= {f"{path}.{key}": _kept(value) for key, value in (own | module._buffers).items()}
    return found


def _peculiarity(network: nn.Module, before: dict[str, Any]) -> str | None:
    """What of a network's forward pass must happen once for each network and each of its calls."""
    after = _attributes(network)
    for name in after:
        if name not in before or not _is_same(before[name], after[name]):
            return f"its forward pass sets {name.rpartition('.')[2]}"
    hooked = (path for path, module in network.named_modules() if any(getattr(module, hooks) for hooks in HOOKS))
    return next((f"{path or 'it'} has hooks" for path in hooked), None)


def _kept(value: Any) -> Any:
    """What an attribute is now: of a container, which may be changed in place, its entries."""
    return tuple(value.items() if isinstance(value, dict) else value) if isinstance(value, CONTAINERS) else value


def _is_same(before: Any, after: Any) -> bool:
    if isinstance(before, tuple) and isinstance(after, tuple):
        return len(before) == len(after) and all(map(_is_same, before, after))
    return before is after or (isinstance(before, PLAIN) and before == after)
