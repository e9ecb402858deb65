"""Every way of evaluating the pairs against plain loops, in float64: losses, gradients, buffers, random states."""

from copy import deepcopy
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.utils.data import DataLoader, TensorDataset

from mixgan_lightning import GAN, MixGANModule, mix, objectives
from mixgan_lightning.payoff import Way, choice, expectation
from mixgan_lightning.payoff.comparison import Comparison

TOLERANCE = 1e-12
SHAPE, LATENT_DIM = (2, 4, 4), 3
NORMS = {
    "none": nn.Identity,
    "batch": lambda: nn.BatchNorm2d(4),
    "group": lambda: nn.GroupNorm(2, 4),
    "layer": lambda: nn.LayerNorm((4, 4, 4)),
    "instance": lambda: nn.InstanceNorm2d(4, affine=True),
    "spectral": nn.Identity,
}
WAYS = {
    "concat": Way(joined=True),
    "vectorised": Way(vectorised=True, joined=True),
    "vectorised, apart": Way(vectorised=True),
    "vectorised, filled": Way(vectorised=True, joined=True, filled=True),
    "vectorised, apart, filled": Way(vectorised=True, filled=True),
    "loop, channels_last": Way(channels_last=True),
    "concat, channels_last": Way(joined=True, channels_last=True),
    "loop, recompute": Way(recompute=True),
    "concat, recompute": Way(joined=True, recompute=True),
    "vectorised, channels_last": Way(vectorised=True, joined=True, channels_last=True),
}
CALLED_OTHERWISE = ["concat", "vectorised", "vectorised, apart", "vectorised, filled"]
OBJECTIVES = ["NonSaturating", "Minimax", "Wasserstein", "NeuralNetDistance", "Hinge", "LeastSquares"]


def networks(norm):
    convolution = spectral_norm(nn.Conv2d(2, 4, 3, padding=1)) if norm == "spectral" else nn.Conv2d(2, 4, 3, padding=1)
    generator = (
        nn.Sequential(nn.Linear(LATENT_DIM, 16), nn.Unflatten(1, (4, 2, 2)), NORMS[norm](), nn.Tanh())
        if norm != "layer"
        else nn.Sequential(nn.Linear(LATENT_DIM, 16), nn.LayerNorm(16), nn.Unflatten(1, (4, 2, 2)))
    )
    generator.append(nn.ConvTranspose2d(4, 2, 4, 2, 1))
    return generator, nn.Sequential(convolution, NORMS[norm](), nn.Tanh(), nn.Flatten(), nn.Linear(64, 1))


def game(norm="none", objective="NonSaturating", size=(3, 3), fakes="full"):
    make = lambda: GAN(*networks(norm), objective=getattr(objectives, objective)(), latent_dim=LATENT_DIM)  # noqa: E731
    return mix(make, size[0], num_discriminators=size[1], fakes=fakes).double()


def played(model, way, steps=2):
    """Some steps of both players' losses and gradients, with a little descent between them, on a copy."""
    model = deepcopy(model)
    model.pairs.evaluate(way)
    torch.manual_seed(1)
    w_u, w_v = torch.rand(len(model.generators)).double(), torch.rand(len(model.discriminators)).double()
    found = []
    for _ in range(steps):
        images = torch.rand(13, *SHAPE, dtype=torch.float64) * 2 - 1
        for player, opponent, losses in (
            (model.discriminators, model.generators, model.discriminator_losses),
            (model.generators, model.discriminators, model.generator_losses),
        ):
            opponent.requires_grad_(False)
            player.requires_grad_(True)
            player.zero_grad()
            matrix = losses(images)
            expectation(w_u, matrix, w_v).backward()
            found += [matrix, *(p.grad.clone() for p in player.components.parameters())]
            with torch.no_grad():
                for parameter in player.components.parameters():
                    parameter -= 0.1 * parameter.grad
            found.append(model.pairs.payoff())
        found += [buffer.clone() for buffer in model.buffers()]
    return found, torch.get_rng_state()


def difference(found, expected):
    assert len(found) == len(expected)
    return max(float((a - b).detach().abs().max()) for a, b in zip(found, expected, strict=True) if a.numel())


def is_exact(norm, way, shares_differ):
    """What the layers let expect: batch statistics couple samples, and a spectral norm goes on with every call."""
    if norm == "batch":
        return not way.joined and not (way.filled and shares_differ)
    return norm != "spectral" or not (way.joined or way.vectorised)


