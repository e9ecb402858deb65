"""Who says what the weights are: the optimisers as ever, nobody, or the matrix game solved."""

from functools import partial

import pytest
import pytorch_lightning as pl
import torch

from mixgan_lightning import MixGANModule, mix
from mixgan_lightning.errors import CheckpointError, ConfigurationError, TrainingError
from mixgan_lightning.evaluation import TrainingBatches
from mixgan_lightning.independent import IndependentGANs
from mixgan_lightning.payoff import payoff_matrix
from mixgan_lightning.processes import Share
from mixgan_lightning.theory import nash_weights
from mixgan_lightning.weighting import Learned, Nash, Uniform, as_weighting

ADAM = partial(torch.optim.Adam, lr=0.05)
DATA = torch.randn(96, 2, generator=torch.Generator().manual_seed(1))


class Weights(pl.Callback):
    """Both players' weights during each batch, and the payoff on the fixed batches before it."""

    def __init__(self):
        self.weights, self.payoffs = [], []

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        batches = TrainingBatches(trainer).some(32, Share(0, 1))
        self.payoffs.append(payoff_matrix(module.gan, module.generators, module.discriminators, batches))

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        players = (module.generators, module.discriminators)
        self.weights.append([player.weights.detach().double() for player in players])


def trained(fit, toy, watched=(), seed=2, **options):
    torch.manual_seed(seed)
    model = mix(toy(optimizer=ADAM), **{"size": 3, "num_discriminators": 2} | options)
    trainer = fit(model, DATA, seed=5, callbacks=watched)
    return model, trainer


def parameters_of(model):
    return [value for name, value in model.state_dict().items() if "log_probabilities" not in name]


def test_learned_weights_are_the_default_and_learn(fit, toy):
    default, named = (trained(fit, toy, **options)[0] for options in ({}, {"weighting": "learned"}))
    assert all(
        torch.equal(a, b) for a, b in zip(default.state_dict().values(), named.state_dict().values(), strict=True)
    )
    assert default.weighting == Learned()
    assert default.generators.log_probabilities.any()


def test_uniform_weights_are_a_learning_rate_of_zero(fit, toy):
    uniform, zero = (
        trained(fit, toy, **options)[0] for options in ({"weighting": "uniform"}, {"log_probability_lr": 0})
    )
    assert all(
        torch.equal(a, b) for a, b in zip(uniform.state_dict().values(), zero.state_dict().values(), strict=True)
    )
    assert not uniform.generators.log_probabilities.any()
    assert not uniform.discriminators.log_probabilities.any()


def test_nash_weights_are_those_of_the_matrix_on_fixed_batches_every_so_many_batches(fit, toy):
    """96 points are 6 batches of 16; solved before batches 2 and 4."""
    seen = Weights()
    trained(fit, toy, [seen], weighting=Nash(every=2, uniform_share=0.4, num_samples=32))
    for before, mixed in ((2, seen.weights[2]), (4, seen.weights[4])):
        solution = nash_weights(seen.payoffs[before])
        for found, w in zip(mixed, solution[:2], strict=True):
            assert torch.allclose(found, 0.6 * w + 0.4 / len(w), atol=1e-6)
    assert not torch.allclose(seen.weights[2][0], seen.weights[4][0]) or not torch.allclose(
        seen.weights[2][1], seen.weights[4][1]
    )
    for uniform in seen.weights[:2]:
        assert [w.tolist() for w in uniform] == [pytest.approx([1 / 3] * 3), pytest.approx([0.5] * 2)]


def test_nash_weights_are_not_trained_between_two_solutions(fit, toy):
    seen = Weights()
    trained(fit, toy, [seen], weighting=Nash(every=2), entropy_weight=1.0)
    for first, second in ((2, 3), (4, 5)):
        assert all(torch.equal(a, b) for a, b in zip(seen.weights[first], seen.weights[second], strict=True))


def test_no_component_is_without_weight():
    payoff = torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])  # generator 0 dominates
    w_u, w_v = Nash(uniform_share=0.2).weights(payoff)
    assert w_u.tolist() == pytest.approx([0.9, 0.1])
    assert min(w_v.tolist()) >= 0.2 / 3 - 1e-12
    assert [float(w.sum()) for w in (w_u, w_v)] == pytest.approx([1, 1])
    assert Nash(uniform_share=1.0).weights(payoff)[0].tolist() == [0.5, 0.5]


def test_solving_draws_nothing_and_leaves_buffers_alone(fit, toy):
    """With a share of 1 the weights stay uniform: the networks are those of a game with uniform weights."""
    options = {"size": 3, "num_discriminators": 3}
    solved, uniform = (
        trained(fit, partial(toy, batchnorm=True), weighting=weighting, **options)[0]
        for weighting in (Nash(every=1, uniform_share=1.0), "uniform")
    )
    assert all(torch.equal(a, b) for a, b in zip(parameters_of(solved), parameters_of(uniform), strict=True))


def test_a_payoff_that_is_no_number_stops_the_training_as_a_divergence(fit, toy):
    class Break(pl.Callback):
        def on_train_batch_end(self, trainer, module, *_):
            module.discriminators.components[0][0].weight.data.fill_(float("nan"))

    model = mix(toy(), 2, weighting=Nash(every=2))
    with pytest.raises(TrainingError, match="the training has diverged at batch 2: NaN or infinity in the payoff"):
        fit(model, torch.randn(64, 2), callbacks=[Break()])


def test_a_game_of_one_network_each_has_nothing_to_solve(fit, toy):
    one, plain = (trained(fit, toy, size=1, num_discriminators=1, weighting=w)[0] for w in (Nash(every=1), "learned"))
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), plain.state_dict().values(), strict=True))


