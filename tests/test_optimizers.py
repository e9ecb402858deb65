from functools import partial

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau, StepLR

from mixgan_lightning import GAN, mix
from mixgan_lightning.errors import ConfigurationError, GANError

TWO_TIME_SCALES = (
    {"lr": 1e-3, "betas": (0.5, 0.9), "weight_decay": 0.1},
    {"lr": 4e-3, "betas": (0.0, 0.99), "eps": 1e-5},
)


def with_optimizers(toy, configure, **options):
    """A factory of GANs with that ``configure_optimizers(gan)``."""

    class Configured(GAN):
        def configure_optimizers(self):
            return configure(self)

    return toy(Configured, **options)


def two_adams(gan):
    of_g, of_d = TWO_TIME_SCALES
    return torch.optim.Adam(gan.generator.parameters(), **of_g), torch.optim.Adam(
        gan.discriminator.parameters(), **of_d
    )


def optimizers_of(model):
    return [entry["optimizer"] for entry in model.configure_optimizers()]


def owned(optimizer):
    return [id(p) for group in optimizer.param_groups for p in group["params"]]


def ids(mixture):
    return sorted([*map(id, mixture.components.parameters()), id(mixture.log_probabilities)])


# ------------------------------------------------------------------------------------------------ the user's own, kept


@pytest.mark.parametrize(("tu", "tv"), [(3, 3), (1, 1), (2, 4), (4, 2)])
def test_there_are_exactly_two_and_they_hold_every_parameter_once(toy, tu, tv):
    model = mix(with_optimizers(toy, two_adams), tu, num_discriminators=tv)
    of_g, of_d = optimizers_of(model)
    assert sorted(owned(of_g)) == ids(model.generators)
    assert sorted(owned(of_d)) == ids(model.discriminators)
    for optimizer, options in zip((of_g, of_d), TWO_TIME_SCALES, strict=True):
        assert type(optimizer) is torch.optim.Adam
        assert {key: optimizer.param_groups[0][key] for key in options} == options


