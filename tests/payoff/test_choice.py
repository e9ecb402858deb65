"""Which way is taken, and what is said where it is not the one asked for."""

import re
from dataclasses import replace

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn.utils import spectral_norm as hookedspectral_norm
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from mixgan_lightning import GAN, mix
from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.independent import IndependentGANs
from mixgan_lightning.payoff import Way
from mixgan_lightning.payoff.choice import CONCAT, LOOP, VECTORISED, VECTORISED_APART, choose
from mixgan_lightning.payoff.comparison import Comparison

LATENT_DIM = 3


class Counting(nn.Linear):
    calls = 0

    def forward(self, points):
        self.calls += 1
        return super().forward(points)


class Keeping(nn.Linear):
    features = None

    def forward(self, points):
        self.features = super().forward(points)
        return self.features


class Reassigning(nn.Linear):
    def __init__(self, *shape):
        super().__init__(*shape)
        self.register_buffer("mean", torch.zeros(2))

    def forward(self, points):
        self.mean = 0.9 * self.mean + 0.1 * points.detach().mean(0)
        return super().forward(points - self.mean)


class Counted(nn.Linear):
    """A buffer changed in place, once for each call: right when vectorised apart, one too few when joined."""

    def __init__(self, *shape):
        super().__init__(*shape)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, points):
        self.calls += 1
        return super().forward(points)


class OverTheBatch(nn.Linear):
    def forward(self, points):
        return super().forward(points / (1 + points.std()))


class Branching(nn.Linear):
    def forward(self, points):
        return super().forward(points) if self.weight.sum().item() > 0 else 2 * super().forward(points)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(2, 4, batch_first=True), nn.Linear(4, 1)

    def forward(self, points):
        return self.head(self.lstm(points[:, None])[0][:, -1])


class WithTwoLosses(nn.Module):
    def __init__(self):
        super().__init__()
        self.generator, self.discriminator = nn.Linear(LATENT_DIM, 2), nn.Linear(2, 1)

    def generator_loss(self, batch):
        return -self.discriminator(self.generator(torch.randn(len(batch), LATENT_DIM))).mean()

    def discriminator_loss(self, batch):
        return -self.generator_loss(batch) - self.discriminator(batch).mean()

    def configure_optimizers(self):
        return [torch.optim.SGD(network.parameters(), 0.1) for network in (self.generator, self.discriminator)]


def hooked():
    layer = nn.Linear(2, 1)
    layer.register_forward_hook(lambda *_: None)
    return layer


def spectral():
    return nn.Sequential(spectral_norm(nn.Linear(2, 8)), nn.Linear(8, 1))


FILLED = replace(VECTORISED, filled=True)

# discriminator, the way that auto takes, what is said of those that it does not
CASES = {
    "plain": (lambda: nn.Linear(2, 1), VECTORISED, None),
    "no bias": (lambda: nn.Linear(2, 1, bias=False), VECTORISED, None),
    "BatchNorm": (lambda: nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)), VECTORISED_APART, None),
    "over the batch": (lambda: OverTheBatch(2, 1), VECTORISED_APART, None),
    "a buffer in place": (lambda: Counted(2, 1), VECTORISED_APART, None),
    "dropout": (lambda: nn.Sequential(nn.Linear(2, 4), nn.Dropout(), nn.Linear(4, 1)), CONCAT, "draws random numbers"),
    "item": (lambda: Branching(2, 1), CONCAT, r"\.item\(\)"),
    "LSTM": (Recurrent, CONCAT, "vectorised: RuntimeError"),
    "weight norm": (lambda: weight_norm(nn.Linear(2, 1)), CONCAT, "fallback"),
    "spectral norm": (spectral, LOOP, "would differ"),
    "spectral norm by a hook": (lambda: hookedspectral_norm(nn.Linear(2, 1)), LOOP, "sets weight"),
    "a counter": (lambda: Counting(2, 1), LOOP, "its forward pass sets calls"),
    "kept features": (lambda: Keeping(2, 1), LOOP, "its forward pass sets features"),
    "a reassigned buffer": (lambda: Reassigning(2, 1), LOOP, "its forward pass sets mean"),
    "a hook": (hooked, LOOP, "has hooks"),
}


