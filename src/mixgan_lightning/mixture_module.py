"""A mixture of GANs as a LightningModule: built, sampled, saved and loaded. How it is trained stands in module.py."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import WeightAveraging
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from mixgan_lightning import checkpoint as checkpoints
from mixgan_lightning import sampling
from mixgan_lightning.errors import CheckpointError, ConfigurationError, GANError
from mixgan_lightning.gan import GAN
from mixgan_lightning.gan_factory import MakeGAN, build, released, resolve
from mixgan_lightning.mixture import Mixture
from mixgan_lightning.options import check_count, check_seed
from mixgan_lightning.replay import ReplayedGAN, Template
from mixgan_lightning.schedule import Played
from mixgan_lightning.trust import check_trusted, tensors_alone


class MixtureModule(pl.LightningModule):
    """Tu generators, Tv discriminators and the rules of their game.

    Args:
        make_gan: a factory of GANs; see ``MixGANModule``.
        size: Tu.
        num_discriminators: Tv; default: Tu.
        players, share: of an unmodified GAN; see ``MixGANModule``.
    """

    def __init__(
        self,
        make_gan: MakeGAN | None,
        size: int,
        num_discriminators: int | None,
        players: Sequence[str] | None = None,
        share: Sequence[str] = (),
    ) -> None:
        super().__init__()
        tu = check_count("size", size)
        tv = tu if num_discriminators is None else check_count("num_discriminators", num_discriminators)
        self._factory = None if make_gan is None else resolve(make_gan)
        built = build(self.make_gan, max(tu, tv))
        self.gan: GAN | ReplayedGAN
        if isinstance(built[0], GAN):
            _check_only_for_replays(players, share)
            self._gans = cast(list[GAN], built)
            generators, discriminators = released(self._gans)
            self.gan = built[0]
            if self.gan.num_classes is not None:  # how often each class was trained on: what sampling draws from
                self.register_buffer("label_counts", torch.zeros(self.gan.num_classes, dtype=torch.int64))
        else:
            self.gan = ReplayedGAN(built, players, share)
            generators, discriminators = self.gan.release()
        self.generators, self.discriminators = Mixture(generators[:tu]), Mixture(discriminators[:tv])
        self._follow_dtype()
        self.played = Played()

    label_counts: Tensor

    def _follow_dtype(self) -> None:
        """α of networks in float64 is in float64, too: nothing is lost between them."""
        for mixture in (self.generators, self.discriminators):
            dtype = next((p.dtype for p in mixture.components.parameters() if p.is_floating_point()), None)
            if dtype == torch.float64:
                mixture.log_probabilities.data = mixture.log_probabilities.data.double()

    def make_gan(self) -> nn.Module:
        """Build one GAN with fresh parameters; called once for each component."""
        if self._factory is None:
            raise GANError("no GAN to mix: pass make_gan, or override make_gan() in a subclass")
        return self._factory()

    @property
    def title(self) -> str:
        """What it is, in words."""
        return f"MIX+ of {len(self.generators)}" if len(self.generators) > 1 else "one GAN"

    def component(self, i: int) -> nn.Module:
        """The user's own generator module, with component i's parameters.

        Raises:
            ConfigurationError: when there is no component i.
        """
        if isinstance(i, bool) or not isinstance(i, int) or not 0 <= i < len(self.generators):
            raise ConfigurationError(f"component: expected 0 … {len(self.generators) - 1}, got {i!r}")
        return self.generators.components[i]

    # ---------------------------------------------------------------------------------------- sampling

    @property
    def sampler(self) -> sampling.Sampler:
        """What draws chunks of samples from the generators as they are now."""
        return sampling.Sampler(self.gan, self.generators, self._label_weights())

    def _label_weights(self) -> Tensor | None:
        if isinstance(self.gan, ReplayedGAN):
            return self.gan.label_weights
        if self.gan.num_classes is None:
            return None
        return self.label_counts if self.label_counts.sum() > 0 else torch.ones_like(self.label_counts)

    def sample(
        self, n: int, *, seed: int | None = None, labels: Any = None, component: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """n samples of the mixture: a generator for each image by w_u, in random order, in eval mode.

        Args:
            n: how many, at least 1.
            seed: the same seed gives the same images, and leaves torch's random streams alone. None: a fresh one is
                drawn from torch's global stream.
            labels: for a conditional GAN: n labels, or one for all; default: drawn as often as seen in training.
            component: draw from this generator alone.

        Returns:
            images (n, *sample shape), images in [−1, 1]; and the index of the generator that made each, (n,).

        Example:
            >>> from mixgan_lightning import GAN, mix
            >>> model = mix(lambda: GAN(nn.Linear(100, 2), nn.Linear(2, 1)), size=3)
            >>> points, component = model.sample(64, seed=0)
            >>> points.shape, component.shape
            (torch.Size([64, 2]), torch.Size([64]))
        """
        check_count("n", n)
        if component is not None:
            self.component(component)
        seed = int(torch.randint(2**62, ()).item()) if seed is None else check_seed(seed)
        given = sampling.check_labels(labels, n, self.gan.num_classes)
        images, components = zip(*self.sampler.chunks(n, seed, given, component), strict=True)
        return torch.cat(images), torch.cat(components)

    def forward(self, latents: Any, labels: Tensor | None = None) -> Tensor:
        """Images of the given latents, a generator for each drawn by w_u from torch's global stream."""
        n = next(len(leaf) for leaf in tree_leaves(latents) if isinstance(leaf, Tensor))
        return self.sampler.generate(latents, labels, self.generators.choose(n).to(self.gan.like.device))

    def predict_step(self, batch: Any, batch_idx: int) -> tuple[Tensor, Tensor]:
        """As many samples as the batch is long (with its labels, where it has some): ``Trainer.predict`` samples."""
        labels = self.gan.labels(batch) if not isinstance(batch, Tensor) else None
        drawn = int(torch.randint(2**32, ()).item())
        seed = (
            sampling.chunk_seed(drawn, self.global_rank) % 2**32
        )  # ranks share the global stream, and must not share images
        return self.sample(len(self.gan.images(batch)), seed=seed, labels=labels)

    # ---------------------------------------------------------------------------------------- checkpoints

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Beside Lightning's entries: the format and what has been played."""
        own = {"version": checkpoints.VERSION, "played": asdict(self.played)}
        if isinstance(self.gan, ReplayedGAN):
            own["batch"] = self.gan.template and self.gan.template.saved()
        checkpoint[checkpoints.KEY] = own

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Check that the checkpoint fits, and go on counting from it."""
        if checkpoints.KEY not in checkpoint:
            raise CheckpointError("this is not a checkpoint of mixgan_lightning")
        checkpoints.check_state(self, checkpoint["state_dict"])
        averaging = self._trainer is not None and any(isinstance(c, WeightAveraging) for c in self._trainer.callbacks)  # type: ignore[attr-defined]
        if self._trainer is not None and checkpoints.holds_averages(checkpoint) and not averaging:
            rank_zero_warn("the run goes on from averaged weights: add the callback that averaged them (callbacks=ema)")
        self.played = Played(**checkpoint[checkpoints.KEY]["played"])
        if isinstance(self.gan, ReplayedGAN):
            self.gan.template = Template.loaded(saved) if (saved := checkpoint[checkpoints.KEY]["batch"]) else None

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]
        cls,
        checkpoint_path: str | Path,
        map_location: Any = None,
        *,
        make_gan: MakeGAN | None = None,
        weights: str | None = None,
        **options: Any,
    ) -> Self:
        """A model from a checkpoint; no code that the file holds is executed.

        Args:
            checkpoint_path: the file.
            map_location: the device to move the model to; default: the CPU.
            make_gan: the factory, where the checkpoint does not know it (a lambda or a local function), or where it
                is not trusted.
            weights: of a run with averaged weights, "ema" (the default) or "raw".
            options: other arguments of the constructor, to override the saved ones.

        Raises:
            CheckpointError: when the file cannot be read, does not know its factory, or holds another architecture.
        """
        contents = checkpoints.read(checkpoint_path)
        saved = dict(contents["hyper_parameters"])
        theirs = make_gan is not None or cls.make_gan is not MixtureModule.make_gan  # the caller's factory
        if not theirs:
            if saved.get("make_gan") is None:
                raise CheckpointError(
                    f"{checkpoint_path} does not say how to build its GAN (it was a lambda, a local function, a class "
                    "of the script itself, or a subclass of MixGANModule); pass make_gan=..., "
                    "or call load_from_checkpoint on your own class"
                )
            check_trusted(saved["make_gan"])
        for choice in ("n_critic", "weighting"):
            if choice not in options:
                check_trusted(saved.get(choice), parts=())
        parameters = inspect.signature(cls.__init__).parameters
        if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
            saved = {key: value for key, value in saved.items() if key in parameters}
        with nullcontext() if theirs else tensors_alone():
            model = cls(**saved | options | ({} if make_gan is None else {"make_gan": make_gan}))
        model.on_load_checkpoint(contents)
        model.load_state_dict(checkpoints.choose(contents, weights)[0])
        return model if map_location is None else model.to(map_location)


def _check_only_for_replays(players: Sequence[str] | None, share: Sequence[str]) -> None:
    for name, value in (("players", players), ("share", share)):
        if value:
            raise ConfigurationError(
                f"{name}: this GAN says itself what its networks are; leave {name} out (it is for LightningModules and "
                "modules with two loss methods)"
            )
