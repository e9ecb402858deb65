"""Users' GANs, the usual ones: both orders of steps, toggled or not, fakes made once or twice, labels."""

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import nn
from zoo_networks import CLASSES, LATENT, ConditionalDiscriminator, ConditionalGenerator, Discriminator, Generator


class DocsGAN(pl.LightningModule):
    """As in Lightning's documentation: generator first, toggled, the fakes kept as an attribute."""

    def __init__(self, latent_dim: int = LATENT, lr: float = 0.01, b1: float = 0.5, b2: float = 0.999):
        super().__init__()
        self.save_hyperparameters()
        self.automatic_optimization = False
        self.generator = Generator(latent_dim=self.hparams.latent_dim)
        self.discriminator = Discriminator(sigmoid=True)
        self.validation_z = torch.randn(8, self.hparams.latent_dim)
        self.example_input_array = torch.zeros(2, self.hparams.latent_dim)

    def forward(self, z):
        return self.generator(z)

    def adversarial_loss(self, y_hat, y):
        return F.binary_cross_entropy(y_hat, y)

    def training_step(self, batch):
        imgs, _ = batch
        optimizer_g, optimizer_d = self.optimizers()

        z = torch.randn(imgs.shape[0], self.hparams.latent_dim)
        z = z.type_as(imgs)

        # train generator
        self.toggle_optimizer(optimizer_g)
        self.generated_imgs = self(z)
        self.logger.experiment.add_image("train/generated_images", self.generated_imgs[0], self.current_epoch)
        valid = torch.ones(imgs.size(0), 1)
        valid = valid.type_as(imgs)
        g_loss = self.adversarial_loss(self.discriminator(self(z)), valid)
        self.log("g_loss", g_loss, prog_bar=True)
        self.manual_backward(g_loss)
        optimizer_g.step()
        optimizer_g.zero_grad()
        self.untoggle_optimizer(optimizer_g)

        # train discriminator
        self.toggle_optimizer(optimizer_d)
        valid = torch.ones(imgs.size(0), 1)
        valid = valid.type_as(imgs)
        real_loss = self.adversarial_loss(self.discriminator(imgs), valid)
        fake = torch.zeros(imgs.size(0), 1)
        fake = fake.type_as(imgs)
        fake_loss = self.adversarial_loss(self.discriminator(self(z).detach()), fake)
        d_loss = (real_loss + fake_loss) / 2
        self.log("d_loss", d_loss, prog_bar=True)
        self.manual_backward(d_loss)
        optimizer_d.step()
        optimizer_d.zero_grad()
        self.untoggle_optimizer(optimizer_d)

    def configure_optimizers(self):
        lr, b1, b2 = self.hparams.lr, self.hparams.b1, self.hparams.b2
        opt_g = torch.optim.Adam(self.generator.parameters(), lr=lr, betas=(b1, b2))
        opt_d = torch.optim.Adam(self.discriminator.parameters(), lr=lr, betas=(b1, b2))
        return [opt_g, opt_d], []


