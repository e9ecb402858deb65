"""Users' GANs with layers that have a state: BatchNorm, spectral norm, dropout; and networks beside the players."""

import copy

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations, spectral_norm
from zoo_networks import LATENT, PIXELS, Discriminator, Generator, images


class BatchNormGAN(pl.LightningModule):
    """BatchNorm in both; validation with fixed noise; images logged inside the step."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.generator = Generator(batchnorm=True)
        self.discriminator = Discriminator(batchnorm=True)
        self.register_buffer("validation_z", torch.randn(8, LATENT))

    def forward(self, z):
        return self.generator(z)

    def training_step(self, batch, batch_idx):
        imgs, _ = batch
        opt_g, opt_d = self.optimizers()
        z = torch.randn(len(imgs), LATENT)
        self.toggle_optimizer(opt_d)
        d_loss = F.softplus(-self.discriminator(imgs)).mean() + F.softplus(self.discriminator(self(z).detach())).mean()
        self.manual_backward(d_loss)
        opt_d.step()
        opt_d.zero_grad()
        self.untoggle_optimizer(opt_d)
        self.toggle_optimizer(opt_g)
        fakes = self(z)
        g_loss = F.softplus(-self.discriminator(fakes)).mean()
        self.manual_backward(g_loss)
        opt_g.step()
        opt_g.zero_grad()
        self.untoggle_optimizer(opt_g)
        if batch_idx % 4 == 0 and self.logger is not None:
            self.logger.experiment.add_image("fakes", fakes[0].detach(), self.global_step)
        self.log("g_loss", g_loss)
        self.log("d_loss", d_loss)

    def validation_step(self, batch, batch_idx):
        imgs, _ = batch
        self.log("val_score", self.discriminator(imgs).mean() - self.discriminator(self(self.validation_z)).mean())

    def on_validation_epoch_end(self):
        self.logger.experiment.add_image("validation/fakes", self(self.validation_z)[0], self.current_epoch)

    def configure_optimizers(self):
        opt_g = torch.optim.Adam(self.generator.parameters(), lr=0.01)
        opt_d = torch.optim.Adam(self.discriminator.parameters(), lr=0.01)
        return [opt_g, opt_d], []


def parametrised_critic(dropout):
    return nn.Sequential(
        nn.Flatten(),
        parametrizations.spectral_norm(nn.Linear(PIXELS, 6)),
        nn.LeakyReLU(0.1),
        nn.Dropout(dropout),
        parametrizations.spectral_norm(nn.Linear(6, 1)),
    )


def hooked_critic(dropout):
    return nn.Sequential(
        nn.Flatten(),
        spectral_norm(nn.Linear(PIXELS, 6)),
        nn.LeakyReLU(0.1),
        nn.Dropout(dropout),
        spectral_norm(nn.Linear(6, 1)),
    )


class SpectralNormGAN(pl.LightningModule):
    """Hinge losses, dropout in the discriminator, two of its steps to one of the generator's, by its own counter."""

    def __init__(self, make_critic=parametrised_critic, dropout=0.3):
        super().__init__()
        self.automatic_optimization = False
        self.netG, self.netD = Generator(), make_critic(dropout)
        self.steps = 0

    def training_step(self, batch, batch_idx):
        real, _ = batch
        opt_g, opt_d = self.optimizers()
        fake = self.netG(torch.randn(len(real), LATENT))
        loss_d = F.relu(1 - self.netD(real)).mean() + F.relu(1 + self.netD(fake.detach())).mean()
        opt_d.zero_grad()
        self.manual_backward(loss_d)
        opt_d.step()
        self.steps += 1
        if self.steps % 2 == 0:
            loss_g = -self.netD(fake).mean()
            opt_g.zero_grad()
            self.manual_backward(loss_g)
            opt_g.step()
            self.log("loss_g", loss_g)
        self.log("loss_d", loss_d)

    def configure_optimizers(self):
        opt_d = torch.optim.Adam(self.netD.parameters(), lr=0.01)
        opt_g = torch.optim.Adam(self.netG.parameters(), lr=0.01)
        return opt_g, opt_d


