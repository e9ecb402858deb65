"""Feature matching against nested loops of the paper's formula, in float64."""

from copy import deepcopy
from functools import partial

import pytest
import torch
from hydra import compose, initialize_config_module
from torch.nn.functional import softplus

from mixgan_lightning import mix
from mixgan_lightning.gans import ImprovedGAN
from mixgan_lightning.networks import DCGANDiscriminator, DCGANGenerator

SHAPE, LATENT_DIM, BATCH, SEED, LR, LAMBDA = (1, 16, 16), 4, 13, 7, 0.05, 0.3  # 13: no size divides it


def make_gan(minibatch_kernels=0):
    generator = DCGANGenerator(SHAPE, LATENT_DIM, width=2)
    discriminator = DCGANDiscriminator(SHAPE, width=2, minibatch_kernels=minibatch_kernels)
    return ImprovedGAN(generator, discriminator, latent_dim=LATENT_DIM, optimizer=partial(torch.optim.SGD, lr=LR))


def parts(n, size, split):
    return [rows.tolist() for rows in torch.arange(n).tensor_split(size)] if split else [list(range(n))] * size


def discriminator_gradients(model, images, rows, split):
    """Salimans et al. 2016, Section 3.1: D is trained as usual."""
    generators, discriminators = model.generators.components, model.discriminators.components
    h = torch.randn(BATCH, LATENT_DIM, dtype=torch.float64)
    fakes = [g(h[r]).detach() for g, r in zip(generators, rows, strict=True)]
    w_u, w_v = model.generators.weights.detach(), model.discriminators.weights
    loss = -LAMBDA * w_v.log().mean()
    for w_j, d in zip(w_v, discriminators, strict=True):
        real = d(images)
        joint = d(torch.cat(fakes)) if split else None
        for w_i, r, fake in zip(w_u, rows, fakes, strict=True):
            scores = joint[r] if split else d(fake)
            loss = loss + w_i * w_j * (softplus(-real[r]).mean() + softplus(scores).mean())
    return torch.autograd.grad(loss, [*discriminators.parameters(), model.discriminators.log_probabilities])


def generator_gradients(model, images, rows, split):
    """‖E f(x) − E f(G(h))‖², f the activations of D before its last layer; of each generator's part in ``split``."""
    generators, discriminators = model.generators.components, model.discriminators.components
    h = torch.randn(BATCH, LATENT_DIM, dtype=torch.float64)
    fakes = [g(h[r]) for g, r in zip(generators, rows, strict=True)]
    w_u, w_v = model.generators.weights, model.discriminators.weights.detach()
    of_fakes, loss = [], -LAMBDA * w_u.log().mean()
    for d in discriminators:
        joint = d.downsample(torch.cat(fakes)).flatten(1) if split else None
        pairs = zip(rows, fakes, strict=True)
        of_fakes.append([joint[r] if split else d.downsample(fake).flatten(1) for r, fake in pairs])
    for w_j, d, of_fake in zip(w_v, discriminators, of_fakes, strict=True):
        of_real = d.downsample(images).flatten(1)
        for w_i, r, features in zip(w_u, rows, of_fake, strict=True):
            loss = loss + w_i * w_j * ((of_real[r].mean(0) - features.mean(0)) ** 2).sum()
    return torch.autograd.grad(loss, [*generators.parameters(), model.generators.log_probabilities])


@pytest.mark.filterwarnings("ignore:BatchNorm in the generators would see")
@pytest.mark.parametrize("minibatch_kernels", [0, 3])
@pytest.mark.parametrize("split", [False, True], ids=["full", "split"])
@pytest.mark.parametrize("size", [(1, 1), (3, 3), (2, 3)], ids="{0[0]}x{0[1]}".format)
def test_gradients_are_those_of_the_formula_summed_over_pairs(fit, size, split, minibatch_kernels):
    make = partial(make_gan, minibatch_kernels)
    fakes = "split" if split else "full"
    model = mix(make, size[0], num_discriminators=size[1], fakes=fakes, entropy_weight=LAMBDA).double()
    with torch.no_grad():  # away from uniform, so that a wrong weight shows
        model.generators.log_probabilities.copy_(torch.randn(size[0]))
        model.discriminators.log_probabilities.copy_(torch.randn(size[1]))
    images = torch.rand(BATCH, *SHAPE, dtype=torch.float64) * 2 - 1
    loops, rows = deepcopy(model), parts(BATCH, size[0], split)

    torch.manual_seed(SEED)
    of_d = discriminator_gradients(loops, images, rows, split)
    with torch.no_grad():
        learnt = [*loops.discriminators.components.parameters(), loops.discriminators.log_probabilities]
        for p, gradient in zip(learnt, of_d, strict=True):
            p -= LR * gradient
    of_g = generator_gradients(loops, images, rows, split)
    fit(model, images, batch_size=BATCH, seed=SEED)

    for mixture, played, expected in (
        (model.discriminators, loops.discriminators, of_d),
        (model.generators, loops.generators, of_g),
    ):
        found = [p.grad for p in (*mixture.components.parameters(), mixture.log_probabilities)]
        assert max(float((a - b).abs().max()) for a, b in zip(found, expected, strict=True)) <= 1e-12
        assert all(gradient.abs().max() > 0 for gradient in expected[:-1])
        statistics = zip(mixture.components.buffers(), played.components.buffers(), strict=True)
        assert all((a - b).abs().max() <= 1e-12 for a, b in statistics)  # the real batch is seen in G's step, too


def test_generators_of_the_datas_features_have_nothing_to_learn():
    gan = make_gan()
    real = torch.randn(6), torch.randn(6, 10)
    fake = torch.randn(6), real[1][torch.randperm(6)]  # another order, the same mean
    assert gan.generator_objective(fake, lambda: real, None, None) < 1e-12
    further = torch.randn(6), real[1] + 2
    assert gan.generator_objective(further, lambda: real, None, None) == pytest.approx(4 * 10, rel=1e-4)


def test_a_conditional_one_judges_with_labels():
    generator = DCGANGenerator(SHAPE, LATENT_DIM, width=2, num_classes=3)
    discriminator = DCGANDiscriminator(SHAPE, width=2, num_classes=3).eval()
    gan = ImprovedGAN(generator, discriminator, latent_dim=LATENT_DIM, num_classes=3)
    images, labels = torch.randn(4, *SHAPE), torch.tensor([0, 1, 2, 0])
    scores, features = gan.score(discriminator, images, (images, labels))
    assert torch.equal(scores, discriminator(images, labels))
    assert torch.equal(features, discriminator.features(images, labels))


def test_minibatch_discrimination_is_one_option_away():
    with initialize_config_module("mixgan_lightning.conf", version_base="1.3"):
        options = ["gan=improved_gan", "data.image_size=16", "gan.discriminator.minibatch_kernels=100"]
        config = compose("train", overrides=options)
    model = mix(config.gan, size=2)
    discriminator = model.discriminators.components[0]
    assert discriminator.minibatch.projection.shape[1] == 100 * 5
    assert discriminator.head.in_features == discriminator.minibatch.projection.shape[0] + 100
