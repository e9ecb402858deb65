"""A user's GAN on the ``lightning`` package instead of ``pytorch_lightning``; import it where that is installed."""

import lightning as L
import torch
import torch.nn.functional as F
from zoo_networks import LATENT, Discriminator, Generator


class LightningPackageGAN(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.discriminator = Generator(), Discriminator()

    def training_step(self, batch, batch_idx):
        x, _ = batch
        opt_g, opt_d = self.optimizers()
        with self.toggled_optimizer(opt_d):
            fake = self.generator(torch.randn(len(x), LATENT)).detach()
            loss_d = F.softplus(-self.discriminator(x)).mean() + F.softplus(self.discriminator(fake)).mean()
            opt_d.zero_grad()
            self.manual_backward(loss_d)
            opt_d.step()
        with self.toggled_optimizer(opt_g):
            loss_g = F.softplus(-self.discriminator(self.generator(torch.randn(len(x), LATENT)))).mean()
            opt_g.zero_grad()
            self.manual_backward(loss_g)
            opt_g.step()
        self.log_dict({"loss_d": loss_d, "loss_g": loss_g})

    def configure_optimizers(self):
        return (
            torch.optim.Adam(self.generator.parameters(), lr=0.01),
            torch.optim.Adam(self.discriminator.parameters(), lr=0.01),
        )
