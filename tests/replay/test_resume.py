"""A mixture of users' GANs is saved and goes on as any of this package: its keys, its optimisers, its schedulers."""

import pytest
import pytorch_lightning as pl
import torch
from runs import fit, seed_everything
from torch.utils.data import DataLoader, TensorDataset
from zoo import ZOO, Entry
from zoo_classic import NoiseInBatchGAN
from zoo_networks import BATCH, LATENT, images

from mixgan_lightning import MixGANModule, mix


class DecayingGAN(NoiseInBatchGAN):
    """Adam with a scheduler, stepped in the step: both have a state to restore."""

    def training_step(self, batch, batch_idx):
        super().training_step(batch, batch_idx)
        for scheduler in self.lr_schedulers():
            scheduler.step()

    def configure_optimizers(self):
        opts = [torch.optim.Adam(n.parameters(), lr=0.02) for n in (self.generator, self.discriminator)]
        return opts, [torch.optim.lr_scheduler.ExponentialLR(opt, gamma=0.9) for opt in opts]


def in_order():
    x = images()[0]
    noise = torch.randn(len(x), LATENT, generator=torch.Generator().manual_seed(2))
    return DataLoader(TensorDataset(x, noise), batch_size=BATCH)


def test_a_resumed_run_ends_where_an_unbroken_one_does(tmp_path):
    entry = Entry(DecayingGAN, data=in_order)
    seed_everything()
    unbroken = mix(DecayingGAN, size=2, num_discriminators=3)
    trainer = fit(unbroken, entry, tmp_path, max_epochs=2)
    seed_everything()
    begun = mix(DecayingGAN, size=2, num_discriminators=3)
    fit(begun, entry, tmp_path, max_epochs=1).save_checkpoint(tmp_path / "half.ckpt")
    resumed = mix(DecayingGAN, size=2, num_discriminators=3)
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    again = pl.Trainer(max_epochs=2, accelerator="cpu", logger=False, default_root_dir=tmp_path, **quiet)
    again.fit(resumed, entry.data(), ckpt_path=tmp_path / "half.ckpt")
    assert again.global_step == trainer.global_step
    for key, value in unbroken.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key


@pytest.mark.parametrize("name", ZOO)
def test_every_parameter_is_saved_once_under_the_fixed_keys(name):
    entry = ZOO[name]
    seed_everything()
    model = mix(entry.make, size=2, num_discriminators=3, **entry.options)
    state = model.state_dict(keep_vars=True)
    storages = [value.data_ptr() for value in state.values() if isinstance(value, torch.nn.Parameter)]
    assert len(storages) == len(set(storages))
    for side, size in (("generators", 2), ("discriminators", 3)):
        assert state[f"{side}.log_probabilities"].shape == (size,)
        for k in range(size):
            assert any(key.startswith(f"{side}.components.{k}.") for key in state)


@pytest.mark.parametrize("name", ["docs", "conditional", "spectral norm", "three optimisers", "optimizer_idx"])
def test_a_checkpoint_builds_the_mixture_again(name, tmp_path):
    entry = ZOO[name]
    seed_everything()
    model = mix(entry.make, size=2, **entry.options)
    fit(model, entry, tmp_path).save_checkpoint(tmp_path / "model.ckpt")
    torch.load(tmp_path / "model.ckpt", weights_only=True)
    loaded = type(model).load_from_checkpoint(tmp_path / "model.ckpt", make_gan=entry.make)
    assert isinstance(loaded, MixGANModule)
    for key, value in model.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[key]), key
