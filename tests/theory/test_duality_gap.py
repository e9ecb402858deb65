"""Games of one matrix or two numbers, whose duality gap is known, and GANs of points."""

import random
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from mixgan_lightning import GAN, MixGANModule, mix
from mixgan_lightning.data import GaussiansRing
from mixgan_lightning.errors import ConfigurationError, DataError, GANError, TrainingError
from mixgan_lightning.networks import MLPDiscriminator, MLPGenerator
from mixgan_lightning.objectives import Minimax, NonSaturating, Wasserstein
from mixgan_lightning.payoff import payoff_matrix
from mixgan_lightning.penalties import R1, WeightClipping
from mixgan_lightning.sampling import chunk_seed
from mixgan_lightning.theory import duality_gap, matrix_gap

ROCK_PAPER_SCISSORS = torch.tensor([[0.0, 1, -1], [-1, 0, 1], [1, -1, 0]])
ADAM = partial(torch.optim.Adam, lr=0.1)


# ---------------------------------------------------------------------------------------- rock, paper, scissors


class Plays(nn.Module):
    """A mixed action p = softmax(θ), whatever the latent."""

    def __init__(self):
        super().__init__()
        self.action = nn.Parameter(torch.randn(3))

    def forward(self, latents):
        return self.action.softmax(0).expand(len(latents), 3)


class Answers(Plays):
    """A mixed action q: D(y) = −yᵀ A q, so that on real data 0 the payoff for f = x is pᵀ A q."""

    def forward(self, points):
        return -points @ ROCK_PAPER_SCISSORS @ self.action.softmax(0)


def rock_paper_scissors(actions_u, actions_v, sure=3.0):
    """Each component plays one action almost surely, p = (0.91, 0.045, 0.045), so that it can learn another."""
    model = mix(
        lambda: GAN(Plays(), Answers(), Wasserstein(), latent_dim=1, optimizer=ADAM),
        len(actions_u),
        num_discriminators=len(actions_v),
    )
    for mixture, actions in ((model.generators, actions_u), (model.discriminators, actions_v)):
        for network, action in zip(mixture, actions, strict=True):
            network.action.data = sure * torch.eye(3)[action]
    return model


def test_rock_paper_scissors_played_uniformly_is_an_equilibrium():
    found = duality_gap(rock_paper_scissors((0, 1, 2), (0, 1, 2)), torch.zeros(8, 3), steps=100)
    assert found.gap == pytest.approx(0, abs=1e-6)
    assert (found.best_discriminator, found.best_generator) == pytest.approx((0, 0), abs=1e-6)


def test_rock_against_rock_gains_one_by_paper_for_each_player():
    """With p = q = (a, b, b): the best answer gets a − b, so DG = 2 (a − b), 2 where the action is sure."""
    model = rock_paper_scissors((0,), (0,), sure=6.0)
    a, b, _ = model.generators.components[0].action.softmax(0).tolist()
    found = duality_gap(model, torch.zeros(8, 3), steps=300)
    assert found.gap == pytest.approx(2 * (a - b), abs=0.02)
    assert found.gap == pytest.approx(2, abs=0.05)
    assert (found.best_discriminator, found.best_generator) == pytest.approx((1, -1), abs=0.03)
    assert found.payoff == pytest.approx(0, abs=1e-6)
    assert found.epsilon == found.gap / 2


def test_the_gap_of_the_matrix_is_a_lower_bound():
    """Without paper among the components, the matrix does not show what paper would gain."""
    model = rock_paper_scissors((0, 2), (0, 2))
    payoff = payoff_matrix(model.gan, model.generators, model.discriminators, [torch.zeros(4, 3)])
    of_matrix = float(matrix_gap(payoff, model.generators.weights, model.discriminators.weights).detach())
    found = duality_gap(model, torch.zeros(8, 3), steps=200)
    assert found.gap > of_matrix + 0.1 > 0.1


def test_more_steps_find_better_responses():
    gaps = [duality_gap(rock_paper_scissors((0,), (0,)), torch.zeros(8, 3), steps=n).gap for n in (1, 10, 100)]
    assert gaps[0] < gaps[1] < gaps[2]


def weighted(model, w_u, w_v):
    model.generators.log_probabilities.data = torch.tensor(w_u).log()
    model.discriminators.log_probabilities.data = torch.tensor(w_v).log()
    return model