def game(discriminator, size=3, fakes="full", **options):
    make = lambda: GAN(nn.Linear(LATENT_DIM, 2), discriminator(), latent_dim=LATENT_DIM)  # noqa: E731
    return mix(make, size, fakes=fakes, **options)


@pytest.mark.parametrize("name", CASES)
def test_auto_takes_the_fastest_way_that_changes_nothing_and_says_why_not_a_faster(name, caplog):
    discriminator, expected, said = CASES[name]
    model = game(discriminator)
    before = [t.clone() for t in model.state_dict().values()]
    with caplog.at_level("INFO", logger="pytorch_lightning.utilities.rank_zero"):
        assert choose("auto", model.pairs, torch.randn(13, 2)) == expected
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), before, strict=True))
    if said is None:
        assert not caplog.messages
    else:
        (line,) = caplog.messages
        assert line.startswith(f"evaluation=auto: the pairs are evaluated as {expected}, since with vectorised: ")
        assert re.search(said, line)
        assert "\n" not in line
        assert len(line) < 400


@pytest.mark.parametrize("name", CASES)
def test_a_training_with_auto_is_the_training_in_plain_loops(fit, name):
    points, ends = torch.randn(52, 2, dtype=torch.float64), []
    for evaluation in ("loop", "auto"):
        torch.manual_seed(0)
        model = game(CASES[name][0], evaluation=evaluation).double()
        fit(model, points, batch_size=13, seed=1)
        ends.append([t.detach().clone() for t in model.state_dict().values()])
    assert max(float((a - b).abs().max()) for a, b in zip(*ends, strict=True)) <= 1e-8


def test_a_mixture_of_one_is_played_in_plain_loops_which_are_the_plain_gans():
    assert choose("auto", game(lambda: nn.Linear(2, 1), size=1).pairs, torch.randn(13, 2)) == LOOP


def test_convolutions_are_joined_and_laid_out_for_the_cpu():
    def make():
        networks = nn.Sequential(nn.Linear(4, 16), nn.Unflatten(1, (1, 4, 4))), nn.Conv2d(1, 1, 4)
        return GAN(*networks, latent_dim=4)

    assert choose("auto", mix(make, 3).pairs, torch.rand(8, 1, 4, 4)) == Way(joined=True, channels_last=True)


def test_a_way_that_was_asked_for_and_cannot_be_is_warned_of():
    with pytest.warns(UserWarning, match="evaluation=vectorised: the pairs are evaluated as loop, since with vect"):
        assert choose("vectorised", game(spectral).pairs, torch.randn(13, 2)) == LOOP
    with pytest.warns(UserWarning, match="evaluation=concat: the pairs are evaluated as loop, since with concat"):
        assert choose("concat", game(CASES["BatchNorm"][0]).pairs, torch.randn(13, 2)) == LOOP


def test_loop_is_not_compared_with_itself(monkeypatch):
    monkeypatch.setattr(Comparison, "__init__", lambda *_: pytest.fail("compared"))
    assert choose("loop", game(lambda: nn.Linear(2, 1)).pairs, torch.randn(13, 2)) == LOOP


def test_a_gan_that_cannot_be_copied_is_played_in_plain_loops(caplog):
    class Stubborn(nn.Linear):
        def __deepcopy__(self, memo):
            raise TypeError("no copies")

    with caplog.at_level("INFO", logger="pytorch_lightning.utilities.rank_zero"):
        assert choose("auto", game(lambda: Stubborn(2, 1)).pairs, torch.randn(13, 2)) == LOOP
    assert "TypeError: no copies" in caplog.text


def test_a_gan_of_float32_alone_is_compared_in_float32():
    class Single(nn.Linear):
        def forward(self, points):
            return super().forward(points + torch.ones(2, dtype=torch.float32)) * torch.ones(1)

    class Generator(nn.Linear):
        def forward(self, latents):
            return super().forward(latents.float())

    make = lambda: GAN(Generator(LATENT_DIM, 2), Single(2, 1), latent_dim=LATENT_DIM)  # noqa: E731
    comparison = Comparison(mix(make, 3).pairs, torch.randn(13, 2))
    assert comparison.dtype == torch.float32
    assert comparison.why_not(VECTORISED) is None
    assert comparison.why_not(CONCAT) is None