def test_a_checkpoint_keeps_the_weights_and_how_they_are_found(fit, toy, tmp_path):
    model, trainer = trained(fit, toy, weighting=Nash(every=2, uniform_share=0.3))
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    again = MixGANModule.load_from_checkpoint(tmp_path / "a.ckpt", make_gan=toy(optimizer=ADAM))
    assert again.weighting == Nash(every=2, uniform_share=0.3)
    assert torch.equal(again.generators.log_probabilities, model.generators.log_probabilities)
    assert again.generators.log_probabilities.any()
    other = MixGANModule.load_from_checkpoint(tmp_path / "a.ckpt", make_gan=toy(), weighting="uniform")
    assert other.weighting == Uniform()


def test_a_training_goes_on_with_the_weights_that_it_had_and_solves_again(fit, toy, tmp_path):
    options = {"weighting": Nash(every=4, num_samples=32)}
    model, trainer = trained(fit, toy, **options)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    seen, resumed = Weights(), mix(toy(optimizer=ADAM), 3, num_discriminators=2, **options)
    fit(resumed, DATA, callbacks=[seen], max_epochs=2, ckpt_path=tmp_path / "a.ckpt")
    assert torch.equal(seen.weights[0][0], model.generators.weights.detach().double())  # batch 6
    solution = nash_weights(seen.payoffs[2])  # batch 8
    assert torch.allclose(seen.weights[2][0], 0.5 * solution.w_u + 0.5 / 3, atol=1e-6)


@pytest.mark.parametrize(("first", "then"), [("learned", "uniform"), ("nash", "learned"), ("learned", "nash")])
def test_a_training_does_not_go_on_with_another_weighting(first, then, fit, toy, tmp_path):
    """Its optimisers hold α's learning rate, so the weights would be neither."""
    fit(mix(toy(), 2, weighting=first), DATA).save_checkpoint(tmp_path / "a.ckpt")
    said = f"weighting: the checkpoint's training had {first.title()}, this one has {then.title()}"
    with pytest.raises(CheckpointError, match=said):
        fit(mix(toy(), 2, weighting=then), DATA, ckpt_path=tmp_path / "a.ckpt", max_epochs=2)
    same = fit(mix(toy(), 2, weighting=first), DATA, ckpt_path=tmp_path / "a.ckpt", max_epochs=2)
    assert same.current_epoch == 2


def test_a_training_does_not_go_on_with_another_learning_rate_of_the_weights(fit, toy, tmp_path):
    fit(mix(toy(), 2), DATA).save_checkpoint(tmp_path / "a.ckpt")
    other = mix(toy(), 2, log_probability_lr=0.5)
    with pytest.raises(CheckpointError, match=r"log_probability_lr: .* training had None, this one has 0\.5"):
        fit(other, DATA, ckpt_path=tmp_path / "a.ckpt", max_epochs=2)


def test_a_checkpoint_may_not_name_any_code_as_a_weighting(fit, toy, tmp_path):
    _, trainer = trained(fit, toy)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    contents = torch.load(tmp_path / "a.ckpt", weights_only=True)
    contents["hyper_parameters"]["weighting"] = {"_target_": "os.system", "command": "true"}
    torch.save(contents, tmp_path / "b.ckpt")
    with pytest.raises(CheckpointError, match=r"os\.system"):
        MixGANModule.load_from_checkpoint(tmp_path / "b.ckpt", make_gan=toy())


def test_a_weighting_is_a_name_an_object_or_a_config():
    assert [as_weighting(name) for name in ("learned", "uniform", "nash")] == [Learned(), Uniform(), Nash()]
    assert as_weighting(Nash(every=7)) == Nash(every=7)
    assert as_weighting({"_target_": "mixgan_lightning.weighting.Nash", "every": 7}) == Nash(every=7)
    assert Nash() == Nash(every=50, uniform_share=0.5, num_samples=1024)


@pytest.mark.parametrize("given", ["minimax", None, 3, Nash, {"_target_": "builtins.dict"}])
def test_anything_else_is_refused(given):
    with pytest.raises(ConfigurationError, match="weighting: expected one of learned, uniform, nash, or an object"):
        as_weighting(given)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 0}, "every: expected a whole number"),
        ({"num_samples": 0}, "num_samples: expected a whole number"),
        ({"uniform_share": 0.0}, r"uniform_share: expected a number in \(0, 1\], got 0.0"),
        ({"uniform_share": 1.5}, r"uniform_share: expected a number in \(0, 1\], got 1.5"),
    ],
)
def test_numbers_that_cannot_be_are_refused(options, message):
    with pytest.raises(ConfigurationError, match=message):
        Nash(**options)


@pytest.mark.parametrize("weighting", ["uniform", "nash"])
def test_weights_that_are_not_trained_have_no_learning_rate(weighting, toy):
    with pytest.raises(ConfigurationError, match=r"log_probability_lr=0\.1: with weighting=\w+ .* not trained"):
        mix(toy(), 2, weighting=weighting, log_probability_lr=0.1)
    assert mix(toy(), 2, weighting=weighting, log_probability_lr=0).log_probability_lr == 0


def test_what_has_no_payoff_cannot_be_solved_and_can_be_uniform(fit, toy, module_with_losses):
    for make in (partial(mix, module_with_losses, 2), partial(IndependentGANs, toy(), 2)):
        with pytest.raises(ConfigurationError, match="weighting=Nash solves the payoff matrix"):
            make(weighting="nash")
    model = mix(module_with_losses, 2, weighting="uniform")
    fit(model, DATA)
    assert not model.generators.log_probabilities.any()
