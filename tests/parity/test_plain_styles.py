"""The GANs that people write as plain scripts (those of eriklindernoren/PyTorch-GAN), as they are, in a mixture.

Each stands here twice: as a ``GAN`` of a few lines, and as its script's two losses on what one discriminator gives for
real and fake samples. A sum over pairs of the latter, in float64, is the reference: it calls none of this package's
objectives, penalties, pair losses or weights.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    mse_loss,
    one_hot,
    softplus,
)

from mixgan_lightning import GAN, mix
from mixgan_lightning.gan import Conditions
from mixgan_lightning.objectives import BinaryCrossEntropy, LeastSquares, Wasserstein
from mixgan_lightning.penalties import GradientPenalty

TOLERANCE = 1e-12
BATCH, LATENT_DIM, CLASSES, LR, LAMBDA, SEED = 13, 3, 3, 0.1, 0.3, 7  # 13: no size divides it

# ------------------------------------------------------------------------------------------------ the networks


def mlp(n, m, *end):
    return nn.Sequential(nn.Linear(n, 5), nn.Tanh(), nn.Linear(5, m), *end)


def convolutional_generator():
    return nn.Sequential(
        nn.Linear(LATENT_DIM, 32),
        nn.Unflatten(1, (2, 4, 4)),
        nn.BatchNorm2d(2),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(2, 1, 3, padding=1),
        nn.Tanh(),
    )


def convolutional_discriminator():
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, 2, 1),
        nn.LeakyReLU(0.2),
        nn.BatchNorm2d(3, 0.8),
        nn.Flatten(),
        nn.Linear(48, 1),
        nn.Sigmoid(),
    )


class LabelledGenerator(nn.Module):
    """G(noise, labels, …) of points."""

    def __init__(self, more=0):
        super().__init__()
        self.body = mlp(LATENT_DIM + CLASSES + more, 2)

    def forward(self, noise, labels, *more):
        return self.body(torch.cat([noise, one_hot(labels, CLASSES).to(noise), *more], dim=1))


class LabelledDiscriminator(nn.Module):
    """D(points, labels): one score, (N, 1)."""

    def __init__(self):
        super().__init__()
        self.body = mlp(2 + CLASSES, 1)

    def forward(self, points, labels):
        return self.body(torch.cat([points, one_hot(labels, CLASSES).to(points)], dim=1))


class Heads(nn.Module):
    """A discriminator of several heads on one body: a tuple, or a dict where the heads have names."""

    def __init__(self, *heads, **named):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 5), nn.Tanh())
        self.heads, self.names = nn.ModuleList([*heads, *named.values()]), list(named)

    def forward(self, points):
        outputs = tuple(head(self.body(points)) for head in self.heads)
        return dict(zip(self.names, outputs, strict=True)) if self.names else outputs


# ------------------------------------------------------------------------------------------------ the GANs, as users


class Halved(GAN):
    """The scripts halve the discriminator's loss."""

    def discriminator_objective(self, real, fake, latents, batch):
        return super().discriminator_objective(real, fake, latents, batch) / 2


class LSGAN(GAN):
    def generator_objective(self, fake, real, latents, batch):
        return mse_loss(fake, torch.ones_like(fake))


class ACGAN(GAN):
    def latents(self, n, batch):
        return super().latents(n, batch), torch.randint(0, CLASSES, (n,), device=self.like.device)

    def generate(self, generator, latents, batch):
        return generator(*latents)

    def discriminator_objective(self, real, fake, latents, batch):
        classes = cross_entropy(real[1], batch[1]) + cross_entropy(fake[1], latents[1])
        return (super().discriminator_objective(real, fake, latents, batch) + classes) / 4

    def generator_objective(self, fake, real, latents, batch):
        return (super().generator_objective(fake, real, latents, batch) + cross_entropy(fake[1], latents[1])) / 2


class InfoGAN(LSGAN):
    def latents(self, n, batch):
        code = 2 * torch.rand(n, 2, device=self.like.device, dtype=self.like.dtype) - 1
        return super().latents(n, batch), torch.randint(0, CLASSES, (n,), device=self.like.device), code

    def generate(self, generator, latents, batch):
        return generator(*latents)

    def discriminator_objective(self, real, fake, latents, batch):
        return super().discriminator_objective(real, fake, latents, batch) + information(fake[1], fake[2], latents)

    def generator_objective(self, fake, real, latents, batch):
        return super().generator_objective(fake[0], real, latents, batch) + information(fake[1], fake[2], latents)


