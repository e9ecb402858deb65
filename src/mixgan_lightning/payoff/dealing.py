"""The start of a step: latents are drawn and dealt out to the generators, which make fakes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor

from mixgan_lightning.gan import GAN
from mixgan_lightning.mixture import Mixture
from mixgan_lightning.payoff.fakes import Fakes, Group
from mixgan_lightning.payoff.hands import Hands
from mixgan_lightning.payoff.rules import needs_batch
from mixgan_lightning.payoff.trees import each
from mixgan_lightning.payoff.ways import Evaluation

WASTE = 2  # groups are filled up where that makes at most so many times the fakes


def deal(gan: GAN, generators: Mixture, fakes: Fakes, evaluation: Evaluation, batch: Any) -> Hands:
    """One draw of latents for the step, shared by the generators or dealt out to them."""
    n = len(gan.images(batch))
    latents, groups = gan.latents(n, batch), fakes.groups(n, generators)

    def generate(first: int, networks: int, dealt: Callable[[Any], Any]) -> Tensor:
        """The fakes of some generators, (networks, samples, …). ``dealt``: what each gets of a tree of (n, …)."""
        calls = partial(evaluation.calls, generators, first=first, n=networks)
        if needs_batch(gan, "generate"):
            return calls(gan.generate, (dealt(latents), dealt(batch)))
        return calls(lambda generator, own: gan.generate(generator, own, batch), (dealt(latents),))

    if evaluation.way.filled and _is_worth_filling(groups, n):
        rows = _filled(tuple(groups), gan.like.device)
        every = generate(0, len(generators), partial(each, lambda leaf: leaf[rows]))
        made = [every[group.first : group.first + group.networks, : group.samples] for group in groups]
    else:
        made = [generate(g.first, g.networks, partial(fakes.deal, group=g)) for g in groups]
    return Hands(fakes, groups, latents, batch, made, gan.fake_batch(latents, batch))


def _is_worth_filling(groups: Sequence[Group], n: int) -> bool:
    networks = sum(group.networks for group in groups)
    return len(groups) > 1 and networks * max(group.samples for group in groups) <= WASTE * n


@lru_cache(maxsize=64)
def _filled(groups: tuple[Group, ...], device: torch.device) -> Tensor:
    """Each network's rows, (networks, most samples); one that has fewer gets its last row again."""
    with torch.inference_mode(False):  # it is kept, for trainings as well
        columns = torch.arange(max(group.samples for group in groups))
        rows = [
            group.start + k * group.samples + columns.clamp(max=group.samples - 1)
            for group in groups
            for k in range(group.networks)
        ]
        return torch.stack(rows).to(device)
