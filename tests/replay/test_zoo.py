"""The zoo itself: each module trains under plain ``pl.Trainer``, or a proof about it would prove nothing."""

import pytest
import torch
from runs import fit, seed_everything
from zoo import ZOO


@pytest.mark.parametrize("name", ZOO)
def test_every_network_of_the_players_learns(name, tmp_path):
    entry = ZOO[name]
    seed_everything()
    module = (entry.plain or entry.make)()
    before = {key: p.detach().clone() for key, p in module.named_parameters()}
    trainer = fit(module, entry, tmp_path, max_epochs=2)
    assert trainer.global_step >= 10
    for path in (*entry.generator, *entry.discriminator):
        for key, p in module.get_submodule(path).named_parameters(prefix=path):
            assert torch.isfinite(p).all()
            cancels = key.endswith("bias")  # a critic's last bias, or one before BatchNorm, has no gradient
            assert cancels or not torch.equal(p, before[key]), key