def test_a_gan_that_wants_a_whole_batch_is_compared_on_one():
    class Whole(nn.Linear):
        def forward(self, points):
            return super().forward(points.view(-1, 13, 2).view(-1, 2))

    comparison = Comparison(game(lambda: Whole(2, 1)).pairs, torch.randn(13, 2))
    assert len(comparison.played) == 13
    assert comparison.why_not(VECTORISED) is None
    assert len(Comparison(game(lambda: nn.Linear(2, 1)).pairs, torch.randn(13, 2)).played) == 7


def test_networks_that_share_a_tensor_are_not_vectorised():
    shared = nn.Linear(2, 2)
    shared.requires_grad_(False)
    model = game(lambda: nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1)))
    for network in model.discriminators:
        network[0].weight = shared.weight
    assert "share tensors" in Comparison(model.pairs, torch.randn(13, 2)).why_not(VECTORISED)


def test_parameters_tied_by_their_memory_stay_tied(fit, caplog):
    def make():
        discriminator = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 1))
        discriminator[1].weight.data = discriminator[0].weight.data
        return GAN(nn.Linear(LATENT_DIM, 2), discriminator, latent_dim=LATENT_DIM)

    model = mix(make, 3)
    with caplog.at_level("INFO", logger="pytorch_lightning.utilities.rank_zero"):
        fit(model, torch.randn(32, 2))
    assert model.pairs.way == LOOP
    assert "share memory" in caplog.text
    assert all(torch.equal(d[0].weight, d[1].weight) for d in model.discriminators)


def test_what_a_forward_pass_puts_into_a_container_is_seen():
    class Collecting(nn.Linear):
        def __init__(self, *shape):
            super().__init__(*shape)
            self.kept, self.seen = [], {"n": 0}

        def forward(self, points):
            self.seen["n"] += len(points)
            return super().forward(points)

    assert choose("auto", game(lambda: Collecting(2, 1)).pairs, torch.randn(13, 2)) == LOOP


def test_networks_that_differ_are_not_vectorised():
    model = game(lambda: nn.Linear(2, 1))
    model.discriminators.components[1] = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    assert "differ in their layers" in Comparison(model.pairs, torch.randn(13, 2)).why_not(VECTORISED)
    model.discriminators.components[1] = nn.Linear(2, 1, bias=False)
    assert "differ in their layers" in Comparison(model.pairs, torch.randn(13, 2)).why_not(VECTORISED)


def test_a_comparison_times_a_step_and_leaves_the_game_alone():
    model = game(lambda: nn.Linear(2, 1))
    before, state = [p.clone() for p in model.parameters()], torch.get_rng_state()
    comparison = Comparison(model.pairs, torch.randn(13, 2))
    torch.set_rng_state(state)
    assert 0 < comparison.seconds(VECTORISED) < 10
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), before, strict=True))


def test_on_a_gpu_the_quickest_of_the_exact_ways_is_taken(monkeypatch):
    """With its timings set: a GPU's are its own."""
    seconds = {VECTORISED: 3.0, VECTORISED_APART: 2.0, CONCAT: 1.0, LOOP: 4.0}
    monkeypatch.setattr(Comparison, "seconds", lambda self, way: seconds[way])
    monkeypatch.setattr("mixgan_lightning.payoff.choice.is_timed", lambda pairs: True)
    assert choose("auto", game(lambda: nn.Linear(2, 1)).pairs, torch.randn(13, 2)) == CONCAT
    assert choose("auto", game(CASES["BatchNorm"][0]).pairs, torch.randn(13, 2)) == VECTORISED_APART
    assert choose("auto", game(lambda: nn.Linear(2, 1)).pairs, torch.randn(13, 2), before=VECTORISED) == VECTORISED


