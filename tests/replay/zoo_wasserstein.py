"""Users' Wasserstein GANs: weight clipping, gradient penalties, and every way to train the critic oftener."""

import pytorch_lightning as pl
import torch
from torch import autograd
from zoo_networks import LATENT, Discriminator, Generator


class ClippedWGAN(pl.LightningModule):
    """Weights clipped after the critic's step; the generator when ``batch_idx % n_critic == 0``."""

    def __init__(self, n_critic=3, clip_value=0.1):
        super().__init__()
        self.automatic_optimization = False
        self.n_critic, self.clip_value = n_critic, clip_value
        self.generator, self.discriminator = Generator(), Discriminator()

    def training_step(self, batch, batch_idx):
        imgs, _ = batch
        opt_g, opt_d = self.optimizers()
        z = torch.randn(imgs.size(0), LATENT).type_as(imgs)
        opt_d.zero_grad()
        loss_d = -self.discriminator(imgs).mean() + self.discriminator(self.generator(z).detach()).mean()
        self.manual_backward(loss_d)
        opt_d.step()
        for p in self.discriminator.parameters():
            p.data.clamp_(-self.clip_value, self.clip_value)
        self.log("d_loss", loss_d)
        if batch_idx % self.n_critic == 0:
            opt_g.zero_grad()
            loss_g = -self.discriminator(self.generator(z)).mean()
            self.manual_backward(loss_g)
            opt_g.step()
            self.log("g_loss", loss_g)

    def configure_optimizers(self):
        opt_g = torch.optim.RMSprop(self.generator.parameters(), lr=0.005)
        opt_d = torch.optim.RMSprop(self.discriminator.parameters(), lr=0.005)
        return opt_g, opt_d


class WGANGP(pl.LightningModule):
    """A penalty with random interpolates, ``backward(one)`` and ``backward(mone)``, a counter of its own."""

    def __init__(self, n_critic=2, lambda_gp=10):
        super().__init__()
        self.automatic_optimization = False
        self.n_critic, self.lambda_gp = n_critic, lambda_gp
        self.netG, self.netD = Generator(), Discriminator()
        self.critic_iterations = 0

    def calc_gradient_penalty(self, real_data, fake_data):
        alpha = torch.rand(real_data.size(0), 1, 1, 1, device=self.device)
        interpolates = (alpha * real_data + (1 - alpha) * fake_data).requires_grad_(True)
        disc_interpolates = self.netD(interpolates)
        gradients = autograd.grad(
            outputs=disc_interpolates,
            inputs=interpolates,
            grad_outputs=torch.ones_like(disc_interpolates),
            create_graph=True,
            retain_graph=True,
            only_inputs=True,
        )[0]
        gradients = gradients.view(gradients.size(0), -1)
        return self.lambda_gp * ((gradients.norm(2, dim=1) - 1) ** 2).mean()

    def training_step(self, batch, batch_idx):
        real, _ = batch
        optimizerD, optimizerG = self.optimizers()
        one = torch.tensor(1.0)
        mone = one * -1

        for p in self.netD.parameters():
            p.requires_grad = True
        optimizerD.zero_grad()
        D_real = self.netD(real).mean()
        D_real.backward(mone)
        with torch.no_grad():
            fake = self.netG(torch.randn(real.size(0), LATENT))
        D_fake = self.netD(fake).mean()
        D_fake.backward(one)
        gradient_penalty = self.calc_gradient_penalty(real, fake)
        gradient_penalty.backward()
        optimizerD.step()
        self.log_dict({"D_cost": D_fake - D_real + gradient_penalty, "Wasserstein_D": D_real - D_fake})

        self.critic_iterations += 1
        self.log("critic_iterations", float(self.critic_iterations))
        if self.critic_iterations % self.n_critic == 0:
            for p in self.netD.parameters():
                p.requires_grad = False
            optimizerG.zero_grad()
            G = self.netD(self.netG(torch.randn(real.size(0), LATENT))).mean()
            G.backward(mone)
            optimizerG.step()
            self.log("G_cost", -G)

    def configure_optimizers(self):
        optimizerD = torch.optim.Adam(self.netD.parameters(), lr=0.01, betas=(0.5, 0.9))
        optimizerG = torch.optim.Adam(self.netG.parameters(), lr=0.01, betas=(0.5, 0.9))
        return [optimizerD, optimizerG]


