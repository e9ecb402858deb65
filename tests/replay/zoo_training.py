"""Users' GANs with more around the step: schedulers, clipping, accumulation, closures, numpy, lists."""

import random

import numpy as np
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader
from zoo_networks import BATCH, LATENT, Discriminator, Generator, images


def gan_losses(module, real):
    """(discriminator's, generator's), each of fakes of its own."""
    z = torch.randn(len(real), LATENT)
    loss_d = (
        F.softplus(-module.discriminator(real)).mean() + F.softplus(module.discriminator(module.generator(z))).mean()
    )
    return loss_d, F.softplus(-module.discriminator(module.generator(z))).mean()


class ManualGAN(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.discriminator = Generator(), Discriminator()


class SchedulerGAN(ManualGAN):
    """One scheduler stepped in the step, the other at the end of an epoch; learning rates logged from the groups."""

    def training_step(self, batch, batch_idx):
        opt_g, opt_d = self.optimizers()
        sch_g, _ = self.lr_schedulers()
        for opt, which in ((opt_d, 0), (opt_g, 1)):
            self.toggle_optimizer(opt)
            loss = gan_losses(self, batch[0])[which]
            opt.zero_grad()
            self.manual_backward(loss)
            opt.step()
            self.untoggle_optimizer(opt)
            self.log(("d_loss", "g_loss")[which], loss)
        sch_g.step()
        self.log("lr_g", opt_g.param_groups[0]["lr"])
        self.log("lr_d", self.lr_schedulers()[1].get_last_lr()[0])

    def on_train_epoch_end(self):
        self.lr_schedulers()[1].step()

    def configure_optimizers(self):
        opt_g = torch.optim.Adam(self.generator.parameters(), lr=0.01)
        opt_d = torch.optim.Adam(self.discriminator.parameters(), lr=0.01)
        sch_g = torch.optim.lr_scheduler.ExponentialLR(opt_g, gamma=0.95)
        sch_d = torch.optim.lr_scheduler.StepLR(opt_d, step_size=2, gamma=0.5)
        return [opt_g, opt_d], [sch_g, {"scheduler": sch_d, "interval": "epoch"}]


class PlateauGAN(ManualGAN):
    """ReduceLROnPlateau on a logged loss, a warm-up, dictionaries with ``lr_scheduler``."""

    def training_step(self, batch, batch_idx):
        opt_d, opt_g = self.optimizers()
        loss_d = gan_losses(self, batch[0])[0]
        opt_d.zero_grad()
        self.manual_backward(loss_d)
        opt_d.step()
        loss_g = gan_losses(self, batch[0])[1]
        opt_g.zero_grad()
        self.manual_backward(loss_g)
        opt_g.step()
        warm_up, plateau = self.lr_schedulers()
        warm_up.step()
        if self.trainer.is_last_batch:
            plateau.step(loss_g)
        self.log("lr/d", opt_d.param_groups[0]["lr"])
        self.log("g_loss", loss_g, on_step=False, on_epoch=True)

    def on_train_epoch_end(self):
        self.lr_schedulers()[1].step(self.trainer.callback_metrics["g_loss"])
        self.log("lr/g", self.optimizers()[1].param_groups[0]["lr"])

    def configure_optimizers(self):
        opt_d = torch.optim.AdamW(self.discriminator.parameters(), lr=0.01)
        opt_g = torch.optim.Adam(self.generator.parameters(), lr=0.02)
        warm_up = torch.optim.lr_scheduler.LambdaLR(opt_d, lambda step: min(1.0, (step + 1) / 8))
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(opt_g, factor=0.5, patience=0, threshold=10.0)
        return (
            {"optimizer": opt_d, "lr_scheduler": {"scheduler": warm_up, "interval": "step"}},
            {"optimizer": opt_g, "lr_scheduler": {"scheduler": plateau, "monitor": "g_loss"}},
        )


class DecayInPlaceGAN(ManualGAN):
    """The learning rate multiplied in the optimiser's groups, inside the step; and max_epochs asked of the Trainer."""

    def training_step(self, batch, batch_idx):
        opt_g, opt_d = self.optimizers()
        loss_d, _ = gan_losses(self, batch[0])
        opt_d.zero_grad()
        self.manual_backward(loss_d)
        opt_d.step()
        _, loss_g = gan_losses(self, batch[0])
        opt_g.zero_grad()
        self.manual_backward(loss_g)
        opt_g.step()
        for opt in (opt_g, opt_d):
            for group in opt.param_groups:
                group["lr"] *= 0.9
        self.log_dict({"lr": opt_g.param_groups[0]["lr"], "lr_d": opt_d.optimizer.param_groups[0]["lr"]})
        return {"loss": loss_g.detach(), "d_loss": loss_d.detach()}

    def on_train_batch_end(self, outputs, batch, batch_idx):
        self.log("returned", outputs["d_loss"])

    def configure_optimizers(self):
        lr = 0.1 / self.trainer.max_epochs
        return [
            torch.optim.SGD(self.generator.parameters(), lr=lr, momentum=0.9),
            torch.optim.SGD(self.discriminator.parameters(), lr=lr),
        ]


class ClippingGAN(ManualGAN):
    """``clip_gradients`` for one player, torch's own clipping for the other."""

    def training_step(self, batch, batch_idx):
        opt_g, opt_d = self.optimizers()
        with self.toggled_optimizer(opt_g):
            _, loss_g = gan_losses(self, batch[0])
            self.manual_backward(loss_g)
            self.clip_gradients(opt_g, gradient_clip_val=0.02, gradient_clip_algorithm="norm")
            opt_g.step()
            opt_g.zero_grad()
        with self.toggled_optimizer(opt_d):
            loss_d, _ = gan_losses(self, batch[0])
            self.manual_backward(loss_d)
            norm = torch.nn.utils.clip_grad_norm_(self.discriminator.parameters(), max_norm=0.1)
            torch.nn.utils.clip_grad_value_(self.discriminator.parameters(), 0.03)
            opt_d.step()
            opt_d.zero_grad()
        self.log_dict({"norm_d": norm, "loss_d": loss_d, "loss_g": loss_g})

    def configure_optimizers(self):
        return (
            torch.optim.Adam(self.generator.parameters(), lr=0.01),
            torch.optim.Adam(self.discriminator.parameters(), lr=0.01),
        )


class MicroBatchGAN(ManualGAN):
    """Gradients accumulated over halves of a batch, and the generator's over two batches besides."""

    def __init__(self, chunks=2):
        super().__init__()
        self.chunks = chunks

    def training_step(self, batch, batch_idx):
        opt_g, opt_d = self.optimizers()
        with self.toggled_optimizer(opt_d):
            opt_d.zero_grad()
            for part in batch[0].chunk(self.chunks):
                loss_d, _ = gan_losses(self, part)
                self.manual_backward(loss_d / self.chunks)
            opt_d.step()
        self.log("loss_d", loss_d)
        self.toggle_optimizer(opt_g)
        _, loss_g = gan_losses(self, batch[0])
        self.manual_backward(loss_g / 2)
        if (batch_idx + 1) % 2 == 0:
            opt_g.step()
            opt_g.zero_grad()
        self.untoggle_optimizer(opt_g)
        self.log("loss_g", loss_g)

    def configure_optimizers(self):
        return (
            torch.optim.Adam(self.generator.parameters(), lr=0.01),
            torch.optim.Adam(self.discriminator.parameters(), lr=0.01),
        )


class ClosureGAN(ManualGAN):
    """``opt.step(closure=…)``: the closure scores, clears and differentiates."""

    def training_step(self, batch, batch_idx):
        opt_g, opt_d = self.optimizers()
        real = batch[0]

        def closure_d():
            loss_d, _ = gan_losses(self, real)
            opt_d.zero_grad()
            self.manual_backward(loss_d)
            self.log("loss_d", loss_d)
            return loss_d

        def closure_g():
            _, loss_g = gan_losses(self, real)
            opt_g.zero_grad()
            self.manual_backward(loss_g)
            self.log("loss_g", loss_g)
            return loss_g

        opt_d.step(closure=closure_d)
        opt_g.step(closure=closure_g)

    def configure_optimizers(self):
        return (
            torch.optim.Adam(self.generator.parameters(), lr=0.01),
            torch.optim.Adam(self.discriminator.parameters(), lr=0.01),
        )


class NumpyNoiseGAN(ManualGAN):
    """Noise of numpy and of ``random`` in the step; a list of losses, emptied each epoch; hooks; its own loader."""

    def __init__(self):
        super().__init__()
        self.losses = []
        self.history = {"fake_scores": []}

    def train_dataloader(self):
        return DataLoader(images()[0], batch_size=BATCH, shuffle=True)

    def on_train_batch_start(self, batch, batch_idx):
        self.flip = batch_idx % 4 == 3

    def training_step(self, batch, batch_idx):
        opt_g, opt_d = self.optimizers()
        z = torch.from_numpy(np.random.normal(0, 1, (len(batch), LATENT))).to(batch)  # noqa: NPY002
        noisy = batch + 0.1 * random.random() * torch.randn_like(batch)
        fake = self.generator(z)
        sign = -1 if self.flip else 1
        score = self.discriminator(fake.detach())
        loss_d = F.softplus(-sign * self.discriminator(noisy)).mean() + F.softplus(sign * score).mean()
        opt_d.zero_grad()
        self.manual_backward(loss_d)
        opt_d.step()
        loss_g = F.softplus(-self.discriminator(fake)).mean() * np.random.choice([0.5, 1.0])  # noqa: NPY002
        opt_g.zero_grad()
        self.manual_backward(loss_g)
        opt_g.step()
        self.losses.append(loss_g.item())
        self.history["fake_scores"].append(score.detach().mean())

    def on_train_epoch_end(self):
        self.log("mean_loss", float(np.mean(self.losses)))
        self.log("count", float(len(self.losses)))
        self.log("fake_score", torch.stack(self.history["fake_scores"]).mean())
        self.losses.clear()

    def configure_optimizers(self):
        return (
            torch.optim.Adam(self.generator.parameters(), lr=0.01),
            torch.optim.Adam(self.discriminator.parameters(), lr=0.01),
        )
