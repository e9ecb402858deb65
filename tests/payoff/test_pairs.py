import pytest
import torch
from torch import nn

from mixgan_lightning import GAN, mix
from mixgan_lightning.objectives import Wasserstein
from mixgan_lightning.payoff import FullFakes, Pairs, SplitFakes, expectation

LATENT_DIM = 3


class LatentsInBatch(GAN):
    """Latents are the last columns of the batch: the same in every call, so pairs can be recomputed by hand."""

    def images(self, batch):
        return batch[0]

    def latents(self, n, batch):
        return batch[1] if isinstance(batch, tuple | list) and len(batch) > 1 else super().latents(n, batch)


class Relativistic(LatentsInBatch):
    """The generator's loss needs the real scores (Jolicoeur-Martineau 2019), row by row; an auxiliary term, latents."""

    def discriminator_objective(self, real, fake, latents, batch):
        return nn.functional.softplus(fake - real).mean() + (latents * batch[0].sum()).mean()

    def generator_objective(self, fake, real, latents, batch):
        return nn.functional.softplus(real() - fake).mean() + (latents[:, 0] * fake).mean() + batch[0][:, 0].mean()


def game(toy, kind, tu, tv, **options):
    model = mix(toy(kind, **options), tu, num_discriminators=tv).double()
    batch = (torch.randn(13, 2, dtype=torch.float64), torch.randn(13, LATENT_DIM, dtype=torch.float64))
    return model, batch


