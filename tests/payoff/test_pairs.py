import pytest
import torch
from torch import nn

from mixgan_lightning import GAN, mix
from mixgan_lightning.errors import GANError
from mixgan_lightning.objectives import BinaryCrossEntropy, Wasserstein
from mixgan_lightning.payoff import FullFakes, Pairs, SplitFakes, expectation
from mixgan_lightning.penalties import GradientPenalty

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
            assert torch.equal(images, batch[0]) or torch.equal(images[:, 0], labels.float())


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
    model.gan.score = lambda d, images, b: scored.append(torch.equal(images, batch[0])) or score(d, images, b)
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


# ------------------------------------------------------------------------------------------------ several outputs


class TwoHeaded(LatentsInBatch):
    """Scores (N, 1) and a feature of each sample; the losses are of both, row by row."""

    def score(self, discriminator, images, batch):
        return {"validity": discriminator(images), "feature": images.square().sum(1)}

    def discriminator_objective(self, real, fake, latents, batch):
        for outputs in (real, fake):
            assert outputs["validity"].shape == outputs["feature"].shape == (len(latents),)
        coupled = (real["feature"] * fake["validity"] - fake["feature"] * real["validity"]).mean()
        return super().discriminator_objective(real, fake, latents, batch) + coupled

    def generator_objective(self, fake, real, latents, batch):
        coupled = (fake["feature"] * real()["validity"] + latents[:, 0] * real()["feature"]).mean()
        return super().generator_objective(fake, real, latents, batch) + coupled


@pytest.mark.parametrize("fakes", [FullFakes(), SplitFakes()], ids=["full", "split"])
@pytest.mark.parametrize(("tu", "tv"), [(1, 1), (2, 4), (4, 2)])
def test_all_that_each_discriminator_gave_meets_row_by_row(toy, fakes, tu, tv):
    model, batch = game(toy, TwoHeaded, tu, tv)
    images, latents = batch
    pairs = pairs_of(model, fakes)
    found_d, found_g = pairs.discriminator_losses(batch), pairs.generator_losses(batch)
    payoff, softplus = pairs.payoff(), nn.functional.softplus
    for i, g in enumerate(model.generators):
        for j, d in enumerate(model.discriminators):
            r = rows(fakes.name == "split", 13, tu, i)
            x, h = images[r], latents[r]
            y = g(h)
            real, fake, of_x, of_y = d(x).flatten(), d(y).flatten(), x.square().sum(1), y.square().sum(1)
            adversarial = softplus(-real).mean() + softplus(fake).mean()
            of_d = adversarial + (of_x * fake - of_y * real).mean()
            of_g = softplus(-fake).mean() + (of_y * real + h[:, 0] * of_x).mean()
            assert abs((found_d[i, j] - of_d).detach()) < 1e-12
            assert abs((found_g[i, j] - of_g).detach()) < 1e-12
            assert abs((payoff[i, j] + adversarial).detach()) < 1e-12  # of the scores alone


@pytest.mark.parametrize("fakes", [FullFakes(), SplitFakes()], ids=["full", "split"])
def test_our_own_objectives_play_the_first_output_as_if_it_were_alone(toy, fakes):
    class Ignored(LatentsInBatch):
        def score(self, discriminator, images, batch):
            return discriminator(images), images

    model, batch = game(toy, LatentsInBatch, 3, 2)
    alone, first = pairs_of(model, fakes), pairs_of(model, fakes)
    expected = alone.discriminator_losses(batch), alone.generator_losses(batch), alone.payoff()
    model.gan.__class__ = Ignored
    found = first.discriminator_losses(batch), first.generator_losses(batch), first.payoff()
    for a, b in zip(found, expected, strict=True):
        assert torch.equal(a, b)


def test_a_penalty_is_on_the_scores_alone(toy):
    model, batch = game(toy, TwoHeaded, 2, 2, penalty=GradientPenalty(10.0))
    w = torch.ones(2).double() / 2
    pairs = pairs_of(model, FullFakes())
    pairs.discriminator_losses(batch)
    torch.manual_seed(1)
    found = pairs.penalty(batch, w, w)
    model.gan.__class__ = LatentsInBatch
    pairs.discriminator_losses(batch)
    torch.manual_seed(1)
    assert torch.equal(found, pairs.penalty(batch, w, w))