class ToggledGAN(pl.LightningModule):
    """The context manager; discriminator first; optimisers in another order than the steps; G and D."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.G = Generator()
        self.D = Discriminator()
        self.criterion = nn.BCEWithLogitsLoss()

    def sample_noise(self, n):
        return torch.randn(n, LATENT, device=self.device)

    def training_step(self, batch, batch_idx):
        g_opt, d_opt = self.optimizers()
        x, _ = batch
        real_label, fake_label = torch.ones(len(x), 1), torch.zeros(len(x), 1)
        with self.toggled_optimizer(d_opt):
            with torch.no_grad():
                fake = self.G(self.sample_noise(len(x)))
            err_d = self.criterion(self.D(x), 0.9 * real_label) + self.criterion(self.D(fake), fake_label)
            d_opt.zero_grad()
            self.manual_backward(err_d)
            d_opt.step()
        with self.toggled_optimizer(g_opt):
            err_g = self.criterion(self.D(self.G(self.sample_noise(len(x)))), real_label)
            g_opt.zero_grad()
            self.manual_backward(err_g)
            g_opt.step()
        self.log_dict({"loss_g": err_g, "loss_d": err_d}, prog_bar=True)

    def configure_optimizers(self):
        g_opt = torch.optim.Adam(self.G.parameters(), lr=0.01)
        d_opt = torch.optim.Adam(self.D.parameters(), lr=0.01)
        return g_opt, d_opt


class DirectBackwardGAN(pl.LightningModule):
    """No toggling, ``loss.backward()``, zero_grad right before each backward; generator first; tensors as batches."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.netG, self.netD = Generator(), Discriminator(sigmoid=True)

    def training_step(self, real, batch_idx):
        optimizerD, optimizerG = self.optimizers(use_pl_optimizer=True)
        noise = torch.randn(real.size(0), LATENT, device=self.device)
        fake = self.netG(noise)
        loss_G = F.binary_cross_entropy(self.netD(fake).view(-1), torch.ones(real.size(0)))
        optimizerG.zero_grad()
        loss_G.backward()
        optimizerG.step()

        optimizerD.zero_grad()
        loss_real = F.binary_cross_entropy(self.netD(real).view(-1), torch.ones(real.size(0)))
        loss_real.backward()
        loss_fake = F.binary_cross_entropy(self.netD(fake.detach()).view(-1), torch.zeros(real.size(0)))
        loss_fake.backward()
        optimizerD.step()
        self.log("loss_D", loss_real + loss_fake)
        self.log("loss_G", loss_G)

    def configure_optimizers(self):
        return [
            torch.optim.Adam(self.netD.parameters(), lr=0.01, betas=(0.5, 0.999)),
            torch.optim.Adam(self.netG.parameters(), lr=0.01, betas=(0.5, 0.999)),
        ]


class SharedFakesGAN(pl.LightningModule):
    """Fakes drawn once, detached for the discriminator, scored afresh for the generator; least squares; gen, disc."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.gen, self.disc = Generator(), Discriminator()

    def training_step(self, batch, batch_idx):
        opt_disc, opt_gen = self.optimizers()
        real, _ = batch
        fake = self.gen(torch.randn(len(real), LATENT))
        # Discriminator
        disc_fake = self.disc(fake.detach())
        disc_real = self.disc(real)
        loss_disc = 0.5 * ((disc_real - 1) ** 2).mean() + 0.5 * (disc_fake**2).mean()
        opt_disc.zero_grad()
        self.manual_backward(loss_disc)
        opt_disc.step()
        # Generator: the same fakes, the discriminator as it is now
        loss_gen = 0.5 * ((self.disc(fake) - 1) ** 2).mean()
        opt_gen.zero_grad()
        self.manual_backward(loss_gen)
        opt_gen.step()
        self.log_dict({"train/loss_disc": loss_disc.item(), "train/loss_gen": loss_gen.item()})
        self.log("train/score_gap", (disc_real - disc_fake).mean(), on_step=True, on_epoch=True)

    def configure_optimizers(self):
        opt_gen = torch.optim.Adam(self.gen.parameters(), lr=0.01)
        opt_disc = torch.optim.Adam(self.disc.parameters(), lr=0.02, weight_decay=1e-3)
        return opt_disc, opt_gen


class RetainedGraphGAN(pl.LightningModule):
    """One forward of fakes serves both steps: ``retain_graph`` in the discriminator's, before either is stepped."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.discriminator = Generator(), Discriminator()

    def training_step(self, batch, batch_idx):
        opt_g, opt_d = self.optimizers()
        real, _ = batch
        fake = self.generator(torch.randn(len(real), LATENT))
        d_fake = self.discriminator(fake)
        loss_d = F.softplus(-self.discriminator(real)).mean() + F.softplus(d_fake).mean()
        loss_g = F.softplus(-d_fake).mean()
        opt_d.zero_grad()
        self.manual_backward(loss_d, retain_graph=True, inputs=list(self.discriminator.parameters()))
        opt_g.zero_grad()
        self.manual_backward(loss_g, inputs=list(self.generator.parameters()))
        opt_d.step()
        opt_g.step()
        self.log_dict({"loss/d_own": loss_d, "loss/g_own": loss_g})

    def configure_optimizers(self):
        return (
            {"optimizer": torch.optim.SGD(self.generator.parameters(), lr=0.1, momentum=0.5)},
            {"optimizer": torch.optim.SGD(self.discriminator.parameters(), lr=0.1)},
        )


