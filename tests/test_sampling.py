import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from mixgan_lightning import GAN, Mixture, mix
from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.sampling import CHUNK, Sampler, check_labels, chunk_seed, evaluating, own_stream


class Numbered(nn.Module):
    """Samples whose first coordinate tells which generator made them, and the rest the latents."""

    def __init__(self, number):
        super().__init__()
        self.number = nn.Parameter(torch.tensor(float(number)))

    def forward(self, latents, labels=None):
        return torch.cat([self.number.expand(len(latents), 1), latents], dim=1)


def numbered_sampler(weights, label_weights=None):
    generators = Mixture([Numbered(i) for i in range(len(weights))])
    with torch.no_grad():
        generators.log_probabilities.copy_(torch.as_tensor(weights).log())
    gan = GAN(nn.Linear(1, 1), nn.Linear(1, 1), latent_dim=2)
    return Sampler(gan, generators, None if label_weights is None else torch.as_tensor(label_weights))


def draw(sampler, n, seed=0, **options):
    images, components = zip(*sampler.chunks(n, seed, **options), strict=True)
    return torch.cat(images), torch.cat(components)


@pytest.mark.parametrize("n", [1, 100, CHUNK, CHUNK + 1, 3 * CHUNK - 1])
def test_n_samples_come_each_from_the_component_that_it_says(n):
    images, components = draw(numbered_sampler([0.5, 0.25, 0.25]), n)
    assert images.shape == (n, 3)
    assert components.shape == (n,)
    assert torch.equal(images[:, 0].long(), components)


def test_component_frequencies_follow_the_weights():
    weights, n = torch.tensor([0.6, 0.3, 0.1]), 40 * CHUNK
    _, components = draw(numbered_sampler(weights), n)
    frequencies = torch.bincount(components, minlength=3) / n
    assert ((frequencies - weights).abs() < 4 * (weights * (1 - weights) / n).sqrt()).all()


def test_components_come_in_random_order():
    """Samples grouped by component would break an inception score over contiguous splits (FACTS §4)."""
    _, components = draw(numbered_sampler([0.5, 0.5]), 4 * CHUNK)
    changes = int((components[1:] != components[:-1]).sum())
    assert abs(changes - 2 * CHUNK) < 4 * CHUNK**0.5


def test_the_same_seed_gives_the_same_samples_and_another_others():
    sampler = numbered_sampler([0.5, 0.5])
    first, second, other = draw(sampler, 700, 1), draw(sampler, 700, 1), draw(sampler, 700, 2)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("n", [1, 10, CHUNK - 1, CHUNK, CHUNK + 3])
def test_fewer_samples_are_a_prefix_of_more(toy, n):
    sampler = mix(toy(batchnorm=True), 3).sampler
    whole, part = draw(sampler, 2 * CHUNK), draw(sampler, n)
    assert all(torch.equal(a[:n], b) for a, b in zip(whole, part, strict=True))


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_chunks_shared_out_over_processes_give_the_same_samples(toy, processes):
    sampler = mix(toy(batchnorm=True), 3).sampler
    expected, components = draw(sampler, 4 * CHUNK, 9)
    found = {}
    for rank in reversed(range(processes)):
        torch.manual_seed(rank)  # each process has a global stream of its own
        for index in range(rank, 4, processes):
            found[index] = sampler.chunk(9, index)
    assert torch.equal(torch.cat([found[i].images for i in range(4)]), expected)
    assert torch.equal(torch.cat([found[i].components for i in range(4)]), components)


def test_chunks_differ_and_so_do_those_of_neighbouring_seeds():
    seeds = [chunk_seed(seed, chunk) for seed in range(20) for chunk in range(20)]
    assert len(set(seeds)) == 400
    assert all(0 <= s < 2**63 for s in seeds)  # what torch's generators take
    sampler = numbered_sampler([1.0])
    assert not torch.equal(sampler.chunk(0, 0).images, sampler.chunk(0, 1).images)