def test_each_player_answers_the_weights_of_the_other():
    """Against rock by .1 and paper by .9 scissors are best; against both by ½ paper would be."""
    model = weighted(rock_paper_scissors((0, 1), (0, 1), sure=9.0), [0.1, 0.9], [0.1, 0.9])
    found = duality_gap(model, torch.zeros(8, 3), steps=300)
    assert (found.best_discriminator, found.best_generator) == pytest.approx((0.8, -0.8), abs=0.02)


def test_a_response_begins_with_the_best_component():
    model = weighted(rock_paper_scissors((0, 1, 2), (0, 1, 2)), [0.7, 0.2, 0.1], [0.2, 0.1, 0.7])
    payoff = payoff_matrix(model.gan, model.generators, model.discriminators, [torch.zeros(4, 3)])
    found = duality_gap(model, torch.zeros(8, 3), steps=1)
    w_u, w_v = model.generators.weights.detach(), model.discriminators.weights.detach()
    assert found.best_generator <= float((payoff @ w_v).min()) + 1e-6
    assert found.best_discriminator >= float((w_u @ payoff).max()) - 1e-6
    assert found.matrix_gap == pytest.approx(float(matrix_gap(payoff, w_u, w_v)), abs=1e-6)
    assert found.matrix_gap <= found.gap


def test_where_all_is_frozen_the_copies_learn_and_it_is_said():
    """As after Lightning's ``freeze``."""
    free = duality_gap(rock_paper_scissors((0,), (0,)), torch.zeros(8, 3), steps=50)
    model = rock_paper_scissors((0,), (0,))
    model.freeze()
    with pytest.warns(UserWarning, match=r"every parameter of the (generator|discriminator)s is frozen"):
        found = duality_gap(model, torch.zeros(8, 3), steps=50)
    assert found == free
    assert not any(parameter.requires_grad for parameter in model.parameters())


# ---------------------------------------------------------------------------------------- two numbers


class Point(nn.Module):
    """tanh θ, whatever the latent."""

    def __init__(self, theta=0.0):
        super().__init__()
        self.theta = nn.Parameter(torch.tensor(theta))

    def forward(self, latents):
        return self.theta.tanh().expand(len(latents), 1)


class Slope(nn.Module):
    def __init__(self, psi=0.0):
        super().__init__()
        self.psi = nn.Parameter(torch.tensor(psi))

    def forward(self, points):
        return self.psi * points


def dirac(theta, psi, **options):
    """The Dirac-GAN (Mescheder et al. 2018), clipped: F = −ψ tanh θ on data 0, |ψ| ≤ ½; the equilibrium is (0, 0)."""
    options = {"objective": Wasserstein(), "penalty": WeightClipping(0.5), "optimizer": ADAM} | options
    return mix(lambda: GAN(Point(theta), Slope(psi), latent_dim=1, **options), 1)


@pytest.mark.parametrize(("theta", "psi"), [(0.0, 0.0), (0.5, 0.25), (-1.0, 0.1), (0.3, 0.0)])
def test_the_clipped_dirac_gans_gap_is_half_tanh_theta_and_psi(theta, psi):
    """max over |ψ'| ≤ ½ of −ψ' tanh θ = |tanh θ| / 2; min over θ' of −ψ tanh θ' = −|ψ|."""
    found = duality_gap(dirac(theta, psi), torch.zeros(8, 1), steps=200)
    best = abs(torch.tensor(theta).tanh().item()) / 2
    assert found.best_discriminator == pytest.approx(best, abs=1e-5)
    assert found.best_generator == pytest.approx(-abs(psi), abs=0.01)
    assert found.gap == pytest.approx(best + abs(psi), abs=0.01)


def test_the_payoff_is_the_papers_whatever_loss_the_generator_minimises():
    """Of F on scores, with f = log: at the equilibrium (0, 0) all three values are −2 log 2."""
    for objective in (NonSaturating(), Minimax()):
        found = duality_gap(dirac(0.0, 0.0, objective=objective), torch.zeros(8, 1), steps=20)
        values = (found.best_discriminator, found.payoff, found.best_generator)
        assert values == pytest.approx((-1.386294,) * 3, abs=1e-5)
    ends = [
        duality_gap(dirac(0.5, 0.25, objective=objective), torch.zeros(8, 1), steps=20)
        for objective in (NonSaturating(), Minimax())
    ]
    assert ends[0] == ends[1]


