from dataclasses import dataclass
from functools import partial

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from mixgan_lightning import GAN, MixGANModule, mix
from mixgan_lightning.errors import ConfigurationError, GANError
from mixgan_lightning.objectives import Objective, Wasserstein
from mixgan_lightning.penalties import WeightClipping
from mixgan_lightning.schedule import Played

SGD = partial(torch.optim.SGD, lr=0.1)


def set_log_probabilities(model, of_g, of_d):
    with torch.no_grad():
        model.generators.log_probabilities.copy_(torch.tensor(of_g))
        model.discriminators.log_probabilities.copy_(torch.tensor(of_d))
    return model


# ------------------------------------------------------------------------------------------------ log-probabilities


class NothingAtStake(Objective):
    """Every pair's loss is 0: what is left is the regulariser."""

    measuring_function = "0"

    def discriminator_loss(self, real, fake):
        return 0 * (real.sum(-1) + fake.sum(-1))

    def generator_loss(self, fake):
        return 0 * fake.sum(-1)


def test_each_player_descends_its_own_regulariser(fit, toy):
    """∂λR/∂α = λ (w − 1/T), for both players, with the same sign: read literally, the paper's max would flip D's."""
    model = mix(toy(objective=NothingAtStake(), optimizer=SGD), 3, num_discriminators=4, entropy_weight=2.0).double()
    set_log_probabilities(model, [1.0, 0.0, -1.0], [0.5, 2.0, 0.0, -1.0])
    before = [m.weights.detach().clone() for m in (model.generators, model.discriminators)]
    fit(model, torch.randn(16, 2, dtype=torch.float64))
    for mixture, w in zip((model.generators, model.discriminators), before, strict=True):
        assert (mixture.log_probabilities.grad - 2.0 * (w - 1 / len(w))).abs().max() < 1e-15
        assert mixture.entropy_penalty() < -w.log().mean()  # smaller than before: nearer to uniform


def test_the_regulariser_pulls_both_players_weights_to_uniform(fit, toy):
    sizes = {}
    for entropy_weight in (0.0, 10.0):
        torch.manual_seed(0)
        model = mix(
            toy(optimizer=partial(torch.optim.SGD, lr=1e-2)), 3, entropy_weight=entropy_weight, log_probability_lr=0.1
        )
        set_log_probabilities(model, [2.0, 0.0, 0.0], [0.0, 0.0, 2.0])
        start = float(model.generators.effective_size)
        fit(model, torch.randn(320, 2))
        sizes[entropy_weight] = float(model.generators.effective_size), float(model.discriminators.effective_size)
    assert all(size > 2.95 for size in sizes[10.0])
    assert all(abs(size - start) < 0.2 for size in sizes[0.0])
    assert start < 2.4


class Advantage(Objective):
    """The loss is the mean score of the fakes: the game is decided by which networks score how much."""

    measuring_function = "x"

    def discriminator_loss(self, real, fake):
        return -fake.mean(-1)

    def generator_loss(self, fake):
        return fake.mean(-1)


class Constant(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, inputs):
        return self.value.expand(len(inputs), 1)


def test_weight_goes_to_the_components_that_do_well(fit):
    """Generators pay G_i + D_j, discriminators earn it: the smallest generator and the largest discriminator win."""
    values = iter([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])  # G0 D0 G1 D1 G2 D2

    class Sum(GAN):
        def score(self, discriminator, images, batch):
            return (images + discriminator(images)).flatten()

    def make():
        return Sum(
            Constant(next(values)),
            Constant(next(values)),
            Advantage(),
            latent_dim=1,
            optimizer=partial(torch.optim.SGD, lr=0.0),
        )

    model = mix(make, 3, log_probability_lr=None, entropy_weight=0, fakes="full")
    model.log_probability_lr = 0.5
    configure = model.configure_optimizers

    def with_learning_alphas():  # networks stand still, the log-probabilities learn
        found = configure()
        for entry in found:
            entry["optimizer"].param_groups[-1]["lr"] = 0.5
        return found

    model.configure_optimizers = with_learning_alphas
    fit(model, torch.zeros(160, 1), batch_size=16)
    u, v = model.generators.weights.tolist(), model.discriminators.weights.tolist()
    assert u == sorted(u, reverse=True)
    assert v == sorted(v)
    assert u[0] > 0.6
    assert v[2] > 0.6


