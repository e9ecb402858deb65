"""Users' GANs that lean on Lightning's hooks, on optimisers of their own, and on torchmetrics."""

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torchmetrics import MeanMetric
from zoo_networks import LATENT
from zoo_training import ManualGAN, gan_losses


class HookedGAN(ManualGAN):
    """Gradient norms logged before each optimiser step, gradients rescaled after backward, a rate set each epoch."""

    def setup(self, stage):
        self.stage = stage

    def on_fit_start(self):
        self.batches_per_epoch = self.trainer.num_training_batches

    def on_train_start(self):
        self.fixed = torch.randn(4, LATENT)

    def on_train_epoch_start(self):
        self.seen = 0
        for optimizer in self.optimizers():
            for group in optimizer.param_groups:
                group["lr"] = 0.01 / (1 + self.current_epoch)

    def on_before_optimizer_step(self, optimizer):
        norms = [p.grad.norm() for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        self.log(f"grad_norm/{self.playing}", torch.stack(norms).norm())

    def on_after_backward(self):
        for p in self.discriminator.parameters():
            if p.grad is not None:
                p.grad.mul_(0.5)

    def training_step(self, batch, batch_idx):
        opt_g, opt_d = self.optimizers()
        for self.playing, opt, which in (("d", opt_d, 0), ("g", opt_g, 1)):
            with self.toggled_optimizer(opt):
                loss = gan_losses(self, batch[0])[which]
                opt.zero_grad()
                self.manual_backward(loss)
                opt.step()
        self.seen += len(batch[0])

    def on_train_batch_end(self, outputs, batch, batch_idx):
        with torch.no_grad():
            self.log("fixed_score", self.discriminator(self.generator(self.fixed)).mean())

    def on_train_epoch_end(self):
        self.log("seen", float(self.seen))

    def configure_optimizers(self):
        return (
            torch.optim.Adam(self.generator.parameters(), lr=0.01),
            torch.optim.Adam(self.discriminator.parameters(), lr=0.01),
        )


class OwnOptimizersGAN(ManualGAN):
    """Optimisers kept as attributes; the discriminator's is stepped as torch's own, not as Lightning's."""

    def configure_optimizers(self):
        self.optimizer_g = torch.optim.Adam(self.generator.parameters(), lr=0.01)
        self.optimizer_d = torch.optim.Adam(self.discriminator.parameters(), lr=0.01)
        self.scheduler_d = torch.optim.lr_scheduler.StepLR(self.optimizer_d, 4, gamma=0.5)
        return [self.optimizer_g, self.optimizer_d]

    def training_step(self, batch, batch_idx):
        loss_d, _ = gan_losses(self, batch[0])
        self.optimizer_d.zero_grad()
        self.manual_backward(loss_d)
        self.optimizer_d.step()
        self.scheduler_d.step()
        opt_g = self.optimizers()[0]
        _, loss_g = gan_losses(self, batch[0])
        opt_g.zero_grad()
        self.manual_backward(loss_g)
        opt_g.step()
        self.log("lr_d", self.scheduler_d.get_last_lr()[0])
        self.log("loss_g", loss_g)


class MetricsGAN(pl.LightningModule):
    """torchmetrics updated in the step and computed at the end of an epoch; accuracies returned by a helper."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        gan = ManualGAN()
        self.generator, self.discriminator = gan.generator, gan.discriminator
        self.mean_score = MeanMetric()
        self.metrics = torch.nn.ModuleDict({"real": MeanMetric(), "fake": MeanMetric()})

    def training_step(self, batch, batch_idx):
        real, _ = batch
        opt_g, opt_d = self.optimizers()
        fake = self.generator(torch.randn(len(real), LATENT))
        score_real, score_fake = self.discriminator(real), self.discriminator(fake.detach())
        loss_d = F.softplus(-score_real).mean() + F.softplus(score_fake).mean()
        opt_d.zero_grad()
        self.manual_backward(loss_d)
        opt_d.step()
        loss_g = F.softplus(-self.discriminator(fake)).mean()
        opt_g.zero_grad()
        self.manual_backward(loss_g)
        opt_g.step()
        self.mean_score.update(score_real - score_fake)
        self.metrics["real"].update((score_real > 0).float())
        self.metrics["fake"].update((score_fake < 0).float())

    def on_train_epoch_end(self):
        self.log("mean_score", self.mean_score.compute())
        self.mean_score.reset()
        for name, metric in self.metrics.items():
            self.log(f"accuracy/{name}", metric.compute())
            metric.reset()

    def configure_optimizers(self):
        return (
            torch.optim.Adam(self.generator.parameters(), lr=0.01),
            torch.optim.Adam(self.discriminator.parameters(), lr=0.01),
        )