def test_a_training_goes_on_in_the_way_that_it_began_with(fit, toy, tmp_path, monkeypatch):
    model = mix(toy(), 3)
    trainer = fit(model, torch.randn(32, 2))
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    assert model.pairs.way == FILLED
    monkeypatch.setattr("mixgan_lightning.payoff.choice._in_order", lambda *_: [LOOP])  # of an other version, say
    again = mix(toy(), 3)
    fit(again, torch.randn(32, 2), ckpt_path=tmp_path / "a.ckpt", max_epochs=2)
    assert again.pairs.way == FILLED
    other = mix(toy(), 3)
    fit(other, torch.randn(32, 2))
    assert other.pairs.way == LOOP


def test_after_a_training_every_network_has_memory_of_its_own(fit, toy, tmp_path):
    model = mix(toy(), 3)
    fit(model, torch.randn(32, 2))
    assert model.pairs.way == FILLED
    weights = [component[0].weight for component in model.generators]
    assert len({weight.untyped_storage().data_ptr() for weight in weights}) == 3
    assert all(weight.untyped_storage().nbytes() == weight.nbytes for weight in weights)
    before = [p.detach().clone() for p in model.parameters()]
    fit(model, torch.randn(32, 2))
    assert not any(torch.equal(a, b) for a, b in zip(model.parameters(), before, strict=True))


class AtTheSecondEpoch(pl.Callback):
    def __init__(self, change):
        self.change = change

    def on_train_epoch_start(self, trainer, module):
        for discriminator in module.discriminators:
            self.change(discriminator[1], trainer.current_epoch > 0)


CHANGES = {
    "BatchNorm learns": (lambda: nn.BatchNorm1d(4), nn.BatchNorm1d.train, VECTORISED_APART),
    "dropout": (lambda: nn.Dropout(0.5), nn.Dropout.train, CONCAT),
}


@pytest.mark.parametrize("name", CHANGES)
def test_layers_that_change_between_epochs_have_the_choice_made_anew(fit, name):
    layer, change, expected = CHANGES[name]
    points, ends = torch.randn(52, 2, dtype=torch.float64), []
    for evaluation in ("loop", "auto"):
        torch.manual_seed(0)
        model = game(lambda: nn.Sequential(nn.Linear(2, 4), layer(), nn.Linear(4, 1)), evaluation=evaluation).double()
        ways = Ways()
        fit(model, points, batch_size=13, seed=1, max_epochs=2, callbacks=[AtTheSecondEpoch(change), ways])
        ends.append([t.detach().clone() for t in model.state_dict().values()])
    assert ways.seen == [VECTORISED, expected]
    assert max(float((a - b).abs().max()) for a, b in zip(*ends, strict=True)) <= 1e-8


class Ways(pl.Callback):
    """The way of each epoch."""

    def __init__(self):
        self.seen = []

    def on_train_epoch_end(self, trainer, module):
        self.seen.append(module.pairs.way)


def test_a_checkpoint_of_another_kind_of_device_does_not_bind(fit, toy, tmp_path):
    model = mix(toy(), 3, evaluation="loop")
    trainer = fit(model, torch.randn(32, 2))
    model._evaluation.made["device"] = "cuda"
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    again = mix(toy(), 3)
    fit(again, torch.randn(32, 2), ckpt_path=tmp_path / "a.ckpt", max_epochs=2)
    assert again.pairs.way == FILLED


def test_activations_are_recomputed_where_it_is_asked_for():
    model = game(lambda: nn.Linear(2, 1))
    assert choose("auto", model.pairs, torch.randn(13, 2), recompute=True) == Way(joined=True, recompute=True)
    assert choose("loop", model.pairs, torch.randn(13, 2), recompute=True) == Way(recompute=True)
    dropout = game(CASES["dropout"][0])
    assert choose("loop", dropout.pairs, torch.randn(13, 2), recompute=True) == Way(recompute=True)


def test_a_network_whose_activations_cannot_be_recomputed_is_warned_of():
    model = game(CASES["a counter"][0])
    with pytest.warns(UserWarning, match="evaluated as loop, since with loop: its forward pass sets calls"):
        assert choose("loop", model.pairs, torch.randn(13, 2), recompute=True) == LOOP