@pytest.mark.parametrize("fakes", ["full", "split"])
def test_a_mixture_of_two_headed_discriminators_trains_and_logs_its_payoff(fit, toy, fakes):
    class Trained(TwoHeaded):
        def latents(self, n, batch):
            return GAN.latents(self, n, batch)

    model = mix(toy(Trained), 3, num_discriminators=2, fakes=fakes)
    logged = fit(model, [(x, 0) for x in torch.randn(32, 2)], log_every_n_steps=1).callback_metrics
    assert all(torch.isfinite(logged[name]) for name in ("payoff/value", "score/real", "score/fake"))


@pytest.mark.parametrize("rule", ["discriminator_objective", "generator_objective", "payoff"])
@pytest.mark.parametrize(("loss", "got"), [(torch.zeros(13), r"shape \(13,\)"), (0.5, "float"), (None, "NoneType")])
def test_a_rule_that_gives_no_scalar_is_told(toy, rule, loss, got):
    kind = type("Wrong", (LatentsInBatch,), {rule: lambda self, *_: loss})
    model, batch = game(toy, kind, 2, 2)
    with pytest.raises(GANError, match=rf"{rule}: expected a scalar tensor, got {got}; take the mean"):
        (model.pairs.discriminator_losses(batch), model.pairs.generator_losses(batch), model.pairs.payoff())


# ------------------------------------------------------------------------------------------------ probabilities


@pytest.mark.parametrize("fakes", [FullFakes(), SplitFakes()], ids=["full", "split"])
def test_the_payoff_of_probabilities_is_equation_6_on_them(toy, fakes):
    class EndsInSigmoid(LatentsInBatch):
        def score(self, discriminator, images, batch):
            return discriminator(images).sigmoid()

    model, batch = game(toy, EndsInSigmoid, 3, 2, objective=BinaryCrossEntropy())
    pairs = pairs_of(model, fakes)
    losses = pairs.discriminator_losses(batch)
    for i, g in enumerate(model.generators):
        for j, d in enumerate(model.discriminators):
            r = rows(fakes.name == "split", 13, 3, i)
            equation_6 = d(batch[0][r]).sigmoid().log().mean() + (1 - d(g(batch[1][r])).sigmoid()).log().mean()
            assert abs((pairs.payoff()[i, j] - equation_6).detach()) < 1e-12
            assert abs((losses[i, j] + equation_6).detach()) < 1e-12


def test_a_saturated_discriminator_trains_without_nan(fit):
    """Logits of ±1e4: every probability is 0 or 1, and most are wrong."""

    class Saturated(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Linear(2, 1)

        def forward(self, images):
            return (1e4 * self.body(images)).sigmoid()

    model = mix(lambda: GAN(nn.Linear(3, 2), Saturated(), BinaryCrossEntropy(), latent_dim=3), 2)
    logged = fit(model, torch.randn(32, 2), log_every_n_steps=1).callback_metrics
    assert torch.isfinite(logged["payoff/value"])
    assert -200 <= logged["payoff/value"] < -1
    assert all(torch.isfinite(p).all() for p in model.parameters())


class Auxiliary(LatentsInBatch):
    """A term of one generator alone, that sees its images, latents and part of the batch."""

    def generator_auxiliary(self, images, latents, batch):
        return (images * batch[0]).mean() + latents[0, 0] if len(images) > self.least else None


@pytest.mark.parametrize("fakes", [FullFakes(), SplitFakes()], ids=["full", "split"])
def test_a_generators_own_term_stands_in_each_of_its_pairs(toy, fakes):
    model, batch = game(toy, Auxiliary, 3, 2)
    plain = Pairs(toy(LatentsInBatch)(), model.generators, model.discriminators, fakes)
    model.gan.least = 0
    found = pairs_of(model, fakes).generator_losses(batch) - plain.generator_losses(batch)
    for i, g in enumerate(model.generators):
        r = rows(fakes.name == "split", 13, 3, i)
        expected = (g(batch[1][r]) * batch[0][r]).mean() + batch[1][r][0, 0]
        assert (found[i] - expected).abs().max() < 1e-12
    model.gan.least = 100
    assert torch.equal(pairs_of(model, fakes).generator_losses(batch), plain.generator_losses(batch))


def test_a_generators_own_term_that_is_no_scalar_is_told(toy):
    class Wide(LatentsInBatch):
        def generator_auxiliary(self, images, latents, batch):
            return images.mean(1)

    model, batch = game(toy, Wide, 2, 2)
    with pytest.raises(GANError, match="generator_auxiliary: expected a scalar"):
        model.pairs.generator_losses(batch)