# ------------------------------------------------------------------------------------------------ who moves when


class Watch(pl.Callback):
    """Which players moved in each batch."""

    def __init__(self):
        self.moved = []

    @staticmethod
    def state(pl_module):
        return [
            [p.detach().clone() for p in m.components.parameters()]
            for m in (pl_module.generators, pl_module.discriminators)
        ]

    def on_train_batch_start(self, trainer, pl_module, *_):
        self.before = self.state(pl_module)

    def on_train_batch_end(self, trainer, pl_module, *_):
        changed = [
            any(not torch.equal(p, q) for p, q in zip(a, b, strict=True))
            for a, b in zip(self.before, self.state(pl_module), strict=True)
        ]
        self.moved.append(tuple(changed))


@pytest.mark.parametrize("n_critic", [1, 2, 4])
def test_every_batch_moves_the_discriminators_and_every_n_critic_th_the_generators(fit, toy, n_critic):
    watch = Watch()
    fit(mix(toy(optimizer=SGD), 2, n_critic=n_critic), torch.randn(16 * 8, 2), callbacks=[watch])
    assert watch.moved == [((k + 1) % n_critic == 0, True) for k in range(8)]


def test_a_schedule_may_play_the_generators_more_often(fit, toy):
    @dataclass(frozen=True)
    class ThreeTimes:
        def generator_steps(self, played):
            return 3

    model = mix(toy(), 2, n_critic=ThreeTimes())
    trainer = fit(model, torch.randn(64, 2))
    assert model.played == Played(4, 12, 0, 64)
    assert {int(state["step"]) for state in trainer.optimizers[0].state.values()} == {12}


def test_global_step_counts_every_optimisers_steps(fit, toy):
    assert fit(mix(toy(), 2, n_critic=2), torch.randn(64, 2)).global_step == 4 + 2


def test_every_component_and_both_log_probabilities_learn(fit, toy):
    model = mix(toy(optimizer=partial(torch.optim.Adam, lr=0.01)), 3, num_discriminators=2)
    before = {name: p.clone() for name, p in model.named_parameters()}
    fit(model, torch.randn(96, 2))
    assert all(not torch.equal(before[name], p) for name, p in model.named_parameters())
    assert all(p.requires_grad for p in model.parameters())


def test_weight_clipping_holds_the_discriminators_at_each_of_their_steps_and_spares_alpha(fit, toy):
    seen = []

    class Spy(GAN):
        def discriminator_objective(self, real, fake, latents, batch):
            seen.append(max(float(p.detach().abs().max()) for p in model.discriminators.components.parameters()))
            return super().discriminator_objective(real, fake, latents, batch)

    gan = toy(Spy, objective=Wasserstein(), penalty=WeightClipping(0.05), optimizer=SGD)
    model = mix(gan, 2, evaluation="loop")  # others would be tried on copies first, which Spy would see
    set_log_probabilities(model, [3.0, 0.0], [3.0, 0.0])
    fit(model, torch.randn(64, 2))
    assert max(seen) < 0.05 + 1e-8
    assert float(model.discriminators.log_probabilities.detach().max()) > 2
    assert max(float(p.detach().abs().max()) for p in model.generators.components.parameters()) > 0.05


def test_gradient_clip_limits_a_step(fit, toy):
    model = mix(toy(optimizer=partial(torch.optim.SGD, lr=1.0)), 2, gradient_clip=1e-3)
    before = [[p.clone() for p in c.parameters()] for m in (model.generators, model.discriminators) for c in m]
    fit(model, torch.randn(16, 2))
    after = [[*c.parameters()] for m in (model.generators, model.discriminators) for c in m]
    for old, new in zip(before, after, strict=True):
        moved = torch.stack([(p - q).norm() for p, q in zip(old, new, strict=True)]).norm()
        assert 0 < moved < 1.01e-3


# ------------------------------------------------------------------------------------------------ subclassing


def test_a_subclass_may_build_the_gan(fit, toy):
    class MyMix(MixGANModule):
        def make_gan(self):
            return toy()()

    model = MyMix(size=3)
    assert model.pairs.fakes.name == "split"
    fit(model, torch.randn(64, 2))
    assert model.played.generator_steps == 4


def test_a_module_without_a_gan_is_told():
    with pytest.raises(GANError, match=r"pass make_gan, or override make_gan\(\) in a subclass"):
        MixGANModule(size=2)


