"""Users' GANs whose players are harder to find: other names, ModuleDicts, three optimisers, two of each network."""

import itertools

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import nn
from zoo_networks import LATENT, PIXELS, Discriminator, Generator


class VAEGAN(pl.LightningModule):
    """The generator is called ``vae`` and has an encoder inside; two optimisers, the discriminator's first."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.vae = nn.ModuleDict(
            {"encoder": nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, LATENT)), "decoder": Generator()}
        )
        self.discriminator = Discriminator()

    def training_step(self, batch, batch_idx):
        x, _ = batch
        opt_disc, opt_ae = self.optimizers()
        mean = self.vae["encoder"](x)
        recon = self.vae["decoder"](mean + 0.1 * torch.randn_like(mean))
        self.toggle_optimizer(opt_ae)
        loss_ae = F.l1_loss(recon, x) + 0.001 * mean.square().mean() - 0.1 * self.discriminator(recon).mean()
        opt_ae.zero_grad()
        self.manual_backward(loss_ae)
        opt_ae.step()
        self.untoggle_optimizer(opt_ae)
        self.toggle_optimizer(opt_disc)
        loss_disc = F.relu(1 - self.discriminator(x)).mean() + F.relu(1 + self.discriminator(recon.detach())).mean()
        opt_disc.zero_grad()
        self.manual_backward(loss_disc)
        opt_disc.step()
        self.untoggle_optimizer(opt_disc)
        self.log_dict({"ae": loss_ae, "disc": loss_disc}, on_epoch=True)

    def configure_optimizers(self):
        opt_ae = torch.optim.Adam(self.vae.parameters(), lr=0.01)
        opt_disc = torch.optim.Adam(self.discriminator.parameters(), lr=0.01)
        return [opt_disc, opt_ae], []


class ModuleDictGAN(pl.LightningModule):
    """``self.model["generator"]`` and ``self.model["discriminator"]``; 2-tuples of dictionaries."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.model = nn.ModuleDict({"generator": Generator(), "discriminator": Discriminator()})

    def _step(self, opt, loss, name):
        opt.zero_grad()
        self.manual_backward(loss)
        opt.step()
        self.log(name, loss)

    def training_step(self, batch, batch_idx):
        x, _ = batch
        opt_g, opt_d = self.optimizers()
        G, D = self.model["generator"], self.model["discriminator"]
        self._step(opt_g, F.softplus(-D(G(torch.randn(len(x), LATENT)))).mean(), "g")
        fake = G(torch.randn(len(x), LATENT)).detach()
        self._step(opt_d, F.softplus(-D(x)).mean() + F.softplus(D(fake)).mean(), "d")

    def configure_optimizers(self):
        return (
            {"optimizer": torch.optim.Adam(self.model["generator"].parameters(), lr=0.01)},
            {"optimizer": torch.optim.Adam(self.model["discriminator"].parameters(), lr=0.01)},
        )


class AdversarialAutoencoder(pl.LightningModule):
    """Three optimisers: encoder and decoder step together, the discriminator alone."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, LATENT))
        self.generator = Generator()
        self.discriminator = Discriminator()

    def training_step(self, batch, batch_idx):
        x, _ = batch
        opt_e, opt_g, opt_d = self.optimizers()
        z = torch.randn(len(x), LATENT)
        recon = self.generator(self.encoder(x))
        loss_eg = F.mse_loss(recon, x) + F.softplus(-self.discriminator(self.generator(z))).mean()
        opt_e.zero_grad()
        opt_g.zero_grad()
        self.manual_backward(loss_eg)
        opt_e.step()
        opt_g.step()
        fake = self.generator(z).detach()
        loss_d = F.softplus(-self.discriminator(x)).mean() + F.softplus(self.discriminator(fake)).mean()
        opt_d.zero_grad()
        self.manual_backward(loss_d)
        opt_d.step()
        self.log("loss_eg", loss_eg)
        self.log("loss_d", loss_d)

    def configure_optimizers(self):
        return (
            torch.optim.Adam(self.encoder.parameters(), lr=0.01),
            torch.optim.Adam(self.generator.parameters(), lr=0.01),
            torch.optim.Adam(self.discriminator.parameters(), lr=0.01),
        )


class Translator(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(PIXELS, 4), nn.Tanh(), nn.Linear(4, PIXELS))

    def forward(self, x):
        return x + self.net(x.flatten(1)).view_as(x)


class CycleGAN(pl.LightningModule):
    """Two generators in one optimiser, a discriminator of each domain with an optimiser of its own."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.g_ab, self.g_ba = Translator(), Translator()
        self.d_a, self.d_b = Discriminator(), Discriminator()

    def training_step(self, batch, batch_idx):
        a, b = batch
        opt_g, opt_d_a, opt_d_b = self.optimizers()
        fake_b, fake_a = self.g_ab(a), self.g_ba(b)
        self.toggle_optimizer(opt_g)
        cycle = F.l1_loss(self.g_ba(fake_b), a) + F.l1_loss(self.g_ab(fake_a), b)
        loss_g = (self.d_a(fake_a) - 1).square().mean() + (self.d_b(fake_b) - 1).square().mean() + 10 * cycle
        opt_g.zero_grad()
        self.manual_backward(loss_g)
        opt_g.step()
        self.untoggle_optimizer(opt_g)
        for opt, d, real, fake, name in (
            (opt_d_a, self.d_a, a, fake_a, "d_a"),
            (opt_d_b, self.d_b, b, fake_b, "d_b"),
        ):
            self.toggle_optimizer(opt)
            loss = (d(real) - 1).square().mean() + d(fake.detach()).square().mean()
            opt.zero_grad()
            self.manual_backward(loss)
            opt.step()
            self.untoggle_optimizer(opt)
            self.log(f"loss_{name}", loss)
        self.log("loss_g", loss_g)

    def configure_optimizers(self):
        opt_g = torch.optim.Adam(itertools.chain(self.g_ab.parameters(), self.g_ba.parameters()), lr=0.01)
        opt_d_a = torch.optim.Adam(self.d_a.parameters(), lr=0.01)
        opt_d_b = torch.optim.Adam(self.d_b.parameters(), lr=0.01)
        return [opt_g, opt_d_a, opt_d_b], []


class NamelessGAN(pl.LightningModule):
    """No name tells who plays what."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.alice, self.bob = Generator(), Discriminator()

    def training_step(self, batch, batch_idx):
        x, _ = batch
        opt_alice, opt_bob = self.optimizers()
        fake = self.alice(torch.randn(len(x), LATENT))
        loss_bob = F.softplus(-self.bob(x)).mean() + F.softplus(self.bob(fake.detach())).mean()
        opt_bob.zero_grad()
        self.manual_backward(loss_bob)
        opt_bob.step()
        loss_alice = F.softplus(-self.bob(fake)).mean()
        opt_alice.zero_grad()
        self.manual_backward(loss_alice)
        opt_alice.step()
        self.log("loss_alice", loss_alice)

    def configure_optimizers(self):
        return torch.optim.Adam(self.alice.parameters(), lr=0.01), torch.optim.Adam(self.bob.parameters(), lr=0.01)