class ConditionalGAN(pl.LightningModule):
    """Labels embedded by both; random labels for the fakes; a dictionary logged per step and per epoch."""

    def __init__(self, num_classes=CLASSES, latent_dim=LATENT):
        super().__init__()
        self.save_hyperparameters()
        self.automatic_optimization = False
        self.generator = ConditionalGenerator(num_classes, latent_dim)
        self.discriminator = ConditionalDiscriminator(num_classes)
        self.loss = nn.MSELoss()

    def forward(self, z, labels):
        return self.generator(z, labels)

    def training_step(self, batch, batch_idx):
        imgs, labels = batch
        opt_g, opt_d = self.optimizers()
        n = imgs.size(0)
        valid, fake = torch.ones(n, 1, device=self.device), torch.zeros(n, 1, device=self.device)
        z = torch.randn(n, self.hparams.latent_dim, device=self.device)
        gen_labels = torch.randint(0, self.hparams.num_classes, (n,), device=self.device)

        self.toggle_optimizer(opt_g)
        gen_imgs = self(z, gen_labels)
        g_loss = self.loss(self.discriminator(gen_imgs, gen_labels), valid)
        opt_g.zero_grad()
        self.manual_backward(g_loss)
        opt_g.step()
        self.untoggle_optimizer(opt_g)

        self.toggle_optimizer(opt_d)
        d_real_loss = self.loss(self.discriminator(imgs, labels), valid)
        d_fake_loss = self.loss(self.discriminator(gen_imgs.detach(), gen_labels), fake)
        d_loss = (d_real_loss + d_fake_loss) / 2
        opt_d.zero_grad()
        self.manual_backward(d_loss)
        opt_d.step()
        self.untoggle_optimizer(opt_d)
        self.log_dict({"g_loss": g_loss, "d_loss": d_loss}, prog_bar=True, on_step=True, on_epoch=True)

    def configure_optimizers(self):
        opt_g = torch.optim.Adam(self.generator.parameters(), lr=0.01)
        opt_d = torch.optim.AdamW(self.discriminator.parameters(), lr=0.01)
        return [opt_g, opt_d]


class NoiseInBatchGAN(pl.LightningModule):
    """The noise comes with the batch, and nothing else is random: the same on any number of processes."""

    def __init__(self, lr=0.05):
        super().__init__()
        self.automatic_optimization = False
        self.lr = lr
        self.generator, self.discriminator = Generator(), Discriminator()

    def training_step(self, batch, batch_idx):
        x, z = batch
        opt_g, opt_d = self.optimizers()
        with self.toggled_optimizer(opt_d):
            d_loss = (
                F.softplus(-self.discriminator(x)).mean() + F.softplus(self.discriminator(self.generator(z))).mean()
            )
            opt_d.zero_grad()
            self.manual_backward(d_loss)
            opt_d.step()
        with self.toggled_optimizer(opt_g):
            g_loss = F.softplus(-self.discriminator(self.generator(z))).mean()
            opt_g.zero_grad()
            self.manual_backward(g_loss)
            opt_g.step()
        self.log("d_loss", d_loss, sync_dist=True)
        self.log("g_loss", g_loss, sync_dist=True)

    def configure_optimizers(self):
        return (
            torch.optim.SGD(self.generator.parameters(), lr=self.lr),
            torch.optim.SGD(self.discriminator.parameters(), lr=self.lr),
        )