def test_recomputing_takes_one_network_at_a_time():
    with pytest.raises(ConfigurationError, match=r"recompute=True takes one network at a .*; leave one out"):
        game(lambda: nn.Linear(2, 1), evaluation="vectorised", recompute=True)
    with pytest.raises(ConfigurationError, match="recompute: expected true or false, got 'yes'"):
        game(lambda: nn.Linear(2, 1), recompute="yes")
    with pytest.raises(ConfigurationError, match="recompute=True: an unmodified GAN is played pair by pair"):
        mix(WithTwoLosses, 2, recompute=True)


def test_compiled_networks_are_called_one_by_one_and_train_as_the_others_do(fit, toy, monkeypatch):
    compile_it, compiled, ends = nn.Module.compile, [], []
    monkeypatch.setattr(nn.Module, "compile", lambda self: compiled.append(self) or compile_it(self, backend="eager"))
    for options in ({"evaluation": "loop"}, {"compiled": True}):
        torch.manual_seed(0)
        model = mix(toy(), 2, **options).double()
        fit(model, torch.randn(32, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)), seed=1)
        ends.append([p.detach().clone() for p in model.parameters()])
    assert compiled == [*model.generators, *model.discriminators]
    assert model.pairs.way == CONCAT
    assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(*ends, strict=True))
    assert all("_orig_mod" not in key for key in model.state_dict())


@pytest.mark.slow
def test_networks_are_compiled_by_the_default_compiler(fit, toy):
    model = mix(toy(), 2, compiled=True)
    fit(model, torch.randn(32, 2))
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_mixed_precision_goes_with_every_way(fit, toy):
    ends = []
    for evaluation in ("loop", "concat", "vectorised"):
        torch.manual_seed(0)
        model = mix(toy(), 3, evaluation=evaluation)
        fit(model, torch.randn(32, 2, generator=torch.Generator().manual_seed(1)), seed=1, precision="bf16-mixed")
        assert model.pairs.way.name == evaluation
        ends.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert (ends[1] - ends[0]).abs().mean() < 1e-3
    assert (ends[2] - ends[0]).abs().mean() < 1e-3


def test_a_way_must_do_in_the_precision_of_the_training_too(fit, toy):
    """On CPUs torch's BatchNorm of several networks refuses 16-bit inputs."""
    model = mix(toy(batchnorm=True), 3)
    fit(model, torch.randn(64, 2), batch_size=32, precision="bf16-mixed")
    assert model.pairs.way == LOOP
    model = mix(toy(batchnorm=True), 3)
    fit(model, torch.randn(64, 2), batch_size=32)
    assert model.pairs.way == VECTORISED_APART


def test_an_evaluation_that_is_asked_for_counts_more_than_the_one_that_was_saved(fit, toy, tmp_path):
    trainer = fit(mix(toy(), 3), torch.randn(32, 2))
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    again = mix(toy(), 3, evaluation="concat")
    fit(again, torch.randn(32, 2), ckpt_path=tmp_path / "a.ckpt", max_epochs=2)
    assert again.pairs.way == CONCAT


def test_an_unknown_evaluation_is_told_what_there_is():
    with pytest.raises(ConfigurationError, match="evaluation: expected auto, loop, concat, vectorised, got 'fast'"):
        game(lambda: nn.Linear(2, 1), evaluation="fast")


def test_losses_of_ones_own_say_themselves_how_they_are_evaluated(fit):
    def make():
        return GAN(nn.Linear(LATENT_DIM, 2), nn.Linear(2, 1), latent_dim=LATENT_DIM)

    model = IndependentGANs(make, 2)
    fit(model, torch.randn(32, 2))
    assert model.pairs.way == LOOP
    with pytest.raises(ConfigurationError, match="evaluation='concat': IndependentGANs plays losses of its own"):
        IndependentGANs(make, 2, evaluation="concat")


def test_an_unmodified_gan_is_played_pair_by_pair():
    with pytest.raises(ConfigurationError, match="evaluation='concat': an unmodified GAN is played pair by pair; lea"):
        mix(WithTwoLosses, 2, evaluation="concat")
    assert mix(WithTwoLosses, 2, evaluation="loop").replay is not None