def test_a_penalty_keeps_the_discriminator_in_its_class_and_is_no_part_of_the_payoff():
    free, smooth = (
        duality_gap(dirac(0.5, 0.25, penalty=penalty), torch.zeros(8, 1), steps=100) for penalty in (None, R1(10.0))
    )
    assert 0 < smooth.best_discriminator < free.best_discriminator / 10
    assert smooth.best_generator == free.best_generator


def test_a_response_that_its_training_made_worse_is_not_taken():
    """Ascent with so large a step leaves the only bump of F."""

    class Bump(nn.Module):
        def __init__(self):
            super().__init__()
            self.at = nn.Parameter(torch.tensor(0.1))

        def forward(self, points):
            return torch.exp(-self.at.square()) * torch.ones(len(points)) * (points[:, 0] > 0)

    leap = partial(torch.optim.SGD, lr=1e4)
    model = mix(lambda: GAN(Point(-1.0), Bump(), Wasserstein(), latent_dim=1, optimizer=leap), 1)
    found = duality_gap(model, torch.ones(8, 1), steps=3)
    assert found.best_discriminator == found.payoff == pytest.approx(float(torch.tensor(-0.01).exp()))


def test_a_generator_that_its_training_made_worse_is_not_taken():
    class Peak(nn.Module):
        def __init__(self):
            super().__init__()
            self.at = nn.Parameter(torch.tensor(0.1))

        def forward(self, latents):
            return torch.exp(-self.at.square()).expand(len(latents), 1)

    leap = partial(torch.optim.SGD, lr=1e4)
    model = mix(lambda: GAN(Peak(), Slope(1.0), Wasserstein(), latent_dim=1, optimizer=leap), 1)
    found = duality_gap(model, torch.zeros(8, 1), steps=3)
    assert found.best_generator == found.payoff == pytest.approx(-float(torch.tensor(-0.01).exp()))


class FarPenalised(GAN):
    """Penalises slopes on fakes beyond .9 alone."""

    def penalty(self, discriminator, real, fake):
        return 1e3 * (discriminator(fake) * (fake[:, 0] > 0.9)).square().mean()


def test_penalties_are_weighted_as_the_generators_are():
    """The generator beyond .9 has hardly any weight, so D' is hardly kept from a steep slope."""
    points, slopes = iter([-0.5, 3.0]), iter([0.0, 0.1])
    options = {"objective": Wasserstein(), "latent_dim": 1, "optimizer": ADAM}
    model = mix(lambda: FarPenalised(Point(next(points)), Slope(next(slopes)), **options), 2)
    weighted(model, [1 - 1e-9, 1e-9], [0.5, 0.5])
    assert duality_gap(model, torch.zeros(8, 1), steps=100).best_discriminator > 1


class OfLabels(GAN):
    """Scores change their sign with the label; fakes have labels of their own, 1."""

    def images(self, batch):
        return batch[0]

    def fake_batch(self, latents, batch):
        return batch[0], torch.ones_like(batch[1])

    def score(self, discriminator, images, batch):
        return (discriminator(images) * (2 * batch[1][:, None] - 1)).flatten()


def test_fakes_are_scored_beside_their_own_labels():
    model = mix(
        lambda: OfLabels(
            Point(0.5), Slope(0.25), Wasserstein(), latent_dim=1, penalty=WeightClipping(0.5), optimizer=ADAM
        ),
        1,
    )
    found = duality_gap(model, (torch.zeros(8, 1), torch.zeros(8)), steps=200)
    assert found.best_discriminator == pytest.approx(float(torch.tensor(0.5).tanh()) / 2, abs=1e-5)
    assert found.best_generator == pytest.approx(-0.25, abs=0.01)


# ---------------------------------------------------------------------------------------- GANs of points


def points_gan(**options):
    return GAN(MLPGenerator((2,), 2, (16,), bounded=False), MLPDiscriminator((2,), (16,)), latent_dim=2, **options)


@pytest.fixture
def ring():
    """1,000 points of eight Gaussians on a circle."""
    data = GaussiansRing(num_samples=5_000)
    data.setup("fit")
    return data.validation.tensors[0]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_training_brings_the_players_nearer_to_an_equilibrium(fit, ring, seed):
    torch.manual_seed(seed)
    model = mix(lambda: points_gan(optimizer=partial(torch.optim.Adam, lr=3e-3, betas=(0.5, 0.999))), 3)
    before = duality_gap(model, ring, steps=100)
    fit(model, ring, batch_size=50, max_epochs=20)
    after = duality_gap(model, ring, steps=100)
    assert after.gap < before.gap / 2
    assert before.best_generator < before.payoff < before.best_discriminator


