"""What cannot be mixed is refused before or at the first step, in words that say what to do."""

import pytest
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from runs import fit, seed_everything
from torch import nn
from zoo import ZOO, Entry
from zoo_classic import ToggledGAN
from zoo_networks import LATENT, Discriminator, Generator
from zoo_players import NamelessGAN
from zoo_training import ManualGAN, gan_losses

from mixgan_lightning import mix
from mixgan_lightning.errors import MixGANError


def refused(make, tmp_path, *words, size=2, **options):
    """mix(), or at the latest the first batch, raises; the message has all the words (of alternatives "a|b", one)."""
    seed_everything()
    entry = Entry(make)
    with pytest.raises(MixGANError) as caught:
        fit(mix(make, size=size, **options), entry, tmp_path, limit_train_batches=1)
    message = str(caught.value).lower()
    for word in words:
        assert any(alternative in message for alternative in word.split("|")), (word, message)


class UsualGAN(ManualGAN):
    """The usual optimisers, D's step then G's."""

    def training_step(self, batch, batch_idx):
        opt_g, opt_d = self.optimizers()
        for opt, which in ((opt_d, 0), (opt_g, 1)):
            loss = gan_losses(self, batch[0])[which]
            opt.zero_grad()
            self.manual_backward(loss)
            opt.step()

    def configure_optimizers(self):
        return torch.optim.Adam(self.generator.parameters(), 0.01), torch.optim.Adam(
            self.discriminator.parameters(), 0.01
        )


# ---------------------------------------------------------------------------------------- steps


class BranchingGAN(UsualGAN):
    """The discriminator is skipped when its own loss is small: pairs disagree."""

    def training_step(self, batch, batch_idx):
        opt_g, opt_d = self.optimizers()
        loss_d, _ = gan_losses(self, batch[0])
        if self.discriminator.model[0].bias[0] > 0:  # stands for a condition on the loss
            opt_d.zero_grad()
            self.manual_backward(loss_d)
            opt_d.step()
        _, loss_g = gan_losses(self, batch[0])
        opt_g.zero_grad()
        self.manual_backward(loss_g)
        opt_g.step()


def test_pairs_that_branch_differently(tmp_path):
    refused(BranchingGAN, tmp_path, "pair", "differ|branch", size=4)


class EndingEarlyGAN(UsualGAN):
    """Some pairs take one step more than the others."""

    def training_step(self, batch, batch_idx):
        super().training_step(batch, batch_idx)
        if self.generator.model[0].bias[0] > 0:
            opt_g, _ = self.optimizers()
            opt_g.zero_grad()
            self.manual_backward(gan_losses(self, batch[0])[1])
            opt_g.step()


def test_pairs_that_step_more_often_than_others(tmp_path):
    refused(EndingEarlyGAN, tmp_path, "pair", "differ|branch", size=4)


class OneBackwardGAN(UsualGAN):
    """The sum of both losses is differentiated once for both players."""

    def training_step(self, batch, batch_idx):
        opt_g, opt_d = self.optimizers()
        opt_g.zero_grad()
        opt_d.zero_grad()
        loss_d, loss_g = gan_losses(self, batch[0])
        self.manual_backward(loss_d + loss_g)
        opt_d.step()
        opt_g.step()


def test_one_backward_that_serves_two_players(tmp_path):
    refused(OneBackwardGAN, tmp_path, "backward", "both|two players|two")


class GradientsByHandGAN(UsualGAN):
    """``p.grad = autograd.grad(…)``: no backward tells which loss the log-probabilities should learn from."""

    def training_step(self, batch, batch_idx):
        opt_g, opt_d = self.optimizers()
        for opt, network, which in ((opt_d, self.discriminator, 0), (opt_g, self.generator, 1)):
            loss = gan_losses(self, batch[0])[which]
            parameters = list(network.parameters())
            for p, grad in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
                p.grad = grad
            opt.step()


def test_gradients_set_otherwise_than_by_backward(tmp_path):
    refused(GradientsByHandGAN, tmp_path, "backward", "log-probabilit|loss")


# ---------------------------------------------------------------------------------------- optimisers and players


class LBFGSGAN(UsualGAN):
    def configure_optimizers(self):
        return torch.optim.LBFGS(self.generator.parameters()), torch.optim.LBFGS(self.discriminator.parameters())


def test_lbfgs(tmp_path):
    refused(LBFGSGAN, tmp_path, "lbfgs")


class OneOptimizerGAN(UsualGAN):
    def training_step(self, batch, batch_idx):
        opt = self.optimizers()
        opt.zero_grad()
        self.manual_backward(sum(gan_losses(self, batch[0])))
        opt.step()

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.01)


def test_one_optimiser_for_everything(tmp_path):
    refused(OneOptimizerGAN, tmp_path, "optimi", "one|two")


class OverlappingGAN(UsualGAN):
    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.01), torch.optim.Adam(self.discriminator.parameters(), lr=0.01)


def test_a_parameter_in_two_optimisers(tmp_path):
    refused(OverlappingGAN, tmp_path, "two optimi|both optimi", "discriminator.model")


def test_players_that_cannot_be_told_apart(tmp_path):
    refused(
        NamelessGAN,
        tmp_path,
        "cannot tell which of the 2 optimisers plays the generator",
        "[['alice'], ['bob']]",
        "players=('generator', 'discriminator') in the order of configure_optimizers()",
    )