def hooked_spectral_norm_gan():
    return SpectralNormGAN(hooked_critic)


class AveragedGAN(pl.LightningModule):
    """An exponential moving average of the generator inside the module, updated after each batch in place."""

    def __init__(self, decay=0.9):
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.discriminator = Generator(batchnorm=True), Discriminator()
        self.decay = decay
        self.generator_ema = copy.deepcopy(self.generator).eval()
        for p in self.generator_ema.parameters():
            p.requires_grad_(False)

    def training_step(self, batch, batch_idx):
        real, _ = batch
        opt_g, opt_d = self.optimizers()
        z = torch.randn(len(real), LATENT)
        loss_d = F.softplus(-self.discriminator(real)).mean()
        loss_d = loss_d + F.softplus(self.discriminator(self.generator(z).detach())).mean()
        opt_d.zero_grad()
        self.manual_backward(loss_d)
        opt_d.step()
        loss_g = F.softplus(-self.discriminator(self.generator(z))).mean()
        opt_g.zero_grad()
        self.manual_backward(loss_g)
        opt_g.step()

    @torch.no_grad()
    def on_train_batch_end(self, outputs, batch, batch_idx):
        for averaged, p in zip(self.generator_ema.parameters(), self.generator.parameters(), strict=True):
            averaged.mul_(self.decay).add_(p, alpha=1 - self.decay)
        for averaged, b in zip(self.generator_ema.buffers(), self.generator.buffers(), strict=True):
            averaged.copy_(b)

    def on_train_epoch_end(self):
        z = torch.ones(2, LATENT)
        self.log("ema_distance", (self.generator_ema(z) - self.generator.eval()(z)).abs().mean())
        self.generator.train()

    def configure_optimizers(self):
        opt_d = torch.optim.Adam(self.discriminator.parameters(), lr=0.01)
        opt_g = torch.optim.Adam(self.generator.parameters(), lr=0.01)
        return [opt_g, opt_d]


class PerceptualGAN(pl.LightningModule):
    """A frozen feature network for a perceptual loss, as a pretrained VGG."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.net_g, self.net_d = Generator(), Discriminator()
        self.vgg = nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, 5), nn.BatchNorm1d(5), nn.Tanh()).eval()
        self.vgg.requires_grad_(False)
        self.l1 = nn.L1Loss()

    def on_train_start(self):
        self.vgg.eval()

    def training_step(self, batch, batch_idx):
        real, _ = batch
        opt_g, opt_d = self.optimizers()
        fake = self.net_g(torch.randn(len(real), LATENT))
        self.toggle_optimizer(opt_g)
        perceptual = self.l1(self.vgg(fake).mean(0), self.vgg(real).mean(0))
        adversarial = F.softplus(-self.net_d(fake)).mean()
        loss_g = adversarial + 2 * perceptual
        opt_g.zero_grad()
        self.manual_backward(loss_g)
        opt_g.step()
        self.untoggle_optimizer(opt_g)
        self.toggle_optimizer(opt_d)
        loss_d = F.softplus(-self.net_d(real)).mean() + F.softplus(self.net_d(fake.detach())).mean()
        opt_d.zero_grad()
        self.manual_backward(loss_d)
        opt_d.step()
        self.untoggle_optimizer(opt_d)
        self.log_dict({"perceptual": perceptual, "adversarial": adversarial, "loss_d": loss_d})
        return loss_g

    def val_dataloader(self):
        return torch.utils.data.DataLoader(images(16)[0], batch_size=8)

    def validation_step(self, batch, batch_idx):
        self.log("val/real", self.net_d(batch).mean(), prog_bar=True)

    def configure_optimizers(self):
        opt_g = torch.optim.Adam(self.net_g.parameters(), lr=0.01)
        opt_d = torch.optim.Adam(filter(lambda p: p.requires_grad, self.net_d.parameters()), lr=0.01)
        return opt_g, opt_d
