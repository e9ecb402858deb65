"""The zoo: GANs as users write them, tiny; each with its data, its players and what ``mix`` needs to be told."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import zoo_classic as classic
import zoo_hooks as hooks
import zoo_layers as layers
import zoo_lightning1 as lightning1
import zoo_players as players
import zoo_training as training
import zoo_wasserstein as wasserstein
from zoo_networks import labelled, two_domains, unlabelled, with_noise


@dataclass(frozen=True)
class Entry:
    """A user's GAN.

    Attributes:
        make: builds one.
        generator, discriminator: where the networks of each player are.
        data: makes the DataLoader; None: the module has its own.
        options: what ``mix`` is told besides the size.
        plain: builds the same GAN for plain ``pl.Trainer``; default: as it is.
        validates: whether it is given validation data.
    """

    make: Callable[[], Any]
    generator: tuple[str, ...] = ("generator",)
    discriminator: tuple[str, ...] = ("discriminator",)
    data: Callable[[], Any] | None = labelled
    options: dict[str, Any] = field(default_factory=dict)
    plain: Callable[[], Any] | None = None
    validates: bool = False


g_first, three = ("generator", "discriminator"), ("generator", "generator", "discriminator")

ZOO = {
    "docs": Entry(classic.DocsGAN),
    "toggled": Entry(classic.ToggledGAN, ("G",), ("D",)),
    "direct backward": Entry(classic.DirectBackwardGAN, ("netG",), ("netD",), unlabelled),
    "shared fakes": Entry(classic.SharedFakesGAN, ("gen",), ("disc",)),
    "retained graph": Entry(classic.RetainedGraphGAN),
    "conditional": Entry(classic.ConditionalGAN),
    "noise in the batch": Entry(classic.NoiseInBatchGAN, data=with_noise),
    "clipped weights": Entry(wasserstein.ClippedWGAN),
    "gradient penalty": Entry(wasserstein.WGANGP, ("netG",), ("netD",)),
    "inner critic loop": Entry(wasserstein.InnerCriticGAN, ("gen",), ("critic",), unlabelled),
    "global step": Entry(wasserstein.GlobalStepGAN, discriminator=("critic",)),
    "warm-up epoch": Entry(wasserstein.WarmUpGAN),
    "schedulers": Entry(training.SchedulerGAN),
    "plateau": Entry(training.PlateauGAN),
    "decay in place": Entry(training.DecayInPlaceGAN),
    "gradient clipping": Entry(training.ClippingGAN),
    "micro-batches": Entry(training.MicroBatchGAN),
    "closures": Entry(training.ClosureGAN),
    "numpy noise": Entry(training.NumpyNoiseGAN, data=None),
    "batchnorm": Entry(layers.BatchNormGAN, validates=True),
    "spectral norm": Entry(layers.SpectralNormGAN, ("netG",), ("netD",)),
    "hooked spectral norm": Entry(layers.hooked_spectral_norm_gan, ("netG",), ("netD",)),
    "moving average": Entry(layers.AveragedGAN),
    "perceptual": Entry(layers.PerceptualGAN, ("net_g",), ("net_d",), options={"share": ("vgg",)}),
    "hooks": Entry(hooks.HookedGAN),
    "own optimisers": Entry(hooks.OwnOptimizersGAN),
    "torchmetrics": Entry(hooks.MetricsGAN),
    "vae": Entry(players.VAEGAN, ("vae",)),
    "module dict": Entry(players.ModuleDictGAN, ("model.generator",), ("model.discriminator",)),
    "three optimisers": Entry(players.AdversarialAutoencoder, ("encoder", "generator"), options={"players": three}),
    "cyclegan": Entry(
        players.CycleGAN,
        ("g_ab", "g_ba"),
        ("d_a", "d_b"),
        two_domains,
    ),
    "nameless": Entry(players.NamelessGAN, ("alice",), ("bob",), options={"players": g_first}),
    "optimizer_idx": Entry(lightning1.OptimizerIdxGAN, plain=lightning1.OptimizerIdxByHand),
    "frequency": Entry(lightning1.FrequencyGAN, plain=lightning1.FrequencyByHand),
    "old optimizer_step": Entry(lightning1.OptimizerStepGAN, plain=lightning1.OptimizerStepByHand),
    "loss methods": Entry(lightning1.LossMethodsGAN, plain=lightning1.LossMethodsByHand),
}
