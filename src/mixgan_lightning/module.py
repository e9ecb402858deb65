"""MixGANModule: the alternating game of T generators against T discriminators (paper, Section 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mixgan_lightning import checkpoint as checkpoints
from mixgan_lightning import checks, log_names, memory, scalars
from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.gan import GAN
from mixgan_lightning.gan_factory import MakeGAN, spec_of
from mixgan_lightning.mixture import Mixture
from mixgan_lightning.mixture_module import MixtureModule
from mixgan_lightning.optimizers import OwnOptimizer, frozen_opponents, player_optimizers, spare_driver_checks
from mixgan_lightning.options import check_clip, check_not_negative
from mixgan_lightning.own_losses import OwnLosses
from mixgan_lightning.payoff import Choice, Pairs, expectation
from mixgan_lightning.preparation import prepare
from mixgan_lightning.processes import equalise_buffers, part_random_streams
from mixgan_lightning.replay import Replay, ReplayedGAN
from mixgan_lightning.schedule import Schedule, WatchingSchedule, as_schedule
from mixgan_lightning.schedule import spec_of as spec_of_choice
from mixgan_lightning.weighting import Solver, SolvingWeighting, Weighting, as_weighting


class MixGANModule(MixtureModule):
    r"""T generators against T discriminators with learnt mixture weights: MIX+GAN.

    .. math::
        \min_{u, \alpha_u} \max_{v, \alpha_v} w_u^T F w_v, \quad w = \mathrm{softmax}(\alpha)

    and each player also minimises λ · −(1/T) Σ log w of its own weights (Arora et al. 2017, Section 6).

    Build it with ``mix(MyGAN, size=5)``, or subclass it and override ``make_gan``, ``generator_losses`` or
    ``discriminator_losses``.

    Args:
        make_gan: a class or zero-argument function that builds one GAN, its import path, or a config with a
            ``_target_``. It is called T times, for T independent initialisations. What it builds is a ``GAN``, a
            LightningModule as it is, or a module with ``generator_loss(batch)`` and ``discriminator_loss(batch)``.
        size: T, the number of generators; 5 as in the paper's Table 1.
        num_discriminators: default: as many as generators.
        fakes: ``"split"``, the generators share each batch (cost ∝ T; the default); ``"proportional"``, in parts ∝ w_u,
            2 samples at least; or ``"full"``, each draws a whole one (the paper; cost ∝ T²; the only way, and the
            default, for an unmodified GAN and where a loss method is overridden).
        judges: ``"all"``; or, with ``fakes="full"``, ``"one"``: in the generators' step each fake is scored by one
            discriminator, an equal part of each generator's batch by each. The same in the mean, with cost ∝ T.
        evaluation: how the pairs are evaluated, which changes the seconds and not the numbers: ``"loop"``, one network
            after another; ``"concat"``, each on all its batches at once; ``"vectorised"``, all networks of a player at
            once; ``"auto"``, the fastest. Where one would change anything, the next is taken, and a line says why. An
            unmodified GAN is always played pair by pair.
        recompute: less memory for more time: of all networks, the activations of one at a time are kept; they are
            computed again in the backward pass. Not those of penalties.
        compiled: ``torch.compile`` every network; for long trainings, mostly on GPUs.
        entropy_weight: λ; 0.01 (the reference code's 0.1 pins the discriminators' weights to uniform).
        log_probability_lr: learning rate of α; default: the networks'. 0 keeps the weights uniform.
        weighting: who says what the weights are: ``"learned"``, the optimisers (the paper); ``"uniform"``, nobody: 1/T
            for ever; ``"nash"``, every 50 batches the payoff matrix, solved exactly, of a GAN with scores; or an object
            such as ``weighting.Nash(every=20)``.
        n_critic: batches (one discriminator step each) per generator step, or a schedule; default: the GAN's own.
            A ``training_step`` of the user's has its own order.
        gradient_clip: largest gradient norm of each component, clipped apart; default: no clipping.
        players: of an unmodified GAN, "generator" or "discriminator" for each optimiser, in the order of its
            ``configure_optimizers``; default: told by the names of the networks that each holds.
        share: of an unmodified GAN, names of attributes that all T modules share: frozen networks, datasets.

    Attributes:
        generators, discriminators: ``Mixture``; ``.components``, ``.weights``, ``.log_probabilities``.
        gan: the rules of the game.
        played: steps played and images seen.
        pair_losses: (Tu, Tv), of the step played last; None before, and of an unmodified GAN.

    Raises:
        ConfigurationError: for an option out of range.
        GANError: when ``make_gan`` does not build independent GANs.
    """

    def __init__(
        self,
        make_gan: MakeGAN | None = None,
        size: int = 5,
        *,
        num_discriminators: int | None = None,
        fakes: str | None = None,
        judges: str = "all",
        evaluation: str = "auto",
        recompute: bool = False,
        compiled: bool = False,
        entropy_weight: float = 0.01,
        log_probability_lr: float | None = None,
        weighting: str | Weighting | Mapping[str, Any] = "learned",
        n_critic: int | Schedule | Mapping[str, Any] | None = None,
        gradient_clip: float | None = None,
        players: Sequence[str] | None = None,
        share: Sequence[str] = (),
    ) -> None:
        super().__init__(make_gan, size, num_discriminators, players, share)
        self.automatic_optimization = False
        self.entropy_weight = check_not_negative("entropy_weight", entropy_weight)
        self.weighting = as_weighting(weighting)
        self.log_probability_lr = self.weighting.learning_rate(log_probability_lr)
        self.gradient_clip = check_clip(gradient_clip)
        own_losses = OwnLosses(type(self), MixGANModule)
        self._evaluation = Choice(own_losses.evaluation(evaluation), recompute, compiled)
        self.replay: Replay | None = None
        if isinstance(self.gan, ReplayedGAN):
            own_losses.refuse()
            self._evaluation.check_pair_by_pair()
            own_losses.judges(judges, of_pairs=False)
            self.replay = Replay(self, self.gan, fakes, n_critic)
        else:
            self.schedule = self.gan.schedule if n_critic is None else as_schedule(n_critic)
            own_losses.check_schedule(self.schedule)
            self._watching = self.schedule if isinstance(self.schedule, WatchingSchedule) else None
            self.pairs = Pairs(
                self.gan, self.generators, self.discriminators, own_losses.fakes(fakes), own_losses.judges(judges)
            )
            self.pairs.through_autograd = bool(own_losses.names)
        self._solver = Solver(self.weighting) if isinstance(self.weighting, SolvingWeighting) else None
        if self._solver is not None and not self.has_payoff:
            raise ConfigurationError(
                f"weighting={type(self.weighting).__name__} solves the payoff matrix, which an unmodified GAN and "
                "losses of one's own do not have; take weighting=learned or uniform, or let make_gan build a "
                "mixgan_lightning.GAN"
            )
        self._players: tuple[OwnOptimizer, OwnOptimizer] | None = None
        self.pair_losses: Tensor | None = None
        self._first_batch_checked = False
        self.save_hyperparameters(
            {
                "make_gan": None if make_gan is None else spec_of(make_gan),
                "size": size,
                "num_discriminators": num_discriminators,
                "fakes": fakes,
                "judges": judges,
                "evaluation": evaluation,
                "recompute": recompute,
                "compiled": compiled,
                "entropy_weight": entropy_weight,
                "log_probability_lr": log_probability_lr,
                "weighting": spec_of_choice(self.weighting),
                "n_critic": None if n_critic is None else spec_of_choice(as_schedule(n_critic)),
                "gradient_clip": gradient_clip,
                "players": None if players is None else list(players),
                "share": list(share),
            }
        )

    @property
    def has_payoff(self) -> bool:
        """Whether F is known: a GAN's, whose discriminators play the package's pair losses, which are on scores."""
        return self.replay is None and type(self).discriminator_losses is MixGANModule.discriminator_losses

    # ---------------------------------------------------------------------------------------- what to override

    def discriminator_losses(self, batch: Any) -> Tensor:
        """L_ij = what D_j minimises against G_i: (Tu, Tv)."""
        return self.pairs.discriminator_losses(batch)

    def generator_losses(self, batch: Any) -> Tensor:
        """L_ij = what G_i minimises against D_j: (Tu, Tv)."""
        return self.pairs.generator_losses(batch)

    def penalty(self, batch: Any, w_u: Tensor, w_v: Tensor) -> Tensor | None:
        """What the discriminators minimise beside, a scalar or None: here the GAN's penalties, by given weights."""
        return self.pairs.penalty(batch, w_u, w_v)

    # ---------------------------------------------------------------------------------------- the game

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        """One discriminator step, then as many generator steps as the schedule says; or the user's own step."""
        if self.replay is not None:
            return self.replay.training_step(batch, batch_idx)
        w_u, w_v = self.generators.weights.detach(), self.discriminators.weights.detach()  # of the payoff logged
        loss_d, loss_g = self._play_discriminators(batch), None
        for _ in range(self.schedule.generator_steps(self.played)):
            loss_g = self._play_generators(batch)
        if self.is_logging_step:
            found = scalars.losses(loss_d, loss_g) | scalars.payoff(self.pairs, w_u, w_v)
            seen = {log_names.IMAGES_SEEN: float(self.played.images_seen)}
            self.log_dict({**seen, **found}, sync_dist=True)  # schedulers that follow one do the same on all processes
        return None

    def _play_discriminators(self, batch: Any) -> Tensor:
        opponent, optimizer = self._both_optimizers()
        with frozen_opponents(optimizer, [opponent]):
            for discriminator in self.discriminators:
                self.pairs.gan.constrain(discriminator)
            w_u, w_v = self.generators.weights.detach(), self.discriminators.weights
            value = self._value(w_u, self.discriminator_losses(batch), w_v)
            if not self._discriminators_learn(w_u, w_v.detach()):
                return value
            penalty = self.penalty(batch, w_u, w_v.detach())  # detached: α_v must not favour a small penalty
            loss = self._regularised(value, self.discriminators)
            self._descend(optimizer, self.discriminators, loss if penalty is None else loss + penalty)
        self.played.count("discriminator")
        self._step_schedulers("step", self.played.discriminator_steps, 1)
        return value

    def _discriminators_learn(self, w_u: Tensor, w_v: Tensor) -> bool:
        """Whether the schedule lets them make this step; one that watches their loss is told it."""
        if self._watching is None:
            return True
        loss = scalars.adversarial_loss(self.pairs, w_u, w_v)
        self.played.adversarial_loss = float(self.trainer.strategy.reduce(loss, reduce_op="mean"))
        return self._watching.discriminators_learn(self.played)

    def _play_generators(self, batch: Any) -> Tensor:
        optimizer, opponent = self._both_optimizers()
        with frozen_opponents(optimizer, [opponent]):
            w_u, w_v = self.generators.weights, self.discriminators.weights.detach()  # after D's step
            value = self._value(w_u, self.generator_losses(batch), w_v)
            self._descend(optimizer, self.generators, self._regularised(value, self.generators))
        self.played.count("generator")
        self._step_schedulers("step", self.played.generator_steps, 0)
        return value

    def _value(self, w_u: Tensor, losses: Tensor, w_v: Tensor) -> Tensor:
        self.pair_losses = losses.detach()
        return expectation(w_u, losses, w_v)

    def _regularised(self, value: Tensor, player: Mixture) -> Tensor:
        """value + λR of the player's own weights; a player of one has nothing to weigh."""
        return value if len(player) == 1 else value + self.entropy_weight * player.entropy_penalty()

    def _descend(self, optimizer: Any, player: Mixture, loss: Tensor) -> None:
        optimizer.zero_grad()
        self.manual_backward(loss)
        if self.is_logging_step:
            name = "generator" if player is self.generators else "discriminator"
            self.log(log_names.gradient_norm(name), scalars.gradient_norm(player))
        if self.gradient_clip is not None:
            for component in player:
                nn.utils.clip_grad_norm_(component.parameters(), self.gradient_clip)
        optimizer.step()

    def _both_optimizers(self) -> tuple[Any, Any]:
        """The generators' and the discriminators'."""
        return self.optimizers()  # type: ignore[return-value]

    @property
    def is_logging_step(self) -> bool:
        """Whether Lightning hands this batch's values to the loggers: every ``log_every_n_steps`` batches."""
        every = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        return every > 0 and (self.trainer.fit_loop.total_batch_idx + 1) % every == 0

    def configure_optimizers(self) -> Any:
        """The user's optimisers over all components, with α as a parameter group of its own."""
        if self.replay is not None:
            return self.replay.configure_optimizers()
        self._players = player_optimizers(self._gans, self.generators, self.discriminators, self.log_probability_lr)
        return [own.as_lightning() for own in self._players]

    def _step_schedulers(self, interval: str, count: int, *players: int) -> None:
        for player in players if self._players is not None else ():
            own = self._players[player]  # type: ignore[index]
            if own.scheduler is not None:
                own.step_scheduler(interval, count, self.trainer.callback_metrics)

    # ---------------------------------------------------------------------------------------- hooks

    def setup(self, stage: str) -> None:
        """Refuse Trainer settings that cannot work, before the strategy touches the model."""
        if stage == "fit":
            checks.check_trainer(self.trainer)
        if self.replay is not None:
            self.replay.setup(stage)

    def on_fit_start(self) -> None:
        """Refuse data that yield no batch, or one too small, before anything is trained."""
        smallest = 1 if self.replay is not None else self.pairs.smallest_batch
        checks.check_data_loaded(self.trainer, smallest)
        if self.replay is not None:
            self.replay.start()
        elif self.trainer.ckpt_path is None:  # else what was learnt of the data has been loaded
            prepare(self.pairs.gan, self.trainer)
        self._first_batch_checked = False

    def on_train_start(self) -> None:
        """Several processes draw latents of their own."""
        spare_driver_checks()
        part_random_streams(self.device)
        if self._solver is not None:
            self._solver.fixed.read(self)
        if self.replay is not None:
            memory.check_fits(self.trainer, self._evaluation, None, None)  # else with the first batch

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Look at the first batch before the first step; count what is seen."""
        if isinstance(self.gan, GAN):
            is_first, self._first_batch_checked = not self._first_batch_checked, True
            if is_first:
                checks.check_first_batch(self.trainer, self._evaluation, self.pairs, batch)
            if is_first or (batch_idx == 0 and not self._evaluation.holds(self.pairs)):
                self._evaluation.make(self.pairs, batch, self.trainer)
        if self._solver is not None:
            self._solver.before_batch(self, batch)
        self.played.images_seen += len(self.gan.images(batch)) * self.trainer.world_size
        if isinstance(self.gan, ReplayedGAN):
            self.gan.observe(batch)
            return
        if (labels := self.gan.labels(batch)) is not None:
            seen = torch.bincount(labels, minlength=len(self.label_counts))
            self.label_counts += self.trainer.strategy.reduce(seen, reduce_op="sum")  # over all processes

    def on_train_epoch_end(self) -> None:
        """Step the schedulers that go by epochs; the checkpoint holds what all processes made of BatchNorm."""
        equalise_buffers(self)
        self._step_schedulers("epoch", self.trainer.current_epoch + 1, 0, 1)
        if self.replay is not None:
            self.replay.end_epoch()

    def on_fit_end(self) -> None:
        """Networks that were vectorised do not share memory any more: one may be saved alone."""
        if self.replay is None:
            self.pairs.part()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Beside the mixture's own: what the user's modules add."""
        super().on_save_checkpoint(checkpoint)
        checkpoint[checkpoints.KEY]["evaluation"] = self._evaluation.made
        if self.replay is not None:
            checkpoint[checkpoints.KEY]["hosts"] = self.replay.saved(checkpoint)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Check that the checkpoint fits, and go on from it."""
        super().on_load_checkpoint(checkpoint)
        if self._trainer is not None and self._trainer.state.fn == "fit":
            checkpoints.check_weighting(checkpoint["hyper_parameters"], self.hparams)
        self._evaluation.load(checkpoint[checkpoints.KEY].get("evaluation"), self.generators, self.discriminators)
        if self.replay is not None:
            self.replay.load(checkpoint, checkpoint[checkpoints.KEY]["hosts"])
