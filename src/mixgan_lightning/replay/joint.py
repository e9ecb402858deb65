"""The real optimisers: the first module's own, extended to all components, stepped with the gradients of all pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from mixgan_lightning import log_names, scalars
from mixgan_lightning.errors import GANError
from mixgan_lightning.mixture import Mixture
from mixgan_lightning.optimizers import (
    add_log_probabilities,
    hold_together,
    scale_log_probabilities,
    without_log_probabilities,
)
from mixgan_lightning.payoff import expectation
from mixgan_lightning.processes import average_gradients
from mixgan_lightning.replay.hosts import Hosts
from mixgan_lightning.replay.losses import Loss
from mixgan_lightning.replay.pair import Pair
from mixgan_lightning.replay.players import PLAYERS


class JointOptimizers:
    """The mixture's optimisers, in the order of the user's ``configure_optimizers``.

    α of a player is a parameter group of its *last* optimiser, and learns from all losses that the player's optimisers
    have stepped on since α's last step.

    Args:
        module: the mixture.
        hosts: the user's modules; the first one's optimisers are extended in place.
        log_probability_lr: lr of α; None: the networks'.
    """

    def __init__(self, module: Any, hosts: Hosts, log_probability_lr: float | None) -> None:
        self.module, self.hosts = module, hosts
        self.optimizers = hosts.configured[0].optimizers
        self.alpha_of = {hosts.casting.optimizers_of(player)[-1]: player for player in PLAYERS}
        self._pending: dict[str, list[dict[int, Loss]]] = {}
        for k, player in enumerate(hosts.casting.players):
            mixture = self.mixture(player)
            hold_together(self.optimizers[k], [host.groups[k] for host in hosts.configured[: len(mixture)]])
            if k in self.alpha_of:
                add_log_probabilities(self.optimizers[k], mixture, log_probability_lr)

    def mixture(self, player: str) -> Mixture:
        """The components of a player."""
        return self.module.generators if player == PLAYERS[0] else self.module.discriminators

    def follow(self) -> None:
        """α keeps its proportion to the networks' learning rate."""
        for k in self.alpha_of:
            scale_log_probabilities(self.optimizers[k])

    def step_scheduler(self, index: int, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        """A scheduler's step; it does not know the group of α."""
        scheduler = self.hosts.configured[0].schedulers[index]["scheduler"]
        with without_log_probabilities(scheduler.optimizer):
            scheduler.step(*arguments, **options)

    def step(self, index: int, pairs: Sequence[Pair], *, counted: bool) -> None:
        """Step on Σ_ij w_ui w_vj ∇L_ij, and α on the gradient of w_uᵀ L w_v + λR(w), the opponent's weights fixed."""
        player = self.hosts.casting.players[index]
        self._hear(player, index, pairs)
        stepped = [p for group in self.optimizers[index].param_groups for p in group["params"]]
        _refuse_gradients(stepped)
        w_u, w_v = self.module.generators.weights.detach(), self.module.discriminators.weights.detach()
        _add_gradients(index, pairs, torch.outer(w_u, w_v).flatten().tolist())
        loss = self._learn_weights(player, pairs) if index in self.alpha_of else None
        average_gradients(stepped)
        self._before_step(player, loss)
        if counted:
            self.module.optimizers()[index].step()
        else:
            self.optimizers[index].step()
        for parameter in stepped:
            parameter.grad = None
        if loss is not None:
            self.module.played.count(player)

    def _hear(self, player: str, index: int, pairs: Sequence[Pair]) -> None:
        """Note the losses that this step uses, for α.

        Raises:
            GANError: for gradients without a loss, and for a loss that both players step on.
        """
        pending = self._pending.setdefault(player, [{} for _ in pairs])
        for pair, losses in zip(pairs, pending, strict=True):
            held = pair.optimizers[index].losses
            present = held.present()
            if not present and held.any_gradient():
                raise GANError(
                    f"optimiser {index} ({player}) steps on gradients that no backward() has made (set by hand, or by "
                    "autograd.grad): the log-probabilities would have no loss to learn from; call backward() on a loss"
                )
            for loss in present:
                loss.players.add(player)
                if len(loss.players) > 1:
                    raise GANError(
                        f"a loss serves both players: its backward() left gradients that the {player}'s step would use "
                        f"too; call the {player}'s zero_grad() before its own backward(), or give each player a loss"
                    )
                if not loss.is_learnt:  # else α has learnt from it at a step of another optimiser
                    losses[id(loss)] = loss

    def _learn_weights(self, player: str, pairs: Sequence[Pair]) -> Tensor | None:
        """Set the gradient of a player's α; returns w_uᵀ L w_v, or None where there was no loss."""
        pending = self._pending.pop(player)
        if not any(pending):
            return None
        for loss in (loss for losses in pending for loss in losses.values()):
            loss.is_learnt = True
        own = self.mixture(player)
        alpha = own.log_probabilities
        sums = [sum((loss.value.to(alpha) for loss in losses.values()), alpha.new_zeros(())) for losses in pending]
        matrix = torch.stack(sums).reshape(len(self.module.generators), -1)
        with torch.enable_grad():
            w_u, w_v = self.module.generators.weights, self.module.discriminators.weights
            if player == PLAYERS[0]:
                value = expectation(w_u, matrix, w_v.detach())
            else:
                value = expectation(w_u.detach(), matrix, w_v)
            objective = value + self.module.entropy_weight * own.entropy_penalty()
            (alpha.grad,) = torch.autograd.grad(objective, [alpha])
        return value.detach()

    def _before_step(self, player: str, loss: Tensor | None) -> None:
        module, mixture = self.module, self.mixture(player)
        if module.is_logging_step:
            module.log(log_names.gradient_norm(player), scalars.gradient_norm(mixture))
            if loss is not None:
                name = log_names.GENERATOR_LOSS if player == PLAYERS[0] else log_names.DISCRIMINATOR_LOSS
                module.log(name, loss, sync_dist=True)
        if module.gradient_clip is not None:
            for component in mixture:
                nn.utils.clip_grad_norm_(component.parameters(), module.gradient_clip)


def _refuse_gradients(parameters: Sequence[Parameter]) -> None:
    """Gradients that went past the pairs.

    Raises:
        GANError: where there are any.
    """
    if any(p.grad is not None for p in parameters):
        raise GANError(
            "a backward() reached the mixture's own parameters rather than a pair's: something in the module, such as "
            "a lambda, holds the networks themselves; make it a method"
        )


@torch.no_grad()
def _add_gradients(index: int, pairs: Sequence[Pair], weights: Sequence[float]) -> None:
    """Σ w_ij ∇L_ij into the mixture's parameters."""
    summed: dict[int, tuple[Parameter, Tensor]] = {}
    for pair, weight in zip(pairs, weights, strict=True):
        for own in pair.optimizers[index].losses.parameters:
            if own.grad is None:
                continue
            real = pair.real_of[id(own)]
            if id(real) not in summed:
                summed[id(real)] = (real, own.grad if weight == 1 else own.grad * weight)
            elif own.grad.is_sparse:
                summed[id(real)] = (real, summed[id(real)][1] + own.grad * weight)
            else:
                summed[id(real)][1].add_(own.grad, alpha=weight)
    for real, gradient in summed.values():
        real.grad = gradient