def information(classes, code, latents):
    return cross_entropy(classes, latents[1]) + 0.1 * mse_loss(code, latents[2])


class InfoGANWithQ(InfoGAN):
    """Q is a network of its own, on the discriminators' features, and learns with the generators."""

    def __init__(self, *networks, **options):
        super().__init__(*networks, **options)
        self.q = nn.Linear(5, CLASSES + 2)

    def discriminator_objective(self, real, fake, latents, batch):
        return GAN.discriminator_objective(self, real, fake, latents, batch)

    def generator_objective(self, fake, real, latents, batch):
        guess = self.q(fake["features"])
        adversarial = mse_loss(fake["validity"], torch.ones_like(fake["validity"]))
        return adversarial + information(guess[:, :CLASSES], guess[:, CLASSES:], latents)

    def configure_optimizers(self):
        of_generator, of_discriminator = super().configure_optimizers()
        of_generator.param_groups[0]["params"].extend(self.q.parameters())
        return of_generator, of_discriminator


class WithClassifier(GAN):
    """A classifier of the images, beside every discriminator: it learns with them, from real and fake images."""

    def __init__(self, *networks, **options):
        super().__init__(*networks, **options)
        self.q = mlp(2, CLASSES)

    def score(self, discriminator, images, batch):
        return discriminator(images), self.q(images)

    def discriminator_objective(self, real, fake, latents, batch):
        entropy = -(fake[1].softmax(1) * fake[1].log_softmax(1)).sum(1).mean()
        return super().discriminator_objective(real, fake, latents, batch) + cross_entropy(real[1], batch[1]) - entropy

    def configure_optimizers(self):
        parameters = [*self.discriminator.parameters(), *self.q.parameters()]
        return sgd(self.generator.parameters()), sgd(parameters)


class CGAN(LSGAN):
    """Real samples have the batch's labels, fakes labels of their own."""

    def latents(self, n, batch):
        drawn = torch.randint(0, CLASSES, (n,), device=self.like.device)
        return super().latents(n, batch), batch.labels if isinstance(batch, Conditions) else drawn

    def fake_batch(self, latents, batch):
        return batch[0], latents[1]

    def generate(self, generator, latents, batch):
        return generator(*latents)


class Relativistic(GAN):
    def discriminator_objective(self, real, fake, latents, batch):
        return softplus(fake - real).mean()

    def generator_objective(self, fake, real, latents, batch):
        return softplus(real() - fake).mean()


class RelativisticAverage(GAN):
    def discriminator_objective(self, real, fake, latents, batch):
        return (softplus(fake.mean() - real).mean() + softplus(fake - real.mean()).mean()) / 2

    def generator_objective(self, fake, real, latents, batch):
        return softplus(real().mean() - fake).mean()


# ------------------------------------------------------------------------------------------------ their scripts

sgd = partial(torch.optim.SGD, lr=LR)


def normal(n):
    return torch.randn(n, LATENT_DIM, dtype=torch.float64)


def valid(scores):
    return torch.ones_like(scores)


def invalid(scores):
    return torch.zeros_like(scores)


def noise_and_labels(n):
    return normal(n), torch.randint(0, CLASSES, (n,))


def labels_and_noise(n):
    labels = torch.randint(0, CLASSES, (n,))  # drawn first
    return normal(n), labels


def noise_labels_code(n):
    code = 2 * torch.rand(n, 2, dtype=torch.float64) - 1  # the GAN's order of draws: code, noise, labels
    return *noise_and_labels(n), code


@dataclass
class Style:
    """A script. ``d_loss(real, fake, h, labels, q)``, ``g_loss(fake, real, h, q)``: on what D gave, of shape (N, 1)."""

    make: Callable[[], GAN]
    d_loss: Callable[..., Any]
    g_loss: Callable[..., Any]
    draw: Callable[[int], Any] = normal
    generate: Callable[..., Any] = lambda g, h, labels: g(h)
    judge: Callable[..., Any] = lambda d, x, labels, q: d(x)
    fake_labels: Callable[..., Any] = lambda h, labels: labels
    q_player: str | None = None
    gradient_penalty: float = 0.0
    images: bool = False
    mean_over_samples: bool = True  # else split plays another game
    shift_invariant: bool = False


