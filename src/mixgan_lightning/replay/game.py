"""The game of an unmodified GAN: every pair runs the user's own step, and at each optimiser's step they step as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from mixgan_lightning.errors import GANError
from mixgan_lightning.replay import buffers
from mixgan_lightning.replay.joint import JointOptimizers
from mixgan_lightning.replay.logs import log_once, mean_output
from mixgan_lightning.replay.losses import heard
from mixgan_lightning.replay.pair import Pair, Pause, Run
from mixgan_lightning.replay.streams import Modes, Streams, other_streams, set_other_streams
from mixgan_lightning.replay.writes import Writes, relink, settle_settings

Function = Callable[[Pair], Any]


class Game:
    """All pairs of a mixture's generators and discriminators.

    Args:
        pairs: (0, 0), (0, 1) … (Tu − 1, Tv − 1).
        joint: the real optimisers.
        module: the mixture: weights, and where the pairs' values are logged.
    """

    def __init__(self, pairs: Sequence[Pair], joint: JointOptimizers, module: Any) -> None:
        self.pairs, self.joint, self.module = pairs, joint, module
        self._current = pairs[0]
        self._metrics: dict[str, dict[int, Metric]] = {}  # by the hook that logged them, and id
        self._training = module.training
        self._modes: list[tuple[nn.Module, bool]] = []  # while evaluating: each module's own, to be restored

    def play(self, function: Function) -> Any:
        """Run a function on every pair, from joint step to joint step; returns what the pairs returned, averaged."""
        device = self.pairs[0].hosts.device
        w_u, w_v = self.module.generators.weights.detach(), self.module.discriminators.weights.detach()
        weights = torch.outer(w_u, w_v).flatten()
        buffers.hand_out(self.pairs)
        self._follow()
        self._follow_mode()
        modes = Modes.now(device)
        runs = [Run(pair, function, modes) for pair in self.pairs]
        try:
            with heard(lambda *call: self._current.listen(*call)):
                while (pause := self._advance(runs, w_u)).kind != "end":
                    modes.enter()
                    self._log_once(weights)
                    self._play_joint(pause, runs, weights)
        finally:
            for run in runs:
                run.abandon()
            modes.enter()
        buffers.take_back(self.pairs, w_u)
        self._log_once(weights)
        return mean_output([run.pause.arguments[0] for run in runs if run.pause is not None], weights)

    def reset_metrics(self, step: str) -> None:
        """Reset the torchmetrics objects that other pairs logged in a step: Lightning resets the first pair's."""
        for metric in self._metrics.pop(step, {}).values():
            metric.reset()

    def _log_once(self, weights: Tensor) -> None:
        for metric in log_once(self.module, self.pairs, weights):
            self._metrics.setdefault(str(self.module._current_fx_name), {})[id(metric)] = metric

    def _advance(self, runs: Sequence[Run], w_u: Tensor) -> Pause:
        """Run every pair up to its next pause, each from the same random state and the same values."""
        if len(runs) == 1:
            self._go_on(runs[0])
            relink(self.pairs[0].parameters)
        else:
            self._go_on_alike(runs, w_u)
        settle_settings(self.pairs)
        return self._agreed(runs)

    def _go_on_alike(self, runs: Sequence[Run], w_u: Tensor) -> None:
        first, *others = runs
        writes, device = Writes(self.pairs), self.pairs[0].hosts.device
        start, others_start = Streams.now(device), other_streams()
        self._go_on(first)
        writes.ran(first.pair)
        end, others_end = Streams.now(device), other_streams()
        drawn = others_start != others_end
        for run in others:
            start.enter()
            if drawn:
                set_other_streams(others_start)
            self._go_on(run)
            writes.ran(run.pair)
            if not Streams.now(device).same(end):
                where = f"pair ({run.pair.i}, {run.pair.j})"
                raise GANError(f"pairs branch differently: {where} draws other random numbers than (0, 0): {BRANCHES}")
        if other_streams() != others_end:
            raise GANError(f"pairs branch differently: they draw unlike from numpy's or Python's stream: {BRANCHES}")
        writes.settle(w_u)

    def _go_on(self, run: Run) -> Pause:
        self._current = run.pair
        return run.go_on()

    def _agreed(self, runs: Sequence[Run]) -> Pause:
        """Where all pairs wait.

        Raises:
            GANError: where they wait for different things.
        """
        pause = runs[0].pause
        assert pause is not None
        for run in runs[1:]:
            assert run.pause is not None
            if not run.pause.same_place(pause):
                other = f"pair ({run.pair.i}, {run.pair.j}) {run.pause}"
                raise GANError(f"pairs branch differently: pair (0, 0) {pause}, while {other}: {BRANCHES}")
        return pause

    def _play_joint(self, pause: Pause, runs: Sequence[Run], weights: Tensor) -> None:
        if pause.kind == "optimizer":
            self.joint.step(pause.what, self.pairs, counted=pause.counted)
        else:
            calls = [(run.pause.arguments, dict(run.pause.options)) for run in runs if run.pause is not None]
            arguments, options = mean_output(calls, weights)
            self.joint.step_scheduler(pause.what, arguments, options)
        self._follow()

    def _follow(self) -> None:
        """Every pair sees the real optimisers' hyper-parameters."""
        self.joint.follow()
        for pair in self.pairs:
            for optimizer in pair.optimizers:
                optimizer.follow()

    def _follow_mode(self) -> None:
        """Evaluate where Lightning has set the mixture to, and train again as every module did before."""
        if self.module.training == self._training:
            return
        self._training = self.module.training
        if self._training:
            for part, mode in self._modes or self._real_modes():
                part.training = mode
        else:
            self._modes = [(part, part.training) for pair in self.pairs for part in pair.view.modules()]
            for pair in self.pairs:
                pair.view.eval()

    def _real_modes(self) -> Iterator[tuple[nn.Module, bool]]:
        """For pairs that were made while evaluating: the modes of the modules that they are copies of."""
        for pair in self.pairs:
            with pair.hosts.whole(pair.i) as host:
                modes = {name: part.training for name, part in host.named_modules()}
            yield from ((part, modes[name]) for name, part in pair.view.named_modules() if name in modes)


BRANCHES = (
    "a mixture needs every pair to take the same steps; let what the step does depend on the batch, on counters and on "
    "joint values, not on the pair's own losses"
)