def rows(split, n, parts, i):
    sizes = [n // parts + (k < n % parts) for k in range(parts)]
    return slice(sum(sizes[:i]), sum(sizes[: i + 1])) if split else slice(None)


def pairs_of(model, fakes):
    return Pairs(model.gan, model.generators, model.discriminators, fakes)


@pytest.mark.parametrize("fakes", [FullFakes(), SplitFakes()], ids=["full", "split"])
@pytest.mark.parametrize(("tu", "tv"), [(1, 1), (3, 3), (2, 4), (4, 2)])
def test_every_pair_meets_and_its_rows_stand_side_by_side(toy, fakes, tu, tv):
    """Losses that couple real and fake rows, latents and batch: a row in the wrong place would show."""
    model, batch = game(toy, Relativistic, tu, tv)
    images, latents = batch
    pairs = pairs_of(model, fakes)
    found_d, found_g = pairs.discriminator_losses(batch), pairs.generator_losses(batch)
    assert found_d.shape == found_g.shape == (tu, tv)
    softplus = nn.functional.softplus
    for i, g in enumerate(model.generators):
        for j, d in enumerate(model.discriminators):
            r = rows(fakes.name == "split", 13, tu, i)
            x, h = images[r], latents[r]
            real, fake = d(x).flatten(), d(g(h)).flatten()
            of_d = softplus(fake - real).mean() + (h * x.sum()).mean()
            of_g = softplus(real - fake).mean() + (h[:, 0] * fake).mean() + x[:, 0].mean()
            assert abs((found_d[i, j] - of_d).detach()) < 1e-12
            assert abs((found_g[i, j] - of_g).detach()) < 1e-12


def test_labels_go_with_their_rows_to_both_networks(conditional_toy):
    model = mix(conditional_toy(), 3)
    labels = torch.arange(14) % 3
    batch = (torch.randn(14, 2), labels)
    seen = []
    score = model.gan.score
    model.gan.score = lambda d, images, b: seen.append((images, b[1])) or score(d, images, b)
    for fakes in (FullFakes(), SplitFakes()):
        seen.clear()
        pairs_of(model, fakes).discriminator_losses(batch)
        assert len(seen) == (3 + 9 if fakes.name == "full" else 3 + 3)
        for images, given in seen:
            assert torch.equal(given, labels)
            # the conditional generator writes the label into the first coordinate
            assert images is batch[0] or torch.equal(images[:, 0], labels.float())


def test_no_gradient_of_the_discriminators_losses_reaches_a_generator(toy):
    model, batch = game(toy, LatentsInBatch, 2, 2)
    model.pairs.discriminator_losses(batch).sum().backward()
    assert all(p.grad is None for p in model.generators.parameters())
    assert all(p.grad is not None for p in model.discriminators.components.parameters())


def test_real_scores_are_computed_in_a_generators_step_only_when_asked_for(toy):
    class Asks(LatentsInBatch):
        def generator_objective(self, fake, real, latents, batch):
            return (real().sum() + real().sum() + fake.sum()) if self.ask else fake.sum()

    model, batch = game(toy, Asks, 3, 2)
    scored = []
    score = model.gan.score
    model.gan.score = lambda d, images, b: scored.append(images is batch[0]) or score(d, images, b)
    for ask, times in ((False, 0), (True, 2)):  # once for each discriminator, however often asked
        model.gan.ask = ask
        scored.clear()
        model.pairs.generator_losses(batch)
        assert sum(scored) == times


@pytest.mark.parametrize(("fakes", "draws"), [(FullFakes(), 13), (SplitFakes(), 13)], ids=["full", "split"])
def test_one_batch_of_latents_is_drawn_a_step(toy, fakes, draws):
    class Counts(GAN):
        def latents(self, n, batch):
            drawn.append(n)
            return super().latents(n, batch)

    drawn = []
    model, _ = game(toy, Counts, 3, 3)
    pairs = pairs_of(model, fakes)
    pairs.discriminator_losses(torch.randn(13, 2, dtype=torch.float64))
    assert drawn == [draws]
    pairs.generator_losses(torch.randn(13, 2, dtype=torch.float64))
    assert drawn == [draws, draws]


def test_the_payoff_is_minus_the_adversarial_loss_of_the_last_discriminator_step(toy):
    model, batch = game(toy, LatentsInBatch, 2, 3)
    assert model.pairs.payoff() is None  # nothing played yet
    losses = model.pairs.discriminator_losses(batch)
    assert (model.pairs.payoff() + losses).abs().max() < 1e-14
    model.pairs.generator_losses(batch)
    assert (model.pairs.payoff() + losses).abs().max() < 1e-14  # a generator's step does not change it


def test_the_payoff_leaves_out_auxiliary_terms(toy):
    class Auxiliary(LatentsInBatch):
        def discriminator_objective(self, real, fake, latents, batch):
            return super().discriminator_objective(real, fake, latents, batch) + 100

    model, batch = game(toy, Auxiliary, 2, 2)
    losses = model.pairs.discriminator_losses(batch)
    assert (model.pairs.payoff() + losses - 100).abs().max() < 1e-12


class CountedPenalty(GAN):
    """Penalises pair (i, j) with a number that its images tell."""

    def penalty(self, discriminator, real, fake):
        self.seen.append((real, fake))
        return discriminator(real).sum() * 0 + fake.mean()


@pytest.mark.parametrize("fakes", [FullFakes(), SplitFakes()], ids=["full", "split"])
def test_penalties_are_weighted_by_the_weights_given_and_taken_once(toy, fakes):
    model, batch = game(toy, CountedPenalty, 2, 3)
    model.gan.seen = []
    pairs = pairs_of(model, fakes)
    w_u, w_v = torch.tensor([0.25, 0.75]).double(), torch.tensor([0.5, 0.3, 0.2]).double()
    pairs.discriminator_losses(batch)
    found = pairs.penalty(batch, w_u, w_v)
    means = [fake.mean() for _, fake in model.gan.seen]
    if fakes.name == "full":
        expected = sum(w_v[j] * w_u[i] * means[2 * j + i] for j in range(3) for i in range(2))
    else:
        expected = sum(w_v[j] * means[j] for j in range(3))
    assert abs((found - expected).detach()) < 1e-15
    assert all(len(real) == len(fake) == 13 for real, fake in model.gan.seen)


@pytest.mark.parametrize("fakes", [FullFakes(), SplitFakes()], ids=lambda fakes: fakes.name)
def test_penalties_of_a_game_that_a_subclass_plays_itself_are_on_fakes_drawn_anew(toy, fakes):
    model, batch = game(toy, CountedPenalty, 2, 3)
    model.gan.seen = []
    assert pairs_of(model, fakes).penalty(batch, torch.ones(2) / 2, torch.ones(3) / 3) is not None
    assert len(model.gan.seen) == (6 if fakes.name == "full" else 3)


def test_a_gan_without_a_penalty_draws_nothing_for_one(toy):
    model, batch = game(toy, GAN, 2, 3)
    torch.manual_seed(0)
    assert pairs_of(model, FullFakes()).penalty(batch, torch.ones(2) / 2, torch.ones(3) / 3) is None
    drawn = torch.rand(())
    torch.manual_seed(0)
    assert drawn == torch.rand(())


class OverEverything(Wasserstein):
    """A user's objective, that means over all it is given."""

    def discriminator_loss(self, real, fake):
        return fake.mean() - real.mean() + (real - fake.mean()).square().mean()


def test_an_objective_of_the_users_is_handed_one_discriminator_at_a_time(toy):
    model, batch = game(toy, GAN, 2, 3)
    model.gan.objective = OverEverything()
    losses, scores = model.pairs.discriminator_losses(batch), model.pairs.scores
    for i in range(2):
        for j in range(3):
            expected = OverEverything().discriminator_loss(scores.real[i][j], scores.fake[i][j])
            assert torch.equal(losses[i, j].detach(), expected)


def test_expectation_is_the_weighted_sum_over_pairs():
    w_u, w_v, matrix = torch.rand(3), torch.rand(4), torch.randn(3, 4)
    expected = sum(w_u[i] * matrix[i, j] * w_v[j] for i in range(3) for j in range(4))
    assert abs(expectation(w_u, matrix, w_v) - expected) < 1e-6


def test_expectation_stays_in_float32_under_autocast():
    w_u, w_v, matrix = torch.rand(3), torch.rand(4), torch.randn(3, 4)
    with torch.autocast("cpu", torch.bfloat16):
        found = expectation(w_u, matrix, w_v)
    assert found.dtype == torch.float32
    assert found == expectation(w_u, matrix, w_v)


def test_scores_in_bfloat16_are_averaged_in_float32(toy):
    model = mix(toy(), 2)
    with torch.autocast("cpu", torch.bfloat16):
        losses = model.pairs.discriminator_losses(torch.randn(13, 2))
    assert losses.dtype == torch.float32
    assert model.pairs.payoff().dtype == torch.float32
    assert all(scores.dtype == torch.float32 for scores in model.pairs.scores.real)