def gan_d(real, fake, h, labels, q):
    return (binary_cross_entropy(real, valid(real)) + binary_cross_entropy(fake, invalid(fake))) / 2


def gan_g(fake, real, h, q):
    return binary_cross_entropy(fake, valid(fake))


def mse_d(real, fake, h, labels, q):
    return 0.5 * (mse_loss(real, valid(real)) + mse_loss(fake, invalid(fake)))


def mse_g(fake, real, h, q):
    return mse_loss(fake, valid(fake))


def acgan_d(real, fake, h, labels, q):
    real_loss = (binary_cross_entropy(real[0], valid(real[0])) + cross_entropy(real[1], labels)) / 2
    fake_loss = (binary_cross_entropy(fake[0], invalid(fake[0])) + cross_entropy(fake[1], h[1])) / 2
    return (real_loss + fake_loss) / 2


def acgan_g(fake, real, h, q):
    return 0.5 * (binary_cross_entropy(fake[0], valid(fake[0])) + cross_entropy(fake[1], h[1]))


def info(classes, code, h):
    return 1 * cross_entropy(classes, h[1]) + 0.1 * mse_loss(code, h[2])


def q_g(fake, real, h, q):
    guess = q(fake["features"])
    return mse_g(fake["validity"], None, h, q) + info(guess[:, :CLASSES], guess[:, CLASSES:], h)


def classifier_d(real, fake, h, labels, q):
    p = torch.softmax(fake[1], 1)
    return mse_d(real[0], fake[0], h, labels, q) + cross_entropy(real[1], labels) + (p * p.log()).sum(1).mean()


def relativistic_d(real, fake, h, labels, q):
    return binary_cross_entropy_with_logits(real - fake, valid(real))


def relativistic_g(fake, real, h, q):
    return binary_cross_entropy_with_logits(fake - real, valid(fake))


def average_d(real, fake, h, labels, q):
    real_loss = binary_cross_entropy_with_logits(real - fake.mean(0, keepdim=True), valid(real))
    fake_loss = binary_cross_entropy_with_logits(fake - real.mean(0, keepdim=True), invalid(fake))
    return (real_loss + fake_loss) / 2


def average_g(fake, real, h, q):
    return binary_cross_entropy_with_logits(fake - real.mean(0, keepdim=True), valid(fake))


def plain(kind, generator, discriminator, **options):
    """A factory of GANs: networks built anew in each call."""
    return lambda: kind(generator(), discriminator(), latent_dim=LATENT_DIM, optimizer=sgd, **options)


