"""Layers that couple the samples of a batch, draw, or write buffers, in a mixture: as in plain nested loops, exactly.

BatchNorm (conditional, too), spectral normalisation, dropout and minibatch discrimination make it matter *how* a
network is called: with which samples together, in which order, how often. The loops below call each as the docs say:
every D_j sees the real batch, then each generator's fakes by themselves (``full``) or all as one batch (``split``).
They use none of this package's objectives, pair losses, weights or regularisers.
"""

from copy import deepcopy
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus
from torch.utils.data import DataLoader, TensorDataset

from mixgan_lightning import GAN, mix
from mixgan_lightning.networks import DCGANDiscriminator, DCGANGenerator, ResNetDiscriminator, ResNetGenerator

TOLERANCE = 1e-12
SHAPE, CLASSES, LATENT_DIM = (1, 16, 16), 3, 4
BATCH, STEPS, LR, LAMBDA, SEED = 13, 2, 0.05, 0.3, 7  # 13: no size divides it; 2: buffers go on from the first step


def with_dropout():
    return nn.Sequential(nn.Flatten(), nn.Linear(256, 6), nn.Tanh(), nn.Dropout(0.5), nn.Linear(6, 1), nn.Flatten(0))


class Labelled(nn.Module):
    """An unconditional discriminator that is handed labels."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images, labels):
        return self.network(images)


DISCRIMINATORS = {
    "BatchNorm": partial(DCGANDiscriminator, SHAPE, width=2),
    "spectral norm": partial(ResNetDiscriminator, SHAPE, width=2),
    "dropout": with_dropout,
    "minibatch discrimination": partial(DCGANDiscriminator, SHAPE, width=2, batch_norm=False, minibatch_kernels=3),
    "BatchNorm and minibatch discrimination": partial(DCGANDiscriminator, SHAPE, width=2, minibatch_kernels=3),
}
GENERATORS = {
    "BatchNorm": (partial(DCGANGenerator, SHAPE, LATENT_DIM, width=2), None),
    "conditional BatchNorm": (partial(ResNetGenerator, SHAPE, LATENT_DIM, width=2, num_classes=CLASSES), CLASSES),
}


def factory(discriminator, generator):
    make_g, num_classes = GENERATORS[generator]
    make_d = DISCRIMINATORS[discriminator]
    if num_classes and discriminator == "spectral norm":
        make_d = partial(make_d, num_classes=num_classes)  # projection
    elif num_classes:
        make_d = partial(lambda build: Labelled(build()), make_d)
    options = {"latent_dim": LATENT_DIM, "num_classes": num_classes, "optimizer": partial(torch.optim.SGD, lr=LR)}
    return lambda: GAN(make_g(), make_d(), **options)


class Loops:
    """A mixture's networks and log-probabilities, played in nested loops."""

    def __init__(self, model, split, conditional):
        self.G = [deepcopy(g) for g in model.generators.components]
        self.D = [deepcopy(d) for d in model.discriminators.components]
        self.alpha_u = model.generators.log_probabilities.detach().clone().requires_grad_()
        self.alpha_v = model.discriminators.log_probabilities.detach().clone().requires_grad_()
        self.split, self.conditional = split, conditional
        sizes = [BATCH // len(self.G) + (i < BATCH % len(self.G)) for i in range(len(self.G))]
        starts = [sum(sizes[:i]) for i in range(len(sizes))]
        whole = [slice(None)] * len(sizes)
        self.rows = [slice(s, s + n) for s, n in zip(starts, sizes, strict=True)] if split else whole

    def call(self, network, inputs, labels):
        return network(inputs, labels) if self.conditional else network(inputs)

    def fakes(self, labels):
        h = torch.randn(BATCH, LATENT_DIM, dtype=torch.float64)
        return [self.call(g, h[rows], labels[rows]) for g, rows in zip(self.G, self.rows, strict=True)]

    def scores(self, d, fakes, labels):
        """One D's scores for each generator's fakes."""
        if self.split:
            joint = self.call(d, torch.cat(fakes), labels)
            return [joint[rows] for rows in self.rows]
        return [self.call(d, fake, labels) for fake in fakes]

    def discriminator_step(self, images, labels):
        fakes = [fake.detach() for fake in self.fakes(labels)]
        w_u, w_v = self.alpha_u.detach().softmax(0), self.alpha_v.softmax(0)
        loss = -LAMBDA * w_v.log().mean()
        for w_j, d in zip(w_v, self.D, strict=True):
            real = self.call(d, images, labels)
            for w_i, rows, fake in zip(w_u, self.rows, self.scores(d, fakes, labels), strict=True):
                loss = loss + w_i * w_j * (softplus(-real[rows]).mean() + softplus(fake).mean())
        return self.descend(loss, self.D, self.alpha_v)

    def generator_step(self, labels):
        fakes = self.fakes(labels)
        w_u, w_v = self.alpha_u.softmax(0), self.alpha_v.detach().softmax(0)
        loss = -LAMBDA * w_u.log().mean()
        for w_j, d in zip(w_v, self.D, strict=True):
            for w_i, fake in zip(w_u, self.scores(d, fakes, labels), strict=True):
                loss = loss + w_i * w_j * softplus(-fake).mean()
        return self.descend(loss, self.G, self.alpha_u)

    @staticmethod
    def descend(loss, networks, alpha):
        parameters = [*(p for network in networks for p in network.parameters()), alpha]
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            for p, gradient in zip(parameters, gradients, strict=True):
                p -= LR * gradient
        return gradients


def largest_difference(found, expected):
    return max(float((a - b).detach().abs().max()) for a, b in zip(found, expected, strict=True))


@pytest.mark.filterwarnings("ignore:BatchNorm in the generators would see")
@pytest.mark.parametrize("fakes", ["full", "split"])
@pytest.mark.parametrize("size", [(3, 3), (2, 3)], ids="{0[0]}x{0[1]}".format)
@pytest.mark.parametrize("generator", GENERATORS)
@pytest.mark.parametrize("discriminator", DISCRIMINATORS)
@pytest.mark.parametrize("evaluation", ["loop", "concat", "vectorised"])
def test_a_mixture_of_black_boxes_is_the_nested_loops(fit, evaluation, discriminator, generator, size, fakes):
    options = {"num_discriminators": size[1], "fakes": fakes, "evaluation": evaluation, "entropy_weight": LAMBDA}
    model = mix(factory(discriminator, generator), size[0], **options).double()
    with torch.no_grad():  # away from uniform, so that a wrong weight shows
        model.generators.log_probabilities.copy_(torch.randn(size[0]))
        model.discriminators.log_probabilities.copy_(torch.randn(size[1]))
    images = torch.rand(STEPS * BATCH, *SHAPE, dtype=torch.float64) * 2 - 1
    labels = torch.randint(CLASSES, (STEPS * BATCH,))
    loops = Loops(model, fakes == "split", GENERATORS[generator][1] is not None)
    before = [b.clone() for b in model.discriminators.components.buffers()]

    for step in range(STEPS):
        rows = slice(step * BATCH, (step + 1) * BATCH)
        torch.manual_seed(SEED + step)
        of_d = loops.discriminator_step(images[rows], labels[rows])
        of_g = loops.generator_step(labels[rows])
    fit(model, DataLoader(TensorDataset(images, labels), BATCH), seed=SEED)

    for mixture, networks, alpha, gradients in (
        (model.discriminators, loops.D, loops.alpha_v, of_d),
        (model.generators, loops.G, loops.alpha_u, of_g),
    ):
        parameters = [*mixture.components.parameters(), mixture.log_probabilities]
        assert largest_difference([p.grad for p in parameters], gradients) <= TOLERANCE
        expected = [*(p for network in networks for p in network.parameters()), alpha]
        assert largest_difference(parameters, expected) <= TOLERANCE
        buffers = list(mixture.components.buffers())  # running statistics; u and v of the spectral norms
        assert not buffers or largest_difference(buffers, [b for n in networks for b in n.buffers()]) <= TOLERANCE
    after = list(model.discriminators.components.buffers())
    assert bool(after) == discriminator.startswith(("BatchNorm", "spectral"))
    moved = [not torch.equal(a, b) for a, b in zip(after, before, strict=True) if a.numel() > 1]
    assert all(moved)  # each could have shown: only a direction in one dimension stays


@pytest.mark.parametrize("discriminator", DISCRIMINATORS)
def test_how_it_is_called_matters_for_each_of_these_layers(discriminator):
    """So that the test above could fail: one batch is not its two halves, the second one first."""
    network = DISCRIMINATORS[discriminator]().double()
    images = torch.rand(8, *SHAPE, dtype=torch.float64) * 2 - 1
    torch.manual_seed(SEED)
    joint = deepcopy(network)(images)
    torch.manual_seed(SEED)
    second, first = network(images[4:]), network(images[:4])
    apart = torch.cat([first, second])
    assert (joint - apart).abs().max() > 1e-9