class OwnGenerators(MixGANModule):
    """The generators' losses written out by hand: Wasserstein's."""

    def generator_losses(self, batch):
        latents = torch.randn(len(batch), 3)
        return torch.stack([torch.stack([-d(g(latents)).mean() for d in self.discriminators]) for g in self.generators])


class OwnDiscriminators(MixGANModule):
    def discriminator_losses(self, batch):
        latents = torch.randn(len(batch), 3)
        return torch.stack(
            [
                torch.stack([d(g(latents).detach()).mean() - d(batch).mean() for d in self.discriminators])
                for g in self.generators
            ]
        )


class OwnBoth(OwnGenerators, OwnDiscriminators):
    pass


@pytest.mark.parametrize("kind", [OwnGenerators, OwnDiscriminators, OwnBoth])
def test_overridden_losses_are_what_is_played(fit, toy, kind):
    """The same training as the objective that they spell out, bit for bit up to the order of sums."""
    expected = mix(toy(objective=Wasserstein(), optimizer=SGD), 2, num_discriminators=3, fakes="full").double()
    model = kind(toy(objective=Wasserstein(), optimizer=SGD), 2, num_discriminators=3).double()
    model.load_state_dict(expected.state_dict())
    data = torch.randn(48, 2, dtype=torch.float64)
    torch.set_default_dtype(torch.float64)
    try:
        for m in (expected, model):
            fit(m, data, seed=5)
    finally:
        torch.set_default_dtype(torch.float32)
    for p, q in zip(expected.parameters(), model.parameters(), strict=True):
        assert torch.allclose(p, q, atol=1e-12)


@pytest.mark.parametrize("kind", [OwnGenerators, OwnDiscriminators, OwnBoth])
def test_overridden_losses_draw_whole_batches(toy, kind):
    assert kind(toy(), 2).pairs.fakes.name == "full"
    assert kind(toy(), 2, fakes="full").pairs.fakes.name == "full"
    with pytest.raises(ConfigurationError, match=r"fakes='split'.*overrides generator_losses or discriminator_losses"):
        kind(toy(), 2, fakes="split")


def test_overridden_losses_log_what_they_have(fit, toy, tmp_path):
    """Without scores there is no payoff; the losses are still there."""
    trainer = fit(OwnDiscriminators(toy(), 2), torch.randn(16, 2), log_every_n_steps=1)
    assert {"loss/discriminator", "loss/generator", "images_seen"} <= set(trainer.callback_metrics)
    assert not {"payoff/value", "score/real"} & set(trainer.callback_metrics)
    trainer = fit(OwnGenerators(toy(), 2), torch.randn(16, 2), log_every_n_steps=1)
    assert "payoff/value" in trainer.callback_metrics


# ------------------------------------------------------------------------------------------------ precision


@pytest.mark.parametrize("fakes", ["split", "full"])
def test_bf16_mixed_trains_to_finite_float32_parameters_near_those_of_float32(fit, toy, fakes):
    models = {}
    for precision in ("32-true", "bf16-mixed"):
        torch.manual_seed(0)
        models[precision] = mix(toy(optimizer=SGD), 2, fakes=fakes)
        fit(models[precision], torch.randn(64, 2), precision=precision, seed=3)
    for p, q in zip(models["32-true"].parameters(), models["bf16-mixed"].parameters(), strict=True):
        assert q.dtype == torch.float32
        assert torch.isfinite(q).all()
        assert (p - q).abs().max() < 0.02  # bfloat16 keeps 3 digits
    differ = zip(models["32-true"].parameters(), models["bf16-mixed"].parameters(), strict=True)
    assert any(not torch.equal(p, q) for p, q in differ)  # it did run in another precision


def test_the_payoff_matrix_and_the_losses_are_float32_in_bf16_mixed(fit, toy):
    dtypes = {}
    model = mix(toy(), 2)
    for name in ("discriminator_losses", "generator_losses"):
        losses = getattr(model, name)

        def spy(batch, losses=losses, name=name):
            found = losses(batch)
            dtypes[name] = found.dtype
            dtypes["autocast"] = torch.is_autocast_enabled("cpu")
            return found

        setattr(model, name, spy)
    fit(model, torch.randn(16, 2), precision="bf16-mixed")
    assert dtypes == {"autocast": True, "discriminator_losses": torch.float32, "generator_losses": torch.float32}
    assert model.pairs.payoff().dtype == torch.float32


