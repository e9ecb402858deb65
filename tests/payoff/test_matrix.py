"""The payoff matrix on given batches: what it is, and that nothing is changed by it."""

import torch
from torch import nn
from torch.nn.functional import logsigmoid

from mixgan_lightning import GAN, mix
from mixgan_lightning.payoff import payoff_matrix
from mixgan_lightning.sampling import own_stream

LATENT_DIM = 3


class Reassigning(nn.Linear):
    def __init__(self, *shape):
        super().__init__(*shape)
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, points):
        self.calls = self.calls + 1
        return super().forward(points)


def model_of(norm=nn.Identity, size=(2, 3)):
    def make():
        discriminator = nn.Sequential(nn.Linear(2, 4), norm(4), nn.Tanh(), Reassigning(4, 1))
        return GAN(nn.Sequential(nn.Linear(LATENT_DIM, 2), norm(2)), discriminator, latent_dim=LATENT_DIM)

    torch.manual_seed(0)
    return mix(make, size[0], num_discriminators=size[1]).double()


def measured(model, batches, seed=5):
    return payoff_matrix(model.gan, model.generators, model.discriminators, batches, seed)


def test_it_is_the_mean_of_both_measuring_functions_over_all_samples():
    model, batches = model_of(), [torch.randn(n, 2, dtype=torch.float64) for n in (7, 4)]
    found = measured(model, batches)
    with torch.no_grad(), own_stream(torch.device("cpu"), 5):
        latents = [model.gan.latents(len(batch), batch) for batch in batches]
        for i, generator in enumerate(model.generators):
            fakes = torch.cat([generator(h) for h in latents])
            for j, discriminator in enumerate(model.discriminators):
                real, fake = discriminator(torch.cat(batches)), discriminator(fakes)
                expected = logsigmoid(real).mean() + logsigmoid(-fake).mean()
                assert abs(float(found[i, j] - expected)) < 1e-12


def test_buffers_random_streams_and_modes_are_as_before():
    model, batches = model_of(nn.BatchNorm1d), [torch.randn(8, 2, dtype=torch.float64)]
    state, stream = {k: v.clone() for k, v in model.state_dict().items()}, torch.get_rng_state()
    buffers = [id(buffer) for buffer in model.buffers()]
    first = measured(model, batches)
    assert torch.equal(first, measured(model, batches))
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())
    assert [id(buffer) for buffer in model.buffers()] == buffers
    assert torch.equal(torch.get_rng_state(), stream)
    assert all(module.training for module in model.modules())
    assert not torch.equal(first, measured(model, batches, seed=6))
