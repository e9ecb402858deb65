"""Networks that are harder to copy than most: some that size 1 trains as the user would, some that are refused."""

import threading
from functools import partial

import pytest
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from runs import seed_everything, trainer
from torch import nn
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset

from mixgan_lightning import mix
from mixgan_lightning.errors import GANError


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.out = nn.LSTM(4, 6, batch_first=True), nn.Linear(6, 2)

    def forward(self, z):
        return self.out(self.lstm(z[:, None].expand(-1, 3, -1))[0][:, -1])


class Checkpointed(nn.Module):
    """Its first layers are computed again in the backward; the reentrant kind calls backward() within one."""

    def __init__(self, reentrant):
        super().__init__()
        self.first, self.out, self.reentrant = nn.Sequential(nn.Linear(4, 6), nn.ReLU()), nn.Linear(6, 2), reentrant

    def forward(self, z):
        return self.out(checkpoint(self.first, z.requires_grad_(), use_reentrant=self.reentrant))


def plain_generator():
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))


def plain_discriminator():
    return nn.Sequential(nn.Linear(2, 6), nn.LeakyReLU(0.2), nn.Linear(6, 1))


def weight_normalised():
    hooked = nn.utils.weight_norm(nn.Linear(6, 2))
    return nn.Sequential(parametrizations.weight_norm(nn.Linear(4, 6)), nn.ReLU(), hooked)


def orthogonal():
    return nn.Sequential(parametrizations.orthogonal(nn.Linear(2, 6)), nn.ReLU(), nn.Linear(6, 1))


class OwnGAN(pl.LightningModule):
    generator_of, discriminator_of = staticmethod(plain_generator), staticmethod(plain_discriminator)

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.discriminator = self.generator_of(), self.discriminator_of()

    def training_step(self, batch, batch_idx):
        opt_g, opt_d = self.optimizers()
        fake = self.generator(torch.randn(len(batch[0]), 4))
        loss_d = F.softplus(-self.discriminator(batch[0])).mean() + F.softplus(self.discriminator(fake.detach())).mean()
        opt_d.zero_grad()
        self.manual_backward(loss_d)
        opt_d.step()
        loss_g = F.softplus(-self.discriminator(fake)).mean()
        opt_g.zero_grad()
        self.manual_backward(loss_g)
        with torch.no_grad():  # the pause is within: the other pairs must have gradients all the same
            opt_g.step()
        self.log_dict({"loss_d": loss_d, "loss_g": loss_g})

    def configure_optimizers(self):
        return [torch.optim.Adam(network.parameters(), lr=0.01) for network in (self.generator, self.discriminator)]


def with_networks(generator=plain_generator, discriminator=plain_discriminator):
    return type(
        "Own", (OwnGAN,), {"generator_of": staticmethod(generator), "discriminator_of": staticmethod(discriminator)}
    )


def with_attribute(name, value):
    """``value(module)`` is set in ``__init__``."""

    def init(self):
        OwnGAN.__init__(self)
        setattr(self, name, value(self))

    return type("Own", (OwnGAN,), {"__init__": init})


def data():
    points = torch.randn(32, 2, generator=torch.Generator().manual_seed(0))
    return DataLoader(TensorDataset(points), 8, shuffle=True)


UNUSUAL = {
    "recurrent": with_networks(Recurrent),
    "checkpointed": with_networks(partial(Checkpointed, False)),
    "checkpointed, reentrant": with_networks(partial(Checkpointed, True)),
    "weight norm": with_networks(weight_normalised),
    "compiled": with_networks(lambda: torch.compile(plain_generator(), backend="eager")),
    "orthogonal": with_networks(discriminator=orthogonal),
    "held twice": with_attribute("nets", lambda module: {"g": module.generator, "d": [module.discriminator]}),
    "a bound method": with_attribute("draw", lambda module: module.forward),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_size_one_is_the_users_own_training(name, tmp_path):
    states = []
    for make in (UNUSUAL[name], lambda: mix(UNUSUAL[name], size=1)):
        seed_everything()
        model = make()
        trainer(tmp_path, max_epochs=2).fit(model, data())
        networks = (model.component(0), model.discriminators.components[0]) if hasattr(model, "component") else (
            model.generator,
            model.discriminator,
        )  # fmt: skip
        states.append([value for network in networks for value in network.state_dict().values()])
    assert all(map(torch.equal, *states))


@pytest.mark.parametrize("name", UNUSUAL)
def test_larger_games_train_all_components_and_are_sampled(name, tmp_path):
    seed_everything()
    model = mix(UNUSUAL[name], size=2, num_discriminators=3)
    before = [p.clone() for p in model.parameters()]
    trainer(tmp_path).fit(model, data())
    assert all(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert model.sample(4, seed=0)[0].shape == (4, 2)


def hooked(module):
    seen = []
    module.generator.register_forward_hook(lambda network, args, output: seen.append((module, output)))
    return seen


REFUSED = {
    "a lambda that holds the module": (with_attribute("draw", lambda m: lambda n: m.generator(n)), "draw.*a method"),
    "a hook that holds it": (with_attribute("seen", hooked), "generator.*forward_hooks.*a method"),
    "TorchScript": (with_networks(lambda: torch.jit.script(plain_generator())), "does not keep this parameter"),
    "a lock": (with_attribute("lock", lambda module: threading.Lock()), r"cannot be copied.*share="),
    "an iterator": (with_attribute("rows", lambda module: (x for x in range(3))), r"cannot be copied.*share="),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_pair_could_have_for_itself_is_refused_before_the_first_step(name, tmp_path):
    make, message = REFUSED[name]
    with pytest.raises(GANError, match=message):
        trainer(tmp_path).fit(mix(make, size=2), data())


def test_what_cannot_be_copied_may_be_shared(tmp_path):
    model = mix(REFUSED["a lock"][0], size=2, share=("lock",))
    trainer(tmp_path).fit(model, data())
    assert model.played.generator_steps == 4
