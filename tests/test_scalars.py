import csv
import math

import pytest
import torch
from pytorch_lightning.loggers import CSVLogger

from mixgan_lightning import log_names, mix, scalars
from mixgan_lightning.objectives import Hinge, Minimax, NonSaturating, Wasserstein
from mixgan_lightning.penalties import R1

BATCH, SEED = 14, 3


@pytest.fixture
def logged(fit, tmp_path):
    """``logged(model, data, **trainer)``: the rows of metrics.csv, numbers where there are numbers."""

    def train(model, data, log_every_n_steps=1, **options):
        logger = CSVLogger(tmp_path, name="", version="")
        fit(model, data, batch_size=BATCH, seed=SEED, logger=logger, log_every_n_steps=log_every_n_steps, **options)
        with open(tmp_path / "metrics.csv") as file:
            return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]

    return train


def skewed(model):
    with torch.no_grad():
        for mixture in (model.generators, model.discriminators):
            mixture.log_probabilities.copy_(torch.randn(len(mixture)))
    return model


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.5)  # large: weights before and after the step are far apart


def test_every_step_logs_the_names_of_the_game(logged, toy):
    rows = logged(mix(toy(), 2), torch.randn(3 * BATCH, 2))
    names = {
        log_names.IMAGES_SEEN,
        log_names.GENERATOR_LOSS,
        log_names.DISCRIMINATOR_LOSS,
        log_names.REAL_SCORE,
        log_names.FAKE_SCORE,
        log_names.PAYOFF_VALUE,
        log_names.gradient_norm("generator"),
        log_names.gradient_norm("discriminator"),
    }
    assert [set(row) - {"epoch", "step"} for row in rows] == [names] * 3
    assert [row["images_seen"] for row in rows] == [BATCH, 2 * BATCH, 3 * BATCH]
    assert all(math.isfinite(value) for row in rows for value in row.values())


@pytest.mark.parametrize("objective", [NonSaturating, Minimax, Hinge, Wasserstein])
def test_the_payoff_logged_is_the_one_played_computed_by_hand(logged, toy, objective):
    """w_uᵀ F w_v from the networks and weights before the step; −(the discriminators' loss), whatever G minimises."""
    model = skewed(mix(toy(objective=objective(), penalty=R1(5.0), optimizer=sgd), 2, num_discriminators=3)).double()
    real = torch.randn(BATCH, 2, dtype=torch.float64)
    torch.manual_seed(SEED)
    latents = torch.randn(BATCH, 3, dtype=torch.float64)
    payoff = real_score = fake_score = 0.0
    with torch.no_grad():
        for i, (w_i, g) in enumerate(zip(model.generators.weights, model.generators, strict=True)):
            half = slice(7 * i, 7 * i + 7)
            for w_j, d in zip(model.discriminators.weights, model.discriminators, strict=True):
                r, f = d(real[half]).flatten(), d(g(latents[half])).flatten()
                entry = {
                    Wasserstein: r.mean() - f.mean(),
                    Hinge: -(1 - r).clamp(min=0).mean() - (1 + f).clamp(min=0).mean(),
                }.get(objective, r.sigmoid().log().mean() + (1 - f.sigmoid()).log().mean())
                payoff += float(w_i * w_j * entry)
                fake_score += float(w_i * w_j * f.mean())
        for w_j, d in zip(model.discriminators.weights, model.discriminators, strict=True):
            real_score += float(w_j * d(real).mean())

    (row,) = logged(model, real)
    assert abs(row["payoff/value"] - payoff) < 1e-6  # Lightning logs in float32
    assert abs(row["loss/discriminator"] + payoff) < 1e-6
    assert abs(row["score/real"] - real_score) < 1e-6
    assert abs(row["score/fake"] - fake_score) < 1e-6


def test_the_generators_loss_is_their_weighted_objective_without_the_regulariser(logged, toy):
    model = skewed(mix(toy(objective=Wasserstein(), optimizer=sgd), 2, entropy_weight=3.0, fakes="full"))
    seen = []
    losses = model.generator_losses

    def spy(batch):
        found = losses(batch)
        seen.append(float(model.generators.weights.detach() @ found.detach() @ model.discriminators.weights.detach()))
        return found

    model.generator_losses = spy
    (row,) = logged(model, torch.randn(BATCH, 2))
    assert abs(row["loss/generator"] - seen[0]) < 1e-6


def test_gradient_norms_are_over_all_networks_of_a_player_before_clipping_without_alpha(logged, toy):
    model = skewed(mix(toy(), 3))
    rows = logged(model, torch.randn(BATCH, 2))
    for player, mixture in (("generator", model.generators), ("discriminator", model.discriminators)):
        squares = sum(float(p.grad.square().sum()) for p in mixture.components.parameters())
        assert abs(rows[0][f"gradient_norm/{player}"] / math.sqrt(squares) - 1) < 1e-5


def test_the_norm_logged_is_the_one_before_clipping(logged, toy):
    rows = logged(mix(toy(), 2, gradient_clip=1e-4), torch.randn(BATCH, 2))
    assert rows[0]["gradient_norm/discriminator"] > 1e-3


@pytest.mark.parametrize("every", [1, 4, 5])
def test_values_are_logged_every_so_many_batches_across_epochs(logged, toy, every):
    rows = logged(mix(toy(), 2), torch.randn(6 * BATCH, 2), log_every_n_steps=every, max_epochs=2)
    expected = [BATCH * k for k in range(every, 13, every)]
    assert [row["images_seen"] for row in rows] == expected
    assert all("gradient_norm/generator" in row and "payoff/value" in row for row in rows)


def test_a_generators_loss_stands_until_the_next_generator_step(logged, toy):
    """Lightning repeats the last value of a name within an epoch."""
    rows = logged(mix(toy(), 2, n_critic=3), torch.randn(6 * BATCH, 2))
    found = [row.get("loss/generator") for row in rows]
    assert found[:2] == [None, None]
    assert found[2] == found[3] == found[4] != found[5]
    assert len({row["loss/discriminator"] for row in rows}) == 6


def test_nothing_is_computed_between_logging_steps(fit, toy, monkeypatch):
    """Logging a step costs as much as a small step itself (FACTS §8): so it is not done for nothing."""
    calls = []
    monkeypatch.setattr(scalars, "payoff", lambda *_: calls.append(1) or {})
    fit(mix(toy(), 2), torch.randn(6 * BATCH, 2), batch_size=BATCH, log_every_n_steps=3)
    assert len(calls) == 2


def test_gradient_norm_of_a_player_without_gradients_is_zero(toy):
    assert scalars.gradient_norm(mix(toy(), 2).generators) == 0