def test_float64_trains_in_float64(fit, toy):
    model = mix(toy(), 2)
    fit(model, torch.randn(32, 2), precision="64-true")
    assert all(p.dtype == torch.float64 for p in model.parameters())
    assert model.sample(3, seed=0)[0].dtype == torch.float64


# ------------------------------------------------------------------------------------------------ repeatability


def test_the_same_seed_trains_the_same_model(fit, toy):
    models = []
    for _ in range(2):
        torch.manual_seed(11)
        model = mix(toy(batchnorm=True), 2)
        fit(model, torch.randn(64, 2))
        models.append(model.state_dict())
    assert all(torch.equal(models[0][key], models[1][key]) for key in models[0])


def test_whether_it_logs_does_not_change_what_it_learns(fit, toy):
    models = []
    for every in (1, 50):
        torch.manual_seed(11)
        model = mix(toy(), 3)
        fit(model, torch.randn(64, 2), log_every_n_steps=every)
        models.append(model.state_dict())
    assert all(torch.equal(models[0][key], models[1][key]) for key in models[0])


@pytest.mark.parametrize("option", [{"gradient_clip_val": 1.0}, {"accumulate_grad_batches": 2}])
def test_what_lightning_cannot_do_for_two_players_it_says(fit, toy, option):
    with pytest.raises(pl.utilities.exceptions.MisconfigurationException, match="manual optimization"):
        fit(mix(toy(), 2), torch.randn(32, 2), **option)


# ------------------------------------------------------------------------------------------------ watching schedules


@dataclass(frozen=True)
class Watching:
    """Discriminators learn while their loss is at most ``most``; a generator step follows where they do not."""

    most: float

    def discriminators_learn(self, played):
        return played.adversarial_loss <= self.most

    def generator_steps(self, played):
        return int(played.adversarial_loss > self.most)


@pytest.mark.parametrize("most", [0.0, 100.0])
def test_a_schedule_that_watches_the_loss_decides_who_plays(most, fit, toy):
    model = mix(toy(n_critic=Watching(most)), 2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fit(model, torch.randn(64, 2))
    moved = {name.split(".")[0] for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == ({"discriminators"} if most else {"generators"})
    steps = model.played.discriminator_steps, model.played.generator_steps
    assert steps == ((4, 0) if most else (0, 4))


def test_the_watched_loss_is_half_the_weighted_discriminators_loss(fit, toy):
    model = mix(toy(n_critic=Watching(0.0)), 3, num_discriminators=2)
    set_log_probabilities(model, [1.0, 0.0, -1.0], [0.5, 2.0])
    losses = {}

    class Spy(pl.Callback):
        def on_train_batch_start(self, trainer, module, batch, batch_idx):
            losses["w"] = module.generators.weights.detach(), module.discriminators.weights.detach()

    play = model.pairs.discriminator_losses
    model.pairs.discriminator_losses = lambda batch: losses.setdefault("L", play(batch))
    fit(model, torch.randn(16, 2), callbacks=[Spy()])
    w_u, w_v = losses["w"]
    assert model.played.adversarial_loss == pytest.approx(float(w_u @ losses["L"].detach() @ w_v) / 2)


def test_a_watching_schedule_needs_scores(toy):
    class Own(MixGANModule):
        def discriminator_losses(self, batch):
            return super().discriminator_losses(batch)

    with pytest.raises(ConfigurationError, match="Watching goes by the discriminators' scores"):
        Own(toy(), 2, n_critic=Watching(1.0))


# ------------------------------------------------------------------------------------------------ preparation


class Prepares(GAN):
    def prepare(self, batches):
        self.seen = [torch.cat(list(batches)), torch.cat(list(batches))]
        torch.rand(3)


def test_a_gan_sees_all_training_data_in_order_before_training_and_the_random_stream_goes_on(fit, toy):
    data = torch.randn(21, 2)
    model = mix(toy(Prepares), 2)
    loader = torch.utils.data.DataLoader(data, 8, shuffle=True, drop_last=True)
    fit(model, loader)
    assert all(torch.equal(seen, data) for seen in model.gan.seen)
    plain = mix(toy(), 2)
    for one in (model, plain):
        torch.manual_seed(5)
        one.load_state_dict(plain.state_dict())
        fit(one, loader)
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), plain.state_dict().values(), strict=True))