@pytest.mark.parametrize("fakes", ["full", "split"])
@pytest.mark.parametrize("size", [(1, 1), (3, 3), (2, 4), (5, 2)], ids="{0[0]}x{0[1]}".format)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("norm", NORMS)
def test_a_way_gives_the_same_as_plain_loops_or_is_found_not_to(norm, way, size, fakes):
    model = game(norm, size=size, fakes=fakes)
    reason = Comparison(model.pairs, torch.rand(13, *SHAPE).double()).why_not(way)
    assert (reason is None) == is_exact(norm, way, fakes == "split" and size[0] > 1), reason
    if reason is None:
        (found, stream), (expected, reference) = played(model, way), played(model, Way())
        assert difference(found, expected) <= TOLERANCE
        assert torch.equal(stream, reference)


@pytest.mark.parametrize("fakes", ["full", "split"])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_is_the_same_in_every_way(objective, way, fakes):
    model = game("group", objective, (3, 2), fakes)
    (found, stream), (expected, reference) = played(model, way), played(model, Way())
    assert difference(found, expected) <= TOLERANCE
    assert torch.equal(stream, reference)


@pytest.mark.parametrize("fakes", ["full", "split"])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_training_with_a_fused_optimiser_ends_the_same(fit, monkeypatch, way, fakes):
    """Fused optimisers go by the memory of parameters and gradients: they must lie alike."""

    def make():
        optimizer = partial(torch.optim.Adam, lr=1e-2, betas=(0.5, 0.999), fused=True)
        return GAN(*networks("group"), latent_dim=LATENT_DIM, optimizer=optimizer)

    images = torch.rand(60, *SHAPE, dtype=torch.float64) * 2 - 1
    ends = []
    for each in (Way(), way):
        monkeypatch.setattr(choice, "choose", lambda *_, each=each, **__: each)
        torch.manual_seed(0)
        model = mix(make, 3, fakes=fakes).double()
        fit(model, images, seed=3)
        assert model.pairs.way == each
        ends.append([p.detach().clone() for p in model.parameters()])
    assert difference(*ends) <= 1e-9


def test_labels_stand_beside_their_rows_in_every_way(conditional_toy):
    model = mix(conditional_toy(), 3, fakes="full").double()
    batch = torch.randn(13, 2, dtype=torch.float64), torch.arange(13) % 3
    for fakes in ("full", "split"):
        model = mix(conditional_toy(), 3, fakes=fakes).double()
        expected = None
        for way in (Way(), *(WAYS[name] for name in CALLED_OTHERWISE)):
            copy = deepcopy(model)
            copy.pairs.evaluate(way)
            torch.manual_seed(1)
            found = torch.stack([copy.discriminator_losses(batch), copy.generator_losses(batch)])
            expected = found if expected is None else expected
            assert difference([found], [expected]) <= TOLERANCE