points, critic = partial(mlp, LATENT_DIM, 2), partial(mlp, 2, 1)
STYLES = {
    "gan": Style(plain(Halved, points, lambda: mlp(2, 1, nn.Sigmoid()), objective=BinaryCrossEntropy()), gan_d, gan_g),
    "dcgan": Style(
        plain(Halved, convolutional_generator, convolutional_discriminator, objective=BinaryCrossEntropy()),
        gan_d,
        gan_g,
        images=True,
    ),
    "lsgan": Style(plain(LSGAN, points, critic, objective=LeastSquares()), mse_d, mse_g),
    "wgan_gp": Style(
        plain(GAN, points, critic, objective=Wasserstein(), penalty=GradientPenalty(10.0)),
        lambda real, fake, h, labels, q: -torch.mean(real) + torch.mean(fake),
        lambda fake, real, h, q: -torch.mean(fake),
        gradient_penalty=10.0,
        shift_invariant=True,
    ),
    "acgan": Style(
        plain(
            ACGAN,
            LabelledGenerator,
            lambda: Heads(nn.Sequential(nn.Linear(5, 1), nn.Sigmoid()), nn.Sequential(nn.Linear(5, CLASSES))),
            objective=BinaryCrossEntropy(),
        ),
        acgan_d,
        acgan_g,
        draw=noise_and_labels,
        generate=lambda g, h, labels: g(h[0], h[1]),
    ),
    "infogan": Style(
        plain(
            InfoGAN,
            partial(LabelledGenerator, 2),
            lambda: Heads(nn.Linear(5, 1), nn.Sequential(nn.Linear(5, CLASSES), nn.Softmax(1)), nn.Linear(5, 2)),
            objective=LeastSquares(),
        ),
        lambda real, fake, h, labels, q: mse_d(real[0], fake[0], h, labels, q) + info(fake[1], fake[2], h),
        lambda fake, real, h, q: mse_g(fake[0], None, h, q) + info(fake[1], fake[2], h),
        draw=noise_labels_code,
        generate=lambda g, h, labels: g(*h),
    ),
    "infogan, Q apart": Style(
        plain(
            InfoGANWithQ,
            partial(LabelledGenerator, 2),
            lambda: Heads(validity=nn.Linear(5, 1), features=nn.Identity()),
            objective=LeastSquares(),
        ),
        lambda real, fake, h, labels, q: mse_d(real["validity"], fake["validity"], h, labels, q),
        q_g,
        draw=noise_labels_code,
        generate=lambda g, h, labels: g(*h),
        q_player="generator",
    ),
    "a classifier of the discriminators'": Style(
        plain(WithClassifier, points, critic, objective=LeastSquares()),
        classifier_d,
        lambda fake, real, h, q: mse_loss(fake[0], valid(fake[0])) / 2,
        judge=lambda d, x, labels, q: (d(x), q(x)),
        q_player="discriminator",
    ),
    "relativistic": Style(plain(Relativistic, points, critic), relativistic_d, relativistic_g, shift_invariant=True),
    "relativistic average": Style(
        plain(RelativisticAverage, points, critic), average_d, average_g, mean_over_samples=False, shift_invariant=True
    ),
    "cgan": Style(
        plain(CGAN, LabelledGenerator, LabelledDiscriminator, objective=LeastSquares(), num_classes=CLASSES),
        mse_d,
        mse_g,
        draw=labels_and_noise,
        generate=lambda g, h, labels: g(*h),
        judge=lambda d, x, labels, q: d(x, labels),
        fake_labels=lambda h, labels: h[1],
    ),
    "cgan, the batch's labels": Style(
        plain(LSGAN, LabelledGenerator, LabelledDiscriminator, objective=LeastSquares(), num_classes=CLASSES),
        mse_d,
        mse_g,
        generate=lambda g, h, labels: g(h, labels),
        judge=lambda d, x, labels, q: d(x, labels),
    ),
}

# ------------------------------------------------------------------------------------------------ the sum over pairs


def rows(tree, part):
    """Those rows of everything in the tuple or dict."""
    if isinstance(tree, dict):
        return {name: rows(value, part) for name, value in tree.items()}
    return tuple(rows(value, part) for value in tree) if isinstance(tree, tuple) else tree[part]


def softmax(alpha):
    return alpha.exp() / alpha.exp().sum()