class InnerCriticGAN(pl.LightningModule):
    """The critic's steps in a loop inside the step, clamped before each; RMSprop; ``critic`` and ``gen``."""

    def __init__(self, critic_iterations=2, weight_clip=0.1):
        super().__init__()
        self.automatic_optimization = False
        self.critic_iterations, self.weight_clip = critic_iterations, weight_clip
        self.gen, self.critic = Generator(), Discriminator()

    def training_step(self, batch, batch_idx):
        real = batch
        opt_gen, opt_critic = self.optimizers()
        for _ in range(self.critic_iterations):
            with torch.no_grad():
                for p in self.critic.parameters():
                    p.clamp_(-self.weight_clip, self.weight_clip)
            noise = torch.randn(real.shape[0], LATENT)
            fake = self.gen(noise)
            loss_critic = -(self.critic(real).reshape(-1).mean() - self.critic(fake).reshape(-1).mean())
            self.critic.zero_grad()
            loss_critic.backward(retain_graph=True)
            opt_critic.step()
        self.log("loss_critic", loss_critic)

        loss_gen = -self.critic(fake).reshape(-1).mean()
        self.gen.zero_grad()
        loss_gen.backward()
        opt_gen.step()
        self.log("loss_gen", loss_gen)

    def configure_optimizers(self):
        return (
            torch.optim.RMSprop(self.gen.parameters(), lr=0.005),
            torch.optim.RMSprop(self.critic.parameters(), lr=0.005),
        )


class GlobalStepGAN(pl.LightningModule):
    """How often the generator plays depends on ``global_step``; a one-sided penalty by hand."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.critic = Generator(), Discriminator()

    def gradient_penalty(self, x, fake):
        eps = torch.rand(len(x), 1, 1, 1).to(x)
        mixed = eps * x + (1 - eps) * fake
        mixed.requires_grad_()
        grad = autograd.grad(self.critic(mixed).sum(), mixed, create_graph=True)[0]
        return (grad.flatten(1).norm(2, dim=1) - 1).clamp(min=0).square().mean()

    def training_step(self, batch, batch_idx):
        x, _ = batch
        opt_c, opt_g = self.optimizers()
        if self.global_step < 6 or self.global_step % 3 != 0:
            with self.toggled_optimizer(opt_c):
                fake = self.generator(torch.randn(len(x), LATENT)).detach()
                gp = self.gradient_penalty(x, fake)
                loss = self.critic(fake).mean() - self.critic(x).mean() + 10 * gp
                opt_c.zero_grad()
                self.manual_backward(loss)
                opt_c.step()
                self.log_dict({"critic_loss": loss, "gp": gp})
        else:
            with self.toggled_optimizer(opt_g):
                loss = -self.critic(self.generator(torch.randn(len(x), LATENT))).mean()
                opt_g.zero_grad()
                self.manual_backward(loss)
                opt_g.step()
                self.log("generator_loss", loss)

    def configure_optimizers(self):
        return (
            {"optimizer": torch.optim.Adam(self.critic.parameters(), lr=0.01, betas=(0.0, 0.9))},
            {"optimizer": torch.optim.Adam(self.generator.parameters(), lr=0.01, betas=(0.0, 0.9)), "frequency": 1},
        )


class WarmUpGAN(pl.LightningModule):
    """The critic alone in the first epoch, then more critic steps in even epochs than in odd ones."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.discriminator = Generator(), Discriminator()

    def training_step(self, batch, batch_idx):
        x, _ = batch
        opt_g, opt_d = self.optimizers()
        loss_d = self.discriminator(self.generator(torch.randn(len(x), LATENT)).detach()).mean()
        loss_d = loss_d - self.discriminator(x).mean() + 0.1 * self.discriminator(x).square().mean()
        opt_d.zero_grad()
        self.manual_backward(loss_d)
        opt_d.step()
        self.log("loss_d", loss_d)
        if self.current_epoch < 1:
            return
        if self.trainer.current_epoch % 2 or batch_idx % 2 == 1:
            loss_g = -self.discriminator(self.generator(torch.randn(len(x), LATENT))).mean()
            opt_g.zero_grad()
            self.manual_backward(loss_g)
            opt_g.step()
            self.log("loss_g", loss_g)

    def configure_optimizers(self):
        return (
            torch.optim.Adam(self.generator.parameters(), lr=0.01),
            torch.optim.Adam(self.discriminator.parameters(), lr=0.01),
        )