class TwoHeaded(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head, self.codes = nn.Linear(2, 4), nn.Linear(4, 1), nn.Linear(4, 3)

    def forward(self, points):
        features = self.body(points).tanh()
        return {"validity": self.head(features), "codes": self.codes(features)}


class InfoLike(GAN):
    """Own rules of all kinds: structured outputs and latents, losses that see real scores, an auxiliary term."""

    def latents(self, n, batch):
        return {"noise": super().latents(n, batch), "codes": torch.rand(n, 3, dtype=self.like.dtype)}

    def generate(self, generator, latents, batch):
        return generator(latents["noise"])

    def discriminator_objective(self, real, fake, latents, batch):
        codes = (fake["codes"] - latents["codes"]).square().mean()
        return super().discriminator_objective(real, fake, latents, batch) + codes

    def generator_objective(self, fake, real, latents, batch):
        return (real()["validity"].mean() - fake["validity"]).square().mean() + (batch * latents["codes"][:, :2]).mean()

    def generator_auxiliary(self, images, latents, batch):
        return (images * latents["codes"][:, 1:]).mean()


@pytest.mark.parametrize("fakes", ["full", "split"])
@pytest.mark.parametrize("way", [WAYS[name] for name in CALLED_OTHERWISE], ids=str)
def test_rules_of_the_users_are_the_same_in_every_way(way, fakes):
    make = lambda: InfoLike(nn.Linear(LATENT_DIM, 2), TwoHeaded(), latent_dim=LATENT_DIM)  # noqa: E731
    model = mix(make, 3, num_discriminators=2, fakes=fakes).double()
    batch = torch.randn(13, 2, dtype=torch.float64)
    assert Comparison(model.pairs, batch).why_not(way) is None
    losses = []
    for each in (Way(), way):
        copy = deepcopy(model)
        copy.pairs.evaluate(each)
        torch.manual_seed(1)
        losses.append([copy.discriminator_losses(batch), copy.generator_losses(batch)])
        sum(matrix.square().sum() for matrix in losses[-1]).backward()
        losses[-1] += [p.grad for p in copy.parameters() if p.grad is not None]
    assert difference(*losses) <= TOLERANCE


def test_a_dataset_whose_batches_differ_in_size_is_played_in_every_way(fit):
    labels = torch.arange(37)
    images = torch.rand(37, *SHAPE, dtype=torch.float64) * 2 - 1
    ends = []
    for evaluation in ("loop", "concat", "vectorised"):
        torch.manual_seed(0)
        model = game(fakes="split")
        model._evaluation.asked = evaluation
        fit(model, DataLoader(TensorDataset(images, labels), 15), seed=1)  # 15, 15, 7
        ends.append([p.detach().clone() for p in model.parameters()])
    assert difference(ends[1], ends[0]) <= 1e-9
    assert difference(ends[2], ends[0]) <= 1e-9


def adam():
    return partial(torch.optim.Adam, lr=1e-2, betas=(0.5, 0.999), fused=True)


def trained(fit, make, **options):
    torch.manual_seed(0)
    model = mix(make, 3, **options).double()
    fit(model, torch.randn(48, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2)), seed=1)
    return [t.detach().clone() for t in model.state_dict().values()]


@pytest.mark.parametrize("resumed", ["concat", "auto", "vectorised"])
def test_a_fused_optimiser_goes_on_where_the_memory_format_changes(fit, tmp_path, resumed):
    make = lambda: GAN(*networks("none"), latent_dim=LATENT_DIM, optimizer=adam())  # noqa: E731
    images = torch.rand(32, *SHAPE, dtype=torch.float64) * 2 - 1
    torch.manual_seed(0)
    fit(mix(make, 3, evaluation="loop").double(), images, seed=1).save_checkpoint(tmp_path / "a.ckpt")
    contents = torch.load(tmp_path / "a.ckpt")
    del contents["mixgan_lightning"]["evaluation"]  # as of an earlier version
    torch.save(contents, tmp_path / "a.ckpt")
    ends = []
    for evaluation in ("loop", resumed):
        model = mix(make, 3, evaluation=evaluation).double()
        fit(model, images, seed=5, ckpt_path=tmp_path / "a.ckpt", max_epochs=2)
        ends.append([p.detach().clone() for p in model.parameters()])
    assert difference(*ends) <= 1e-9


class Added(nn.Module):
    """Two parameters with one and the same gradient."""

    def __init__(self):
        super().__init__()
        self.base, self.delta = nn.Parameter(torch.randn(2, 1)), nn.Parameter(torch.randn(2, 1))

    def forward(self, points):
        return points @ (self.base + self.delta)


def test_gradients_that_are_equal_are_clipped_once_each(fit):
    make = lambda: GAN(nn.Linear(LATENT_DIM, 2), Added(), latent_dim=LATENT_DIM)  # noqa: E731
    loop, ours = (trained(fit, make, evaluation=way, gradient_clip=1e-2) for way in ("loop", "vectorised"))
    assert difference(loop, ours) <= 1e-9


class WithGradientNorm(MixGANModule):
    def generator_losses(self, batch):
        losses = super().generator_losses(batch)
        (gradient,) = torch.autograd.grad(losses.sum(), self.generators.components[0].weight, create_graph=True)
        return losses + gradient.square().sum()


def test_a_loss_of_ones_own_may_ask_autograd_for_gradients(fit):
    ends = []
    for evaluation in ("loop", "auto"):
        torch.manual_seed(0)
        make = lambda: GAN(nn.Linear(LATENT_DIM, 2), nn.Linear(2, 1), latent_dim=LATENT_DIM)  # noqa: E731
        model = WithGradientNorm(make, 3, evaluation=evaluation).double()
        points = torch.randn(32, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
        fit(model, points, seed=1)
        ends.append([p.detach().clone() for p in model.parameters()])
    assert model.pairs.way.vectorised
    assert difference(*ends) <= 1e-9
