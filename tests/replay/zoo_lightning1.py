"""Users' GANs written for Lightning 1 (``optimizer_idx``), and ones with two loss methods; each beside the same
training written by hand for Lightning 2 (``…ByHand``): the loop that Lightning 1 had around such steps."""

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from zoo_networks import LATENT, Discriminator, Generator


class OptimizerIdxGAN(pl.LightningModule):
    """As in Lightning Bolts: one step for both, told apart by ``optimizer_idx``."""

    def __init__(self, latent_dim=LATENT, learning_rate=0.01):
        super().__init__()
        self.save_hyperparameters()
        self.generator, self.discriminator = Generator(latent_dim), Discriminator(sigmoid=True)

    def forward(self, z):
        return self.generator(z)

    def training_step(self, batch, batch_idx, optimizer_idx):
        real, _ = batch
        if optimizer_idx == 0:
            return self.generator_step(real)
        if optimizer_idx == 1:
            return self.discriminator_step(real)
        return None

    def generator_step(self, real):
        g_loss = F.binary_cross_entropy(self.discriminator(self(self.noise(real))), torch.ones(len(real), 1))
        self.log("g_loss", g_loss, on_epoch=True, prog_bar=True)
        return g_loss

    def discriminator_step(self, real):
        fake = self(self.noise(real)).detach()
        real_loss = F.binary_cross_entropy(self.discriminator(real), torch.ones(len(real), 1))
        fake_loss = F.binary_cross_entropy(self.discriminator(fake), torch.zeros(len(real), 1))
        d_loss = real_loss + fake_loss
        self.log("d_loss", d_loss, on_epoch=True, prog_bar=True)
        return {"loss": d_loss, "fake": fake}

    def noise(self, real):
        return torch.randn(len(real), self.hparams.latent_dim, device=self.device)

    def configure_optimizers(self):
        opt_g = torch.optim.Adam(self.generator.parameters(), lr=self.hparams.learning_rate, betas=(0.5, 0.999))
        opt_d = torch.optim.Adam(self.discriminator.parameters(), lr=self.hparams.learning_rate, betas=(0.5, 0.999))
        return [opt_g, opt_d], [torch.optim.lr_scheduler.ExponentialLR(opt_g, gamma=0.5)]


class ByHand(pl.LightningModule):
    """Lightning 1's loop over the optimisers of one batch."""

    def played_in(self, batch_idx):
        """The indices of the optimisers that play in this batch."""
        return range(len(self.optimizers()))

    def steps_in(self, batch_idx, index):
        return True

    def training_step(self, batch, batch_idx):
        for index in self.played_in(batch_idx):
            opt = self.optimizers()[index]
            self.toggle_optimizer(opt)
            found = super().training_step(batch, batch_idx, index)
            opt.zero_grad()
            self.manual_backward(found["loss"] if isinstance(found, dict) else found)
            if self.steps_in(batch_idx, index):
                opt.step()
            self.untoggle_optimizer(opt)


class OptimizerIdxByHand(ByHand, OptimizerIdxGAN):
    def __init__(self):
        OptimizerIdxGAN.__init__(self)
        self.automatic_optimization = False

    def on_train_epoch_end(self):
        self.lr_schedulers().step()  # as Lightning 1 did by itself


class FrequencyGAN(OptimizerIdxGAN):
    """Three batches for the discriminator, then one for the generator, by ``frequency``."""

    def configure_optimizers(self):
        opt_d, opt_g = self._optimizers()
        return {"optimizer": opt_g, "frequency": 1}, {"optimizer": opt_d, "frequency": 3}

    def _optimizers(self):
        opt_g = torch.optim.RMSprop(self.generator.parameters(), lr=0.005)
        return torch.optim.RMSprop(self.discriminator.parameters(), lr=0.005), opt_g


class FrequencyByHand(ByHand, FrequencyGAN):
    def __init__(self):
        FrequencyGAN.__init__(self)
        self.automatic_optimization = False

    def played_in(self, batch_idx):
        return [0] if batch_idx % 4 == 0 else [1]

    def configure_optimizers(self):
        return self._optimizers()[::-1]


class OptimizerStepGAN(OptimizerIdxGAN):
    """The old ``optimizer_step``: the discriminator is stepped every second batch."""

    def optimizer_step(
        self,
        epoch,
        batch_idx,
        optimizer,
        optimizer_idx,
        optimizer_closure,
        on_tpu=False,
        using_native_amp=False,
        using_lbfgs=False,
    ):
        if optimizer_idx == 0:
            optimizer.step(closure=optimizer_closure)
        if optimizer_idx == 1:
            if (batch_idx + 1) % 2 == 0:
                optimizer.step(closure=optimizer_closure)
            else:
                optimizer_closure()  # training_step and backward, without a step


class OptimizerStepByHand(ByHand, OptimizerIdxGAN):
    def __init__(self):
        OptimizerIdxGAN.__init__(self)
        self.automatic_optimization = False

    def steps_in(self, batch_idx, index):
        return index == 0 or (batch_idx + 1) % 2 == 0

    def on_train_epoch_end(self):
        self.lr_schedulers().step()


class LossMethodsGAN(pl.LightningModule):
    """No ``training_step``: two methods, each the loss of a player."""

    def __init__(self):
        super().__init__()
        self.generator, self.discriminator = Generator(), Discriminator()

    def generator_loss(self, batch):
        fake = self.generator(torch.randn(len(batch[0]), LATENT))
        loss = F.softplus(-self.discriminator(fake)).mean()
        self.log("own_g", loss)
        return loss

    def discriminator_loss(self, batch):
        fake = self.generator(torch.randn(len(batch[0]), LATENT)).detach()
        return F.softplus(-self.discriminator(batch[0])).mean() + F.softplus(self.discriminator(fake)).mean()

    def configure_optimizers(self):
        return (
            torch.optim.Adam(self.generator.parameters(), lr=0.01),
            torch.optim.Adam(self.discriminator.parameters(), lr=0.01),
        )


class LossMethodsByHand(LossMethodsGAN):
    """The discriminator, then the generator, as in the paper's algorithm."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        opt_g, opt_d = self.optimizers()
        for opt, loss_of in ((opt_d, self.discriminator_loss), (opt_g, self.generator_loss)):
            with self.toggled_optimizer(opt):
                loss = loss_of(batch)
                opt.zero_grad()
                self.manual_backward(loss)
                opt.step()