def test_the_sizes_of_the_halves_and_the_steps_are_reported(ring):
    found = duality_gap(mix(points_gan, 2), ring[:101], steps=3)
    assert (found.steps, found.train_samples, found.held_out_samples) == (3, 51, 50)


def test_the_payoff_is_the_matrix_on_the_half_that_no_response_has_seen(ring):
    model = mix(points_gan, 3, num_discriminators=2)
    with torch.no_grad():
        model.generators.log_probabilities.copy_(torch.tensor([0.0, 1.0, -1.0]))
        model.discriminators.log_probabilities.copy_(torch.tensor([0.5, 0.0]))
    found = duality_gap(model, ring[:64], steps=1, seed=5)
    payoff = payoff_matrix(model.gan, model.generators, model.discriminators, [ring[1:64:2]], chunk_seed(5, 1))
    expected = model.generators.weights @ payoff @ model.discriminators.weights
    assert found.payoff == pytest.approx(float(expected.detach()), abs=1e-6)


def noisy_gan():
    """BatchNorm has buffers to disturb, Dropout draws, spectral_norm keeps a weight that deepcopy refuses."""
    generator = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    first = torch.nn.utils.spectral_norm(nn.Linear(2, 8))
    return GAN(generator, nn.Sequential(first, nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, 1)), latent_dim=2)


def test_nothing_of_the_model_and_no_random_stream_changes(ring, fit):
    model = mix(noisy_gan, 2)
    fit(model, ring[:64])
    model.generators.components[0].eval()
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    streams = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    found = duality_gap(model, ring, steps=5)
    assert found.best_discriminator > found.payoff  # something was trained
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in state.items())
    assert modes == [module.training for module in model.modules()]
    assert all(bool((parameter.grad == 1).all()) and parameter.requires_grad for parameter in model.parameters())
    assert torch.equal(streams[0], torch.get_rng_state())
    assert streams[1:] == (np.random.get_state()[1].tolist(), random.getstate())  # noqa: NPY002
    with pytest.raises(AttributeError, match="has no generator of its own"):
        model.gan.generator  # noqa: B018


def test_the_same_seed_gives_the_same_number_and_another_another(ring):
    model = mix(noisy_gan, 2)
    first = duality_gap(model, ring, steps=5, seed=1)
    torch.rand(7)
    assert duality_gap(model, ring, steps=5, seed=1) == first
    assert duality_gap(model, ring, steps=5, seed=2).gap != first.gap


def test_a_negative_estimate_is_kept_and_said():
    """The responses learn from even rows what is wrong on odd ones."""
    torch.manual_seed(0)
    options = {"objective": Minimax(), "optimizer": partial(torch.optim.Adam, lr=0.05)}
    model = mix(lambda: GAN(nn.Linear(1, 1), MLPDiscriminator((1,), (16,)), latent_dim=1, **options), 1)
    for parameter in model.parameters():
        parameter.data.zero_()  # D = ½ everywhere: no generator gains
    model.discriminators.components[0].body[0].weight.data.normal_()
    model.discriminators.components[0].head.bias.data.zero_()
    rows = torch.tensor([3.0, -3.0]).repeat(8)[:, None]  # D' learns that 3 is real; then -3 is
    with pytest.warns(UserWarning, match="duality_gap: the estimate is negative"):
        found = duality_gap(model, rows, steps=100)
    assert found.is_negative
    assert found.gap == found.best_discriminator - found.best_generator < -0.1


def test_an_estimate_that_is_not_negative_is_no_matter_of_a_warning(ring):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not duality_gap(mix(points_gan, 2), ring, steps=20).is_negative


def test_a_conditional_gan_plays_with_its_labels(conditional_toy):
    model = mix(conditional_toy(), 2)
    labels = torch.arange(40) // 2 % 3
    data = torch.stack([labels.float(), torch.randn(40)], dim=1)
    found = duality_gap(model, (data, labels), steps=5)
    assert found.held_out_samples == 20
    with pytest.raises(DataError, match="this GAN is conditional"):
        duality_gap(model, data, steps=5)