def test_one_component_alone_draws_the_same_latents():
    """So the samples of a component are the mixture's, where it was chosen."""
    sampler = numbered_sampler([0.5, 0.3, 0.2])
    images, components = draw(sampler, 600, 3)
    for i in range(3):
        alone, chosen = draw(sampler, 600, 3, component=i)
        assert (chosen == i).all()
        assert (alone[:, 0] == i).all()
        assert torch.equal(alone[components == i], images[components == i])


def test_a_component_that_is_never_drawn_does_no_harm():
    images, components = draw(numbered_sampler([1.0, 1e-30]), 600)
    assert (components == 0).all()
    assert (images[:, 0] == 0).all()


def test_labels_are_drawn_by_their_weights_and_given_ones_are_used():
    weights = torch.tensor([0.7, 0.0, 0.3])
    draw_ = numbered_sampler([0.5, 0.5], weights).chunk(0, 0)
    frequencies = torch.bincount(draw_.labels, minlength=3) / CHUNK
    assert ((frequencies - weights).abs() <= 4 * (weights * (1 - weights) / CHUNK).sqrt()).all()
    given = torch.arange(CHUNK) % 3
    assert torch.equal(numbered_sampler([0.5, 0.5], weights).chunk(0, 0, given).labels, given)


def test_given_labels_meet_their_rows_across_chunks(conditional_toy):
    n = CHUNK + 10
    labels = torch.arange(n) % 3
    images, _ = draw(mix(conditional_toy(), 2).sampler, n, labels=labels)
    assert torch.equal(images[:, 0].long(), labels)


def random_state():
    return torch.get_rng_state()


def test_sampling_leaves_the_global_stream_alone(toy):
    sampler, before = mix(toy(), 2).sampler, random_state()
    draw(sampler, 600)
    assert torch.equal(before, random_state())


def test_sampling_leaves_it_alone_even_after_an_error(toy):
    class Breaks(GAN):
        def generate(self, generator, latents, batch):
            raise RuntimeError("no memory")

    sampler, before = mix(toy(Breaks), 2).sampler, random_state()
    with pytest.raises(RuntimeError, match="no memory"):
        draw(sampler, 600)
    assert torch.equal(before, random_state())
    assert torch.is_grad_enabled()


def test_sampling_leaves_modes_and_running_statistics_as_they_are(toy):
    model = mix(toy(batchnorm=True), 2)
    model.train()
    model.generators.components[0][1].eval()  # a layer that the user has frozen
    modes = [module.training for module in model.modules()]
    buffers = [b.clone() for b in model.buffers()]
    draw(model.sampler, 600)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(a, b) for a, b in zip(buffers, model.buffers(), strict=True))


def test_samples_are_made_in_eval_mode_without_a_graph(toy):
    model = mix(toy(batchnorm=True), 1)
    images, _ = draw(model.train().sampler, CHUNK)
    assert not images.requires_grad
    with own_stream(torch.device("cpu"), chunk_seed(0, 0)):
        latents = torch.randn(CHUNK, 3)
    assert torch.equal(images, model.component(0).eval()(latents))


@pytest.mark.parametrize("n", [512, 600])
def test_samples_do_not_depend_on_the_global_stream_or_on_the_mode(toy, n):
    model = mix(toy(batchnorm=True), 2)
    first = draw(model.train().sampler, n)
    torch.manual_seed(123)
    second = draw(model.eval().sampler, n)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_evaluating_restores_modes_after_an_error():
    network = nn.Sequential(nn.Dropout(), nn.Dropout().eval())
    with pytest.raises(ZeroDivisionError), evaluating(network):
        1 / 0  # noqa: B018
    assert [module.training for module in network.modules()] == [True, True, False]
    with evaluating(network):
        assert not any(module.training for module in network.modules())
        assert not torch.is_grad_enabled()


