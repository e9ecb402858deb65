import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from mixgan_lightning import GAN, mix
from mixgan_lightning.callbacks import LastCheckpoint, StopOnNaN
from mixgan_lightning.errors import TrainingError


class Poison(pl.Callback):
    """Batch 3 on, a parameter of one component is NaN; at once set back, where asked, so that the loss alone is."""

    def __init__(self, player, component):
        self.player, self.component = player, component

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if trainer.fit_loop.total_batch_idx == 3:
            getattr(module, self.player).components[self.component].weight.data.fill_(float("nan"))


def model_of(objective=None):
    return mix(lambda: GAN(nn.Linear(2, 2), nn.Linear(2, 1), latent_dim=2, objective=objective), 3)


@pytest.mark.parametrize("evaluation", ["loop", "auto"])
@pytest.mark.parametrize(("player", "component"), [("generators", 1), ("discriminators", 2), ("generators", 0)])
def test_the_pairs_of_a_component_that_has_diverged_are_named_before_the_step(fit, evaluation, player, component):
    model = mix(lambda: GAN(nn.Linear(2, 2), nn.Linear(2, 1), latent_dim=2), 3, fakes="full", evaluation=evaluation)
    with pytest.raises(TrainingError, match="has diverged at batch 3: NaN or infinity in") as failure:
        fit(model, torch.randn(96, 2), callbacks=[Poison(player, component), StopOnNaN()])
    own = "generator" if player == "generators" else "discriminator"
    pairs = [(component, j) if own == "generator" else (j, component) for j in range(3)]
    for i, j in pairs:
        assert f"the discriminators' loss of generator {i} against discriminator {j}" in str(failure.value)
    others = [p for name, p in model.named_parameters() if f"{player}.components.{component}." not in name]
    assert all(p.isfinite().all() for p in others)  # the step was not made


class SquareRoot(nn.Linear):
    """Its gradient is infinite where its output is 0."""

    def forward(self, points):
        return super().forward(points) + (points * 0).sum(1, keepdim=True).sqrt()


def test_a_gradient_that_is_no_number_is_found_where_the_losses_are_finite(fit):
    model = mix(lambda: GAN(nn.Linear(2, 2), SquareRoot(2, 1), latent_dim=2), 2)
    with pytest.raises(
        TrainingError, match="NaN or infinity in the gradient of generator 0, the gradient of generator 1"
    ):
        fit(model, torch.randn(32, 2), callbacks=[StopOnNaN()])
    assert all(p.isfinite().all() for p in model.parameters())


def test_the_last_good_checkpoint_stays(fit, tmp_path):
    callbacks = [Poison("generators", 1), StopOnNaN(), LastCheckpoint(tmp_path / "checkpoints")]
    with pytest.raises(TrainingError):
        fit(
            model_of(), torch.randn(32, 2), callbacks=callbacks, max_epochs=5, enable_checkpointing=True
        )  # 2 batches each
    state = torch.load(tmp_path / "checkpoints" / "last.ckpt")["state_dict"]
    assert all(t.isfinite().all() for t in state.values())


def test_a_module_of_ones_own_is_stopped_too(fit, module_with_losses):
    with pytest.raises(TrainingError, match="the gradient of "):
        fit(mix(module_with_losses, 2), torch.randn(96, 2), callbacks=[Poison("generators", 1), StopOnNaN()])


def test_large_gradients_are_numbers(fit):
    model = mix(lambda: GAN(nn.Linear(2, 2), nn.Linear(2, 1), latent_dim=2), 2)

    class Large(pl.Callback):
        def on_after_backward(self, trainer, module):
            for parameter in module.parameters():
                if parameter.grad is not None:
                    parameter.grad.fill_(3e30)  # whose square is infinite in float32

    trainer = fit(model, torch.randn(16, 2), callbacks=[Large(), StopOnNaN()])
    assert trainer.global_step == 2  # both players' were made