class SumOverPairs:
    """One step of each player, pair by pair."""

    def __init__(self, style, model, images, labels, split):
        self.style, self.images, self.labels, self.split = style, images, labels, split
        self.G = [deepcopy(g) for g in model.generators.components]
        self.D = [deepcopy(d) for d in model.discriminators.components]
        self.q = deepcopy(getattr(model.gan, "q", None))
        self.alpha_u = model.generators.log_probabilities.detach().clone().requires_grad_()
        self.alpha_v = model.discriminators.log_probabilities.detach().clone().requires_grad_()
        ends = [len(part) for part in torch.arange(BATCH).tensor_split(len(self.G))]
        starts = [sum(ends[:i]) for i in range(len(ends))]
        self.parts = [slice(s, s + n) if split else slice(None) for s, n in zip(starts, ends, strict=True)]

    def fakes(self, h):
        parts = zip(self.G, self.parts, strict=True)
        return [self.style.generate(g, rows(h, part), self.labels[part]) for g, part in parts]

    def judged_fake(self, j, fakes, i, h):
        """What D_j gives for G_i's fakes; in split it sees them among all the others'."""
        labels = self.style.fake_labels(h, self.labels)
        if not self.split:
            return self.style.judge(self.D[j], fakes[i], labels, self.q)
        return rows(self.style.judge(self.D[j], torch.cat(fakes), labels, self.q), self.parts[i])

    def judged_real(self, j, i):
        return rows(self.style.judge(self.D[j], self.images, self.labels, self.q), self.parts[i])

    def penalty(self, j, fake):
        alpha = torch.rand(BATCH, 1, dtype=torch.float64)
        interpolates = ((1 - alpha) * self.images + alpha * fake).requires_grad_()
        (gradients,) = torch.autograd.grad(self.D[j](interpolates).sum(), interpolates, create_graph=True)
        return self.style.gradient_penalty * ((gradients.norm(2, dim=1) - 1) ** 2).mean()

    def discriminator_step(self):
        h = self.style.draw(BATCH)
        fakes = [fake.detach() for fake in self.fakes(h)]
        w_u, w_v = softmax(self.alpha_u).detach(), softmax(self.alpha_v)
        loss = -LAMBDA * w_v.log().mean()
        for j in range(len(self.D)):
            for i, part in enumerate(self.parts):
                judged = self.judged_real(j, i), self.judged_fake(j, fakes, i, h)
                pair = self.style.d_loss(*judged, rows(h, part), self.labels[part], self.q)
                loss = loss + w_u[i] * w_v[j] * pair
                if self.style.gradient_penalty and not self.split:
                    loss = loss + w_u[i] * w_v[j].detach() * self.penalty(j, fakes[i])
            if self.style.gradient_penalty and self.split:
                loss = loss + w_v[j].detach() * self.penalty(j, torch.cat(fakes))
        return self.descend("discriminator", loss, self.D, self.alpha_v)

    def generator_step(self):
        h = self.style.draw(BATCH)
        fakes = self.fakes(h)
        w_u, w_v = softmax(self.alpha_u), softmax(self.alpha_v).detach()
        loss = -LAMBDA * w_u.log().mean()
        for j in range(len(self.D)):
            for i, part in enumerate(self.parts):
                judged = self.judged_fake(j, fakes, i, h), self.judged_real(j, i)
                loss = loss + w_u[i] * w_v[j] * self.style.g_loss(*judged, rows(h, part), self.q)
        return self.descend("generator", loss, self.G, self.alpha_u)

    def descend(self, player, loss, networks, alpha):
        """SGD; the gradients by parameter, in the order networks, α, q."""
        q = list(self.q.parameters()) if self.style.q_player == player else []
        parameters = [*(p for network in networks for p in network.parameters()), alpha, *q]
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            for p, gradient in zip(parameters, gradients, strict=True):
                p -= LR * gradient
        return gradients


def learnt(model, style, player):
    mixture = model.generators if player == "generator" else model.discriminators
    q = list(model.gan.q.parameters()) if style.q_player == player else []
    return [*mixture.components.parameters(), mixture.log_probabilities, *q]


@pytest.mark.filterwarnings("ignore:BatchNorm in the generators would see")
@pytest.mark.parametrize("size", [(3, 3), (3, 2), (2, 4)], ids="{0[0]}x{0[1]}".format)
@pytest.mark.parametrize(
    ("name", "fakes"),
    [
        (name, fakes)
        for name in STYLES
        for fakes in ("full", "split")
        if fakes == "full" or STYLES[name].mean_over_samples
    ],
)
def test_every_style_is_its_script_summed_over_pairs(fit, name, size, fakes):
    style = STYLES[name]
    model = mix(style.make, size[0], num_discriminators=size[1], fakes=fakes, entropy_weight=LAMBDA).double()
    with torch.no_grad():  # away from uniform, so that a wrong weight shows
        model.generators.log_probabilities.copy_(torch.randn(size[0]))
        model.discriminators.log_probabilities.copy_(torch.randn(size[1]))
    images = torch.randn(BATCH, *((1, 8, 8) if style.images else (2,)), dtype=torch.float64)
    images, labels = images.tanh(), torch.randint(0, CLASSES, (BATCH,))
    reference = SumOverPairs(style, model, images, labels, split=fakes == "split")

    torch.manual_seed(SEED)
    of_d = reference.discriminator_step()
    of_g = reference.generator_step()
    fit(model, list(zip(images, labels, strict=True)), batch_size=BATCH, seed=SEED)
    for player, expected in (("discriminator", of_d), ("generator", of_g)):
        found = [p.grad for p in learnt(model, style, player)]
        differences = [float((a - b).abs().max()) for a, b in zip(found, expected, strict=True)]
        assert max(differences) <= TOLERANCE
        seen = [float(gradient.abs().max()) > 1e-9 for gradient in expected]
        count = len(reference.D if player == "discriminator" else reference.G)
        # each could have shown: only the last bias of a D whose loss sees differences of scores has no gradient
        assert all(seen) or (style.shift_invariant and player == "discriminator" and seen.count(False) == count)