STREAMS = {
    "torch": (torch.manual_seed, lambda: torch.rand(2).tolist()),
    "numpy": (np.random.seed, lambda: np.random.rand(2).tolist()),  # noqa: NPY002
    "random": (random.seed, random.random),
}


@pytest.mark.parametrize(("seed_it", "drawn"), STREAMS.values(), ids=STREAMS)
def test_own_stream_is_seeded_inside_and_goes_on_outside(seed_it, drawn):
    seed_it(5)
    expected = drawn()
    seed_it(5)
    with own_stream(torch.device("cpu"), 7):
        inside = drawn()
    assert drawn() == expected
    seed_it(7)
    assert drawn() == inside


@pytest.mark.parametrize(("seed_it", "drawn"), STREAMS.values(), ids=STREAMS)
def test_streams_go_on_outside_own_stream_also_after_an_error(seed_it, drawn):
    seed_it(5)
    expected = drawn()
    seed_it(5)
    with pytest.raises(ZeroDivisionError), own_stream(torch.device("cpu"), 7):
        1 / (0 * len(str(drawn())))
    assert drawn() == expected


@pytest.mark.parametrize("drawn", [drawn for _, drawn in STREAMS.values()], ids=STREAMS)
def test_own_streams_of_other_seeds_differ_also_of_those_that_a_chunk_has(drawn):
    found = []
    for seed in (0, 1, 2**63 - 1):
        with own_stream(torch.device("cpu"), seed):
            found.append(str(drawn()))
    assert len(set(found)) == 3


def test_labels_for_sampling_may_be_a_list_a_tensor_or_one_for_all():
    assert check_labels(None, 3, None) is None
    for labels in ([0, 2, 1], torch.tensor([0, 2, 1]), torch.tensor([0, 2, 1], dtype=torch.uint8)):
        assert check_labels(labels, 3, 3).tolist() == [0, 2, 1]
    assert check_labels(2, 4, 3).tolist() == [2] * 4
    assert check_labels(torch.tensor([2]), 4, 3).tolist() == [2] * 4


@pytest.mark.parametrize(
    ("labels", "got"),
    [([0, 1], r"got 2 in 0 … 1"), ([0, 1, 3], r"got 3 in 0 … 3"), ([0, 1, -1], r"got 3 in -1 … 1"), ([], "got none")],
)
def test_labels_that_do_not_fit_are_told(labels, got):
    with pytest.raises(
        ConfigurationError, match=rf"labels: expected 3 whole numbers in 0 … 2 \(or one for all\), {got}"
    ):
        check_labels(labels, 3, 3)


def test_labels_for_an_unconditional_gan_are_refused():
    with pytest.raises(ConfigurationError, match="labels: this GAN is unconditional; leave them out"):
        check_labels([0], 1, None)


class NoisyLatents(GAN):
    """A GAN with a network of its own in its latents, whose buffers sampling must leave alone."""

    def __init__(self, generator, discriminator, **options):
        super().__init__(generator, discriminator, **options)
        self.norm = nn.BatchNorm1d(options["latent_dim"])

    def latents(self, n, batch):
        return self.norm(super().latents(n, batch))


def test_sampling_leaves_the_buffers_of_the_gans_own_networks_alone(toy):
    model = mix(toy(NoisyLatents), 2)
    before = model.gan.norm.running_mean.clone()
    model.sample(8, seed=0)
    assert torch.equal(model.gan.norm.running_mean, before)
    assert model.gan.norm.training


class DictionaryBatches(GAN):
    """Batches of the user's own, and so methods that know where images and labels stand."""

    def images(self, batch):
        return batch["image"]

    def labels(self, batch):
        return batch["digit"]


def test_a_conditional_gan_with_batches_of_its_own_samples(fit, conditional_toy):
    model = mix(conditional_toy(DictionaryBatches), 2)
    samples = [{"image": torch.randn(2), "digit": i % 3} for i in range(32)]
    fit(model, DataLoader(samples, 16))
    assert model.sample(5, seed=0, labels=1)[0][:, 0].tolist() == [1] * 5
