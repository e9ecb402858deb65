"""The training of an unmodified GAN as a mixture: its hooks and steps, played by every pair."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor, nn

from mixgan_lightning import log_names
from mixgan_lightning.replay import saving
from mixgan_lightning.replay.game import Game
from mixgan_lightning.replay.joint import JointOptimizers
from mixgan_lightning.replay.pair import Pair
from mixgan_lightning.replay.replayed_gan import ReplayedGAN
from mixgan_lightning.replay.styles import call, check_options, overrides, style_of
from mixgan_lightning.schedule import as_schedule

STEPS = ("validation_step", "test_step")
BATCH_ENDS = ("on_train_batch_end", "on_validation_batch_end", "on_test_batch_end")  # hooks that are told the output
BY_EVERY_PAIR = (
    *STEPS,
    *BATCH_ENDS,
    *("on_fit_start", "on_fit_end"),
    *(f"on_train_{when}" for when in ("start", "end", "epoch_start", "epoch_end", "batch_start")),
    *(
        f"on_{loop}_{when}"
        for loop in ("validation", "test")
        for when in ("start", "end", "epoch_start", "epoch_end", "batch_start", "model_eval", "model_train")
    ),
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
        self._kind = kind = type(gan.hosts[0])
        schedule = as_schedule(1 if n_critic is None else n_critic)
        gan.style = style_of(gan.hosts[0], schedule, gan.hosts.configured[0].returned)
        check_options(gan.style, self._kind.__name__, fakes, n_critic)
        self._attached = False
        self._game: Game | None = None
        self._joint: JointOptimizers | None = None
        for names, played in ((BY_EVERY_PAIR, self.hook), (BY_THE_FIRST, self.first_module)):
            module.__dict__.update({name: partial(played, name) for name in names if overrides(kind, name)})
        module.__dict__["teardown"] = self.teardown
        module.__dict__["on_validation_model_zero_grad"] = self.zero_grad
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
        if self.gan.style.steps_schedulers:  # Lightning saves them, and does not know Lightning 1's frequencies
            return [own.as_lightning() for own in self.gan.hosts.configured[0].owns]
        return returned

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        """Both players' steps, as the user wrote them."""
        play = self.gan.style.play
        if self.module.is_logging_step:
            self.module.log(log_names.IMAGES_SEEN, float(self.module.played.images_seen))
        output = self._kept_by_pairs("training_step", lambda pair: play(pair, batch, batch_idx), batch_idx)
        self._step_schedulers("step", self.module.trainer.fit_loop.total_batch_idx + 1)
        return output

    def end_epoch(self) -> None:
        """Step the schedulers of modules that leave it to others; say it where a player has not moved."""
        played = self.module.played
        for player, steps in (("generator", played.generator_steps), ("discriminator", played.discriminator_steps)):
            if not steps:
                rank_zero_warn(
                    f"after an epoch the {player}'s optimiser has made no step: does the training_step call it?"
                )
        self._step_schedulers("epoch", self.module.trainer.current_epoch + 1)

    def _step_schedulers(self, interval: str, count: int) -> None:
        configured = self.gan.hosts.configured[0]
        if self.gan.style.steps_schedulers and configured.schedulers:
            for own in configured.owns:
                own.step_scheduler(interval, count, self.module.trainer.callback_metrics)

    # ---------------------------------------------------------------------------------------- the hooks

    def setup(self, stage: str) -> None:
        """The user's ``setup`` on every module."""
        self._attached = False
        self.gan.hosts.attach(self.module.trainer)
        for pair in self._pairs():
            pair.meet(self.module.trainer)
        for k, host in enumerate(self.gan.hosts):
            if overrides(type(host), "setup"):
                with self.gan.hosts.whole(k), _handing_on(host, self._views(k)):
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
        self.module.zero_grad()  # the mixture's own parameters have none but while they step
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
            step = partial(_called, name, args=args, kwargs=kwargs)
            return self._kept_by_pairs(name, step, sum(args[1:]))  # 0 for the first batch of the first dataloader
        told = name in BATCH_ENDS and len(self.game.pairs) > 1
        output = self.game.play(
            lambda pair: _called(name, pair, args=(pair.output, *args[1:]) if told else args, kwargs=kwargs)
        )
        return own if output is None else output

    def first_module(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """The first module's own, once; what it sets, all have."""
        others = list(self.gan.hosts)[1:] + [pair.view for pair in self._pairs()[1:]]
        with self._living(0) as module, _handing_on(module, others):
            return getattr(module, name)(*args, **kwargs)

    def teardown(self, stage: str) -> None:
        """The user's, and then let go of what training needed."""
        if overrides(self._kind, "teardown"):
            self.hook("teardown", stage)
        for pair in self._pairs():
            pair.rest()
        self._attached = False

    def zero_grad(self) -> None:
        """Before an evaluation Lightning clears the gradients, and so does every pair."""
        for pair in self._pairs():
            getattr(pair.view, "on_validation_model_zero_grad", pair.view.zero_grad)()

    def _kept_by_pairs(self, name: str, function: Callable[[Pair], Any], batch_idx: int) -> Any:
        """Play, and have each pair keep what its step returned for the hook at the batch's end."""

        def kept(pair: Pair) -> Any:
            output = function(pair)
            pair.output = _told(output)
            return output

        if batch_idx == 0:
            self.game.reset_metrics(name)
        return self.game.play(kept)

    # ---------------------------------------------------------------------------------------- checkpoints

    def saved(self, checkpoint: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What each module's own ``on_save_checkpoint`` adds to a checkpoint."""
        if not overrides(self._kind, "on_save_checkpoint"):
            return []
        added = []
        for k in range(len(self.gan.hosts)):
            with self._living(k) as module:
                added.append(saving.added_by(module, checkpoint))
        return added

    def load(self, checkpoint: Mapping[str, Any], added: list[dict[str, Any]]) -> None:
        """Hand it back, to the modules and to those of pairs that there are already."""
        if not overrides(self._kind, "on_load_checkpoint"):
            return
        for k, own in enumerate((added or [{} for _ in self.gan.hosts])[: len(self.gan.hosts)]):
            with self.gan.hosts.whole(k) as host:
                saving.load_into(host, checkpoint, own)
            for view in self._views(k):
                saving.load_into(view, checkpoint, own)

    def _pairs(self) -> list[Pair]:
        """Those that there are."""
        return [] if self._game is None else list(self._game.pairs)

    def _views(self, k: int) -> list[nn.Module]:
        """The copies of module k."""
        return [pair.view for pair in self._pairs() if pair.i == k]

    @contextmanager
    def _living(self, k: int) -> Iterator[Any]:
        """Module k as it is now: that of the pair (k, 0), which has counted on, once there are pairs."""
        views = self._views(k)
        if views:
            yield views[0]
        else:
            with self.gan.hosts.whole(k) as host:
                yield host


def _called(name: str, pair: Pair, *, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    return call(getattr(pair.view, name), *args, *kwargs.values())


def _told(output: Any) -> Any:
    """What Lightning tells a hook of what a step returned in manual optimisation."""
    if isinstance(output, Mapping):
        return {key: value.detach() if key == "loss" else value for key, value in output.items()}
    return {"loss": output.detach()} if isinstance(output, Tensor) else {}


@contextmanager
def _handing_on(module: nn.Module, others: list[nn.Module]) -> Iterator[None]:
    """Have other modules hold, too, what this one's hook sets inside."""
    before = dict(vars(module))
    yield
    changed = {name: value for name, value in vars(module).items() if value is not before.get(name)}
    for other in others:
        other.__dict__.update({name: value for name, value in changed.items() if name != "_current_fx_name"})