# ---------------------------------------------------------------------------------------- the optimisers


def test_responses_are_trained_by_the_gans_own_optimisers_and_by_no_other_parameters(ring):
    """Each player's class and learning rate, that before a warm-up; a further network of the GAN does not learn."""
    used = []

    class Watched(torch.optim.SGD):
        def step(self, closure=None):
            used.append((self.param_groups[0]["lr"], [len(group["params"]) for group in self.param_groups]))
            return super().step(closure)

    class Encoding(GAN):
        def __init__(self):
            super().__init__(nn.Linear(2, 2), nn.Linear(2, 1), latent_dim=2)
            self.encoder = nn.Linear(2, 2)

        def configure_optimizers(self):
            of_g = Watched([{"params": self.generator.parameters()}, {"params": self.encoder.parameters()}], lr=0.1)
            of_d = Watched(self.discriminator.parameters(), lr=0.2)
            warm_up = torch.optim.lr_scheduler.LambdaLR(of_g, lambda epoch: min(1.0, epoch / 10))
            return [of_g, of_d], [warm_up]

    model = mix(Encoding, 2)
    for parameter in model.gan.encoder.parameters():
        parameter.grad = torch.ones_like(parameter)
    before = [parameter.clone() for parameter in model.gan.encoder.parameters()]
    duality_gap(model, ring, steps=2)
    assert used == [(0.1, [2, 0])] * 2 + [(0.2, [2])] * 2
    assert all(torch.equal(a, b) for a, b in zip(before, model.gan.encoder.parameters(), strict=True))


# ---------------------------------------------------------------------------------------- refused


class OwnLosses(MixGANModule):
    def discriminator_losses(self, batch):
        return super().discriminator_losses(batch)


@pytest.mark.parametrize("make", [lambda losses: OwnLosses(points_gan, 2), lambda losses: mix(losses, 2)])
def test_models_without_scores_are_told_what_there_is_instead(make, ring, module_with_losses):
    with pytest.raises(GANError, match=r"has no payoff.*neural_net_divergence.*matrix_gap"):
        duality_gap(make(module_with_losses), ring)


def test_data_are_taken_in_the_models_precision(ring):
    model = mix(points_gan, 2).double()
    assert duality_gap(model, ring, steps=2) == duality_gap(model, ring.double(), steps=2)
    assert duality_gap(model.float(), ring.double(), steps=2).gap > 0


def test_it_may_be_measured_in_inference_mode(ring):
    model = mix(points_gan, 2)
    expected = duality_gap(model, ring, steps=2)
    with torch.inference_mode():
        assert duality_gap(model, ring.clone(), steps=2) == expected


@pytest.mark.parametrize("wrap", [torch.utils.data.TensorDataset, torch.utils.data.DataLoader, torch.Tensor.numpy])
def test_data_are_one_batch(wrap, ring):
    with pytest.raises(DataError, match="expected real samples as one batch of the GAN, a tensor or"):
        duality_gap(mix(points_gan, 2), wrap(ring))


def test_data_of_another_shape_are_refused(ring):
    with pytest.raises(DataError, match=r"expected real samples of shape \(2,\), as the generators draw, got \(3,\)"):
        duality_gap(mix(points_gan, 2), torch.randn(40, 3))


def test_too_few_data_and_data_that_are_not_finite_are_refused(ring):
    model = mix(points_gan, 2)
    with pytest.raises(DataError, match="expected at least 4 real samples, two to train on and two held out, got 3"):
        duality_gap(model, ring[:3])
    ring[7, 1] = torch.nan
    with pytest.raises(DataError, match="expected finite data"):
        duality_gap(model, ring)


@pytest.mark.parametrize(("option", "value"), [("steps", 0), ("batch_size", 0), ("seed", -1)])
def test_numbers_that_cannot_be_are_refused(option, value, ring):
    with pytest.raises(ConfigurationError, match=f"{option}: expected a whole number"):
        duality_gap(mix(points_gan, 2), ring, **{option: value})


@pytest.mark.filterwarnings("ignore:the .* best response diverged to NaN")
def test_a_model_that_has_diverged_has_no_gap(ring):
    model = mix(points_gan, 2)
    for parameter in model.discriminators.components[1].parameters():
        parameter.data.fill_(torch.nan)
    with pytest.raises(TrainingError, match="the training has diverged"):
        duality_gap(model, ring, steps=1)
