"""The training of an unmodified GAN as a mixture: its hooks and steps, played by every pair."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor

from mixgan_lightning import log_names
from mixgan_lightning.errors import CheckpointError, ConfigurationError
from mixgan_lightning.optimizers import parse
from mixgan_lightning.replay.game import Game
from mixgan_lightning.replay.hosts import lightning_base
from mixgan_lightning.replay.joint import JointOptimizers
from mixgan_lightning.replay.pair import Pair
from mixgan_lightning.replay.replayed_gan import ReplayedGAN
from mixgan_lightning.replay.styles import OptimizerIdx, TwoLosses, call, style_of
from mixgan_lightning.schedule import as_schedule

STEPS = ("validation_step", "test_step")
BATCH_ENDS = ("on_train_batch_end", "on_validation_batch_end", "on_test_batch_end")  # hooks that are told the output
BY_EVERY_PAIR = (
    *STEPS,
    *BATCH_ENDS,
    "on_fit_start",
    "on_fit_end",
    "on_train_start",
    "on_train_end",
    "on_train_epoch_start",
    "on_train_epoch_end",
    "on_train_batch_start",
    *(f"on_{loop}_{when}" for loop in ("validation", "test") for when in ("start", "end", "epoch_start", "epoch_end")),
    "on_validation_batch_start",
    "on_test_batch_start",
    "teardown",
)
BY_THE_FIRST = (  # of the modules: data are the same for all
    "prepare_data",
    "train_dataloader",
    "val_dataloader",
    "test_dataloader",
    "on_before_batch_transfer",
    "transfer_batch_to_device",
    "on_after_batch_transfer",
    "configure_callbacks",
)
LIGHTNING_1 = ("training_epoch_end", "validation_epoch_end", "test_epoch_end", "on_epoch_end", "on_epoch_start")


class Replay:
    """What a mixture of unmodified GANs does in training.

    Args:
        module: the mixture.
        gan: the user's modules.
        fakes, n_critic: as asked for; see ``MixGANModule``.

    Raises:
        ConfigurationError: for options that the user's own step decides.
        GANError: for a module that plays in none of the ways.
    """

    def __init__(self, module: Any, gan: ReplayedGAN, fakes: str | None, n_critic: Any) -> None:
        self.module, self.gan = module, gan
        schedule = as_schedule(1 if n_critic is None else n_critic)
        returned = gan.hosts.configured[0].returned
        gan.style = style_of(gan.hosts[0], schedule, returned)
        _check_options(gan, fakes, n_critic)
        self._attached = False
        self._game: Game | None = None
        self._joint: JointOptimizers | None = None
        kind = type(gan.hosts[0])
        for name in BY_EVERY_PAIR:
            if overrides(kind, name):
                module.__dict__[name] = partial(self.hook, name)
        for name in BY_THE_FIRST:
            if overrides(kind, name):
                module.__dict__[name] = partial(self.first_module, name)
        gone = [name for name in LIGHTNING_1 if callable(getattr(kind, name, None))]
        if gone:
            rank_zero_warn(f"{kind.__name__}.{gone[0]}: Lightning 2 has no such hook, and it is not called")

    def __getstate__(self) -> dict[str, Any]:
        """A copy makes pairs of its own, when it trains."""
        return self.__dict__ | {"_game": None, "_joint": None, "_attached": False}

    # ---------------------------------------------------------------------------------------- the steps

    def configure_optimizers(self) -> Any:
        """The first module's own return value, its optimisers extended to all components."""
        self.gan.hosts.attach(self.module.trainer)
        returned = self.gan.hosts.configure()
        self._joint = JointOptimizers(self.module, self.gan.hosts, self.module.log_probability_lr)
        if self._game is not None:
            self._game.joint = self._joint
        if isinstance(self.gan.style, OptimizerIdx):  # Lightning 2 does not know frequencies, nor steps schedulers
            return self._joint.optimizers
        return returned

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        """Both players' steps, as the user wrote them."""
        play = self.gan.style.play
        if self.module.is_logging_step:
            self.module.log(log_names.IMAGES_SEEN, float(self.module.played.images_seen))
        output = self._kept_by_pairs(lambda pair: play(pair, batch, batch_idx))
        self._step_lightning_1_schedulers("step", self.module.trainer.fit_loop.total_batch_idx + 1)
        return output

    def end_epoch(self) -> None:
        """Step the schedulers, which Lightning 1 did of itself."""
        self._step_lightning_1_schedulers("epoch", self.module.trainer.current_epoch + 1)

    def _step_lightning_1_schedulers(self, interval: str, count: int) -> None:
        configured = self.gan.hosts.configured[0]
        if isinstance(self.gan.style, OptimizerIdx) and configured.schedulers:
            for own in parse(configured.returned):
                own.step_scheduler(interval, count, self.module.trainer.callback_metrics)

    # ---------------------------------------------------------------------------------------- the hooks

    def setup(self, stage: str) -> None:
        """The user's ``setup`` on every module."""
        self._attached = False
        self.gan.hosts.attach(self.module.trainer)
        for k, host in enumerate(self.gan.hosts):
            if overrides(type(host), "setup"):
                with self.gan.hosts.whole(k):
                    call(host.setup, stage)

    def start(self) -> None:
        """Have every pair play under the Trainer at hand."""
        hosts = self.gan.hosts
        if self._game is None:
            sizes = len(self.module.generators), len(self.module.discriminators)
            pairs = [Pair(hosts, i, j) for i in range(sizes[0]) for j in range(sizes[1])]
            self._game = Game(pairs, self._joint or JointOptimizers(self.module, hosts, None), self.module)
            self.gan.living = [pairs[0].view]
        for pair in self._game.pairs:
            pair.attach(self.module.trainer, self.module.played)
        self._attached = True

    @property
    def game(self) -> Game:
        """All pairs; made when first needed, when the networks are where they will be used."""
        if not self._attached:
            self.start()
        assert self._game is not None
        return self._game

    def hook(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """The mixture's own hook, and then the user's, by every pair."""
        own = getattr(type(self.module), name)(self.module, *args, **kwargs)
        if name in STEPS:
            return self._kept_by_pairs(lambda pair: call(getattr(pair.view, name), *args, *kwargs.values()))
        told = name in BATCH_ENDS and len(self.game.pairs) > 1
        first = (lambda pair: (_told(pair.output), *args[1:])) if told else (lambda pair: args)
        output = self.game.play(lambda pair: call(getattr(pair.view, name), *first(pair), *kwargs.values()))
        return own if output is None else output

    def first_module(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """The first module's own, once."""
        with self.gan.hosts.whole(0) as host:
            return getattr(host, name)(*args, **kwargs)

    def _kept_by_pairs(self, function: Callable[[Pair], Any]) -> Any:
        """Play, and have each pair keep what its step returned for the hook at the batch's end."""

        def kept(pair: Pair) -> Any:
            pair.output = function(pair)
            return pair.output

        return self.game.play(kept)

    # ---------------------------------------------------------------------------------------- checkpoints

    def saved(self) -> list[dict[str, Any]]:
        """What each module's own ``on_save_checkpoint`` adds to a checkpoint."""
        return [self._saved_by(k) for k in range(len(self.gan.hosts))]

    def _saved_by(self, k: int) -> dict[str, Any]:
        if not overrides(type(self.gan.hosts[k]), "on_save_checkpoint"):
            return {}
        with self._living(k) as module:
            own = {"state_dict": module.state_dict()}
            module.on_save_checkpoint(own)
        own.pop("state_dict", None)
        _check_plain(own, type(module).__name__)
        return own

    def load(self, saved: list[dict[str, Any]]) -> None:
        """Hand it back."""
        for k, own in enumerate(saved[: len(self.gan.hosts)]):
            if overrides(type(self.gan.hosts[k]), "on_load_checkpoint"):
                with self._living(k) as module:
                    module.on_load_checkpoint({"state_dict": module.state_dict(), **own})

    @contextmanager
    def _living(self, k: int) -> Iterator[Any]:
        """Module k as it is now: that of the pair (k, 0), which has counted on, once there are pairs."""
        own = [] if self._game is None else [pair.view for pair in self._game.pairs if (pair.i, pair.j) == (k, 0)]
        if own:
            yield own[0]
        else:
            with self.gan.hosts.whole(k) as host:
                yield host


def _check_options(gan: ReplayedGAN, fakes: str | None, n_critic: Any) -> None:
    name = type(gan.hosts[0]).__name__
    if fakes not in (None, "full"):
        raise ConfigurationError(
            f"fakes={fakes!r}: {name} draws its fakes itself, a whole batch for each pair (fakes='full'); leave fakes "
            "out (to split a batch the mixture needs networks and an objective: mixgan_lightning.GAN)"
        )
    if n_critic is not None and not isinstance(gan.style, TwoLosses):
        raise ConfigurationError(f"n_critic: {name}.training_step says itself who plays when; leave n_critic out")


def overrides(kind: type, name: str) -> bool:
    """Whether a user's class has a hook of its own."""
    lightning = lightning_base(kind)
    return lightning is not None and getattr(kind, name, None) is not getattr(lightning, name, None)


def _told(output: Any) -> dict[str, Any]:
    """What Lightning tells a hook of what a step returned in manual optimisation."""
    if isinstance(output, Mapping):
        return {key: value.detach() if key == "loss" else value for key, value in output.items()}
    return {"loss": output.detach()} if isinstance(output, Tensor) else {}


def _check_plain(contents: dict[str, Any], name: str) -> None:
    """Only what can be loaded again without running code goes into a checkpoint."""
    buffer = io.BytesIO()
    try:
        torch.save(contents, buffer)
        buffer.seek(0)
        torch.load(buffer, weights_only=True)
    except Exception as error:
        raise CheckpointError(
            f"{name}.on_save_checkpoint adds {', '.join(contents)}: expected tensors and plain values, which can be "
            f"loaded safely ({type(error).__name__})"
        ) from error