FORMS = {
    "a pair": lambda g, d: (g, d),
    "a list": lambda g, d: [g, d],
    "the discriminator first": lambda g, d: (d, g),
    "with no schedulers": lambda g, d: ([g, d], []),
    "with schedulers": lambda g, d: ([g, d], [StepLR(g, 1), StepLR(d, 1)]),
    "with a scheduler for one": lambda g, d: ([d, g], [{"scheduler": StepLR(g, 1)}]),
    "dictionaries": lambda g, d: ({"optimizer": g, "lr_scheduler": StepLR(g, 1)}, {"optimizer": d}),
    "dictionaries of dictionaries": lambda g, d: [
        {"optimizer": d},
        {"optimizer": g, "lr_scheduler": {"scheduler": StepLR(g, 1), "interval": "step"}},
    ],
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_configure_optimizers_is_understood(fit, toy, form):
    model = mix(with_optimizers(toy, lambda gan: FORMS[form](*two_adams(gan))), 2)
    of_g, of_d = optimizers_of(model)
    assert sorted(owned(of_g)) == ids(model.generators)
    assert sorted(owned(of_d)) == ids(model.discriminators)
    has_scheduler = [player.scheduler is not None for player in model._players]
    assert has_scheduler == [
        form not in ("a pair", "a list", "the discriminator first", "with no schedulers"),
        form == "with schedulers",
    ]
    before = [p.clone() for p in model.parameters()]
    fit(model, torch.randn(32, 2))
    moved = [not torch.equal(p, q) for p, q in zip(before, model.parameters(), strict=True)]
    assert sum(moved) >= len(moved) - 2  # at a single batch α may stay


WRONG = {
    "one optimiser": lambda g, d: g,
    "None": lambda g, d: None,
    "one alone in a list": lambda g, d: [g],
    "one for everything": lambda g, d: [
        torch.optim.SGD([p for o in (g, d) for group in o.param_groups for p in group["params"]], lr=0.1)
    ],
    "three": lambda g, d: [g, d, torch.optim.SGD(g.param_groups[0]["params"], lr=0.1)],
    "no optimisers": lambda g, d: ["adam", "adam"],
    "empty": lambda g, d: [],
}


@pytest.mark.parametrize("form", WRONG)
def test_what_are_not_two_optimisers_is_refused(toy, form):
    model = mix(with_optimizers(toy, lambda gan: WRONG[form](*two_adams(gan))), 2)
    with pytest.raises(GANError, match="expected two optimisers, one for the generator and one for the discriminator"):
        model.configure_optimizers()


def test_the_users_class_and_flags_are_kept(toy):
    rmsprop = partial(torch.optim.RMSprop, lr=5e-5, alpha=0.9, momentum=0.1, centered=True)
    fused = partial(torch.optim.Adam, fused=True, amsgrad=True)
    of_g, of_d = optimizers_of(mix(toy(optimizer=rmsprop, discriminator_optimizer=fused), 3))
    assert type(of_g) is torch.optim.RMSprop
    assert type(of_d) is torch.optim.Adam
    for group in of_g.param_groups:
        assert (group["alpha"], group["momentum"], group["centered"]) == (0.9, 0.1, True)
    for group in of_d.param_groups:
        assert (group["fused"], group["amsgrad"]) == (True, True)


def test_several_groups_stay_several_with_each_components_share_in_each(toy):
    def configure(gan):
        first, *_, last = gan.generator
        groups = [{"params": first.parameters(), "lr": 1.0}, {"params": last.parameters(), "momentum": 0.5}]
        return torch.optim.SGD(groups, lr=2.0, momentum=0.9), torch.optim.SGD(gan.discriminator.parameters(), lr=3.0)

    model = mix(with_optimizers(toy, configure), 3)
    first, last, alpha = optimizers_of(model)[0].param_groups
    assert [id(p) for p in first["params"]] == [id(p) for g in model.generators for p in g[0].parameters()]
    assert [id(p) for p in last["params"]] == [id(p) for g in model.generators for p in g[-1].parameters()]
    assert (first["lr"], first["momentum"], last["lr"], last["momentum"]) == (1.0, 0.9, 2.0, 0.5)
    assert alpha["params"] == [model.generators.log_probabilities]


def test_of_auxiliary_networks_the_one_that_plays_is_trained(toy):
    """T GANs are built, and the first one's methods play: the others' auxiliary networks are never used."""

    class Auxiliary(GAN):
        def __init__(self, *networks, **options):
            super().__init__(*networks, **options)
            self.encoder = nn.Linear(2, 2)

        def configure_optimizers(self):
            return (
                torch.optim.Adam([*self.generator.parameters(), *self.encoder.parameters()]),
                torch.optim.Adam(self.discriminator.parameters()),
            )

    model = mix(toy(Auxiliary), 3)
    assert sorted(owned(optimizers_of(model)[0])) == sorted([*ids(model.generators), *map(id, model.gan.parameters())])


def test_named_parameters_are_taken_too(fit, toy):
    def configure(gan):
        return [torch.optim.Adam(network.named_parameters()) for network in (gan.generator, gan.discriminator)]

    model = mix(with_optimizers(toy, configure), 2)
    fit(model, torch.randn(32, 2))
    assert sorted(owned(optimizers_of(model)[0])) == ids(model.generators)


# ------------------------------------------------------------------------------------------------ the log-probabilities


@pytest.mark.parametrize(("asked", "lrs"), [(None, (1e-3, 4e-3)), (0.05, (0.05, 0.05)), (0.0, (0.0, 0.0))])
def test_log_probabilities_are_a_group_with_an_lr_of_their_own_and_no_weight_decay(toy, asked, lrs):
    model = mix(with_optimizers(toy, two_adams), 3, log_probability_lr=asked)
    mixtures = model.generators, model.discriminators
    for optimizer, mixture, lr in zip(optimizers_of(model), mixtures, lrs, strict=True):
        alpha = optimizer.param_groups[-1]
        assert alpha["params"] == [mixture.log_probabilities]
        assert abs(alpha["lr"] - lr) < 1e-12
        assert alpha["weight_decay"] == 0
    assert optimizers_of(model)[0].param_groups[0]["weight_decay"] == 0.1


def test_an_lr_of_zero_keeps_the_weights_uniform(fit, toy):
    model = mix(toy(optimizer=partial(torch.optim.Adam, lr=0.1)), 3, log_probability_lr=0)
    fit(model, torch.randn(64, 2))
    assert not model.generators.log_probabilities.any()
    assert not model.discriminators.log_probabilities.any()
    model = mix(toy(optimizer=partial(torch.optim.Adam, lr=0.1)), 3)
    fit(model, torch.randn(64, 2))
    assert model.generators.log_probabilities.any()
    assert model.discriminators.log_probabilities.any()


def test_clipping_is_per_component_and_never_touches_the_log_probabilities(fit, toy):
    """Against the same step without clipping: each component's own norm is brought to the limit, α's gradient stays."""
    limit = 0.05
    plain, clipped = (mix(toy(optimizer=partial(torch.optim.SGD, lr=0.0)), 3, gradient_clip=c) for c in (None, limit))
    clipped.load_state_dict(plain.state_dict())
    data = torch.randn(16, 2)
    norms = []
    for model in (plain, clipped):
        with torch.no_grad():  # one component much louder than the others
            for mixture in (model.generators, model.discriminators):
                mixture.log_probabilities.copy_(torch.tensor([4.0, 0.0, 0.0]))
        fit(model, data, seed=1)
    for before, after in ((plain.generators, clipped.generators), (plain.discriminators, clipped.discriminators)):
        assert torch.equal(before.log_probabilities.grad, after.log_probabilities.grad)
        for p, q in zip(before, after, strict=True):
            norm = torch.stack([x.grad.norm() for x in p.parameters()]).norm()
            norms.append(float(norm))
            for x, y in zip(p.parameters(), q.parameters(), strict=True):
                assert torch.allclose(y.grad, x.grad * min(1.0, limit / float(norm)), rtol=1e-4, atol=1e-8)
    assert min(norms) < limit < max(norms)  # some were clipped and some were not


# ------------------------------------------------------------------------------------------------ schedulers


class Rates(pl.Callback):
    """The learning rates that each batch is played with: networks', α's; of both players."""

    def __init__(self):
        self.seen = []

    def on_train_batch_start(self, trainer, *_):
        self.seen.append([group["lr"] for optimizer in trainer.optimizers for group in optimizer.param_groups])


def decay(step):
    return 0.5**step


def halving(optimizer):
    return LambdaLR(optimizer, decay)


def scheduled(interval, frequency=1, make=halving, **config):
    def configure(gan):
        entries = []
        for network, lr in ((gan.generator, 1.0), (gan.discriminator, 2.0)):
            optimizer = torch.optim.SGD(network.parameters(), lr=lr)
            scheduler = {"scheduler": make(optimizer), "interval": interval, "frequency": frequency}
            entries.append({"optimizer": optimizer, "lr_scheduler": scheduler | config})
        return entries

    return configure


def rates(fit, toy, configure, *, epochs=3, batches=4, **options):
    callback = Rates()
    model = mix(with_optimizers(toy, configure), 2, **options)
    fit(model, 1e-3 * torch.randn(8 * batches, 2), batch_size=8, max_epochs=epochs, callbacks=[callback])
    return torch.tensor(callback.seen)


@pytest.mark.parametrize("frequency", [1, 2])
def test_epoch_schedulers_step_as_in_a_plain_run(fit, toy, frequency):
    seen = rates(fit, toy, scheduled("epoch", frequency), epochs=5)
    factor = torch.tensor([decay(epoch // frequency) for epoch in range(5) for _ in range(4)])
    assert torch.allclose(seen, factor[:, None] * torch.tensor([1.0, 1.0, 2.0, 2.0]))


def test_epoch_is_the_default_interval(fit, toy):
    def configure(gan):
        optimizers = (
            torch.optim.SGD(gan.generator.parameters(), lr=1),
            torch.optim.SGD(gan.discriminator.parameters(), lr=1),
        )
        return list(optimizers), [LambdaLR(optimizers[0], decay)]

    seen = rates(fit, toy, configure)
    assert seen[::4, 0].tolist() == [1.0, 0.5, 0.25]
    assert seen[:, 2].unique().tolist() == [1.0]  # the discriminators have none


@pytest.mark.parametrize("n_critic", [1, 3])
def test_step_schedulers_count_each_players_own_steps(fit, toy, n_critic):
    seen = rates(fit, toy, scheduled("step"), n_critic=n_critic)
    batches = torch.arange(12)
    assert torch.allclose(seen[:, 2], 2 * 0.5**batches)
    assert torch.allclose(seen[:, 0], 0.5 ** (batches // n_critic))


@pytest.mark.parametrize("log_probability_lr", [None, 0.1])
def test_the_log_probabilities_lr_keeps_its_proportion(fit, toy, log_probability_lr):
    seen = rates(fit, toy, scheduled("step"), log_probability_lr=log_probability_lr)
    ratio = torch.tensor([1.0, 1.0] if log_probability_lr is None else [0.1, 0.05])
    assert torch.allclose(seen[:, [1, 3]], ratio * seen[:, [0, 2]])


def test_the_proportion_is_to_the_lr_before_a_warm_up(fit, toy):
    warm_up = partial(LambdaLR, lr_lambda=lambda step: min(1.0, (step + 1) / 4))
    seen = rates(fit, toy, scheduled("step", make=warm_up), log_probability_lr=0.1)
    assert torch.allclose(seen[:, 0], torch.tensor([0.25, 0.5, 0.75] + [1.0] * 9))
    assert torch.allclose(seen[:, 1], 0.1 * seen[:, 0])


class LogsConstant(pl.Callback):
    def on_train_batch_end(self, trainer, pl_module, *_):
        pl_module.log("watched", 1.0)


def test_reduce_on_plateau_steps_with_what_it_monitors(fit, toy):
    """Patience 1 on a constant: as torch's own scheduler, stepped with that constant each epoch."""
    plateau = partial(ReduceLROnPlateau, factor=0.1, patience=1)
    callback = Rates()
    model = mix(with_optimizers(toy, scheduled("epoch", make=plateau, monitor="watched")), 2)
    data = torch.randn(16, 2)
    fit(model, data, max_epochs=6, callbacks=[callback, LogsConstant()], log_every_n_steps=1)

    alone = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    scheduler, expected = plateau(alone), []
    for _ in range(6):
        expected.append(alone.param_groups[0]["lr"])
        scheduler.step(1.0)
    assert [lrs[0] for lrs in callback.seen] == expected
    assert [lrs[1] for lrs in callback.seen] == expected
    assert len(set(expected)) == 3  # it did drop, twice


@pytest.mark.parametrize("config", [{}, {"monitor": "nobody_logs_this"}])
def test_a_monitor_that_nobody_logs_is_told(fit, toy, config):
    configure = scheduled("epoch", make=ReduceLROnPlateau, **config)
    with pytest.raises(
        ConfigurationError, match=r"ReduceLROnPlateau monitors .* not logged.*watched.*log_every_n_steps"
    ):
        fit(mix(with_optimizers(toy, configure), 2), torch.randn(16, 2), callbacks=[LogsConstant()])


def test_a_scheduler_of_the_user_gives_no_warning_of_lightnings(fit, toy, recwarn):
    configure = scheduled("epoch", make=ReduceLROnPlateau, monitor="watched", strict=False)
    fit(mix(with_optimizers(toy, configure), 2), torch.randn(16, 2), callbacks=[LogsConstant()])
    assert not [w for w in recwarn if "scheduler" in str(w.message)]


def test_training_twice_starts_with_fresh_optimisers(fit, toy):
    model = mix(with_optimizers(toy, two_adams), 2)
    fit(model, torch.randn(64, 2))
    first = {id(o) for o in (model._players[0].optimizer, model._players[1].optimizer)}
    trainer = fit(model, torch.randn(64, 2))
    assert not first & {id(o) for o in trainer.optimizers}
    assert sorted(owned(trainer.optimizers[0])) == ids(model.generators)
    assert {int(state["step"]) for state in trainer.optimizers[0].state.values()} == {4}