@pytest.mark.parametrize(
    "players",
    [
        ("generator",),
        ("generator", "discriminator", "discriminator"),
        ("generator", "critic"),
        ("generator", "generator"),
        "generator",
        ("alice", "bob"),
    ],
)
def test_players_that_do_not_fit(players, tmp_path):
    refused(NamelessGAN, tmp_path, "players", "generator", "discriminator", players=players)


@pytest.mark.parametrize("share", [("resnet",), ("discriminator",)])
def test_sharing_what_is_not_there_or_what_is_trained(share, tmp_path):
    refused(UsualGAN, tmp_path, "share", share[0], share=share)


class FailingOptimizersGAN(UsualGAN):
    def configure_optimizers(self):
        return torch.optim.Adam(self.generators.parameters(), lr=0.01)


def test_optimisers_that_cannot_be_built(tmp_path):
    refused(FailingOptimizersGAN, tmp_path, "configure_optimizers", "attributeerror|no attribute")


class NoOptimizersGAN(UsualGAN):
    def configure_optimizers(self):
        return None


def test_no_optimisers(tmp_path):
    refused(NoOptimizersGAN, tmp_path, "configure_optimizers")


# ---------------------------------------------------------------------------------------- factories


def test_a_factory_that_returns_the_same_object(tmp_path):
    module = ToggledGAN()
    refused(lambda: module, tmp_path, "same object", "make_gan|factory")


def test_a_module_instead_of_a_factory(tmp_path):
    refused(ToggledGAN(), tmp_path, "factory", "class")


@pytest.mark.parametrize("shared", ["generator", "discriminator"])
def test_a_factory_that_shares_networks_between_calls(shared, tmp_path):
    network = Generator() if shared == "generator" else Discriminator()

    def make():
        module = UsualGAN()
        setattr(module, shared, network)
        return module

    refused(make, tmp_path, "share", "parameters|network")


def test_a_factory_that_seeds(tmp_path):
    def make():
        torch.manual_seed(1)
        return UsualGAN()

    refused(make, tmp_path, "identical|same initial", "seed")


def test_a_factory_that_seeds_itself_in_lightnings_way(tmp_path):
    def make():
        pl.seed_everything(1, verbose=False)
        return NamelessGAN()

    refused(make, tmp_path, "identical|same initial", "seed", players=("generator", "discriminator"))


def test_a_factory_of_different_modules(tmp_path):
    made = iter([UsualGAN, ToggledGAN])
    refused(lambda: next(made)(), tmp_path, "make_gan|factory|differ")


# ---------------------------------------------------------------------------------------- modules and options


class AutomaticGAN(pl.LightningModule):
    """Automatic optimisation with a step for one optimiser: no player can be replayed."""

    def __init__(self):
        super().__init__()
        self.generator, self.discriminator = Generator(), Discriminator()

    def training_step(self, batch, batch_idx):
        return F.softplus(-self.discriminator(self.generator(torch.randn(8, LATENT)))).mean()

    def configure_optimizers(self):
        return torch.optim.Adam(self.generator.parameters()), torch.optim.Adam(self.discriminator.parameters())


def test_automatic_optimisation_without_optimizer_idx(tmp_path):
    refused(AutomaticGAN, tmp_path, "automatic_optimization")


class StepNotMentioned(pl.LightningModule):
    """Neither a step nor losses."""

    def __init__(self):
        super().__init__()
        self.generator, self.discriminator = Generator(), Discriminator()

    def configure_optimizers(self):
        return torch.optim.Adam(self.generator.parameters()), torch.optim.Adam(self.discriminator.parameters())


def test_a_module_without_a_step(tmp_path):
    refused(StepNotMentioned, tmp_path, "training_step")


def test_what_is_no_gan_at_all(tmp_path):
    refused(lambda: nn.Linear(2, 2), tmp_path, "lightningmodule|gan")


def test_splitting_batches_in_a_replay(tmp_path):
    refused(UsualGAN, tmp_path, "fakes", "full|split", fakes="split")


def test_a_schedule_beside_the_users_own(tmp_path):
    refused(UsualGAN, tmp_path, "n_critic", n_critic=3)


@pytest.mark.parametrize("strategy", ["fsdp", "deepspeed"])
def test_strategies_that_shard_the_networks(strategy, tmp_path, monkeypatch):
    seed_everything()
    model = mix(UsualGAN, size=2)
    trainer = pl.Trainer(accelerator="cpu", logger=False, default_root_dir=tmp_path)
    kind = {"fsdp": "FSDPStrategy", "deepspeed": "DeepSpeedStrategy"}[strategy]
    strategy_class = getattr(pl.strategies, kind)
    fake = object.__new__(strategy_class)  # neither can be built without a GPU
    monkeypatch.setattr(type(trainer), "strategy", property(lambda self: fake))
    model._trainer = trainer
    with pytest.raises(MixGANError) as caught:
        model.setup("fit")
    assert strategy in str(caught.value).lower()


def test_the_zoo_is_not_refused():
    for name, entry in ZOO.items():
        seed_everything()
        model = mix(entry.make, size=2, **entry.options)
        assert len(model.generators) == len(model.discriminators) == 2, name
