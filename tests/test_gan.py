from functools import partial

import pytest
import torch
from torch import nn

from mixgan_lightning import GAN, mix
from mixgan_lightning.errors import DataError, GANError
from mixgan_lightning.gan import images_of
from mixgan_lightning.objectives import NonSaturating, Wasserstein
from mixgan_lightning.penalties import R1, WeightClipping


def test_two_networks_are_enough(toy_networks):
    gan = GAN(*toy_networks())
    assert isinstance(gan.objective, NonSaturating)
    assert gan.latents(2, None).shape == (2, 100)
    of_g, of_d = gan.configure_optimizers()
    for optimizer, network in ((of_g, gan.generator), (of_d, gan.discriminator)):
        assert type(optimizer) is torch.optim.Adam
        (group,) = optimizer.param_groups
        assert (group["lr"], group["betas"]) == (2e-4, (0.5, 0.999))
        assert [id(p) for p in group["params"]] == [id(p) for p in network.parameters()]


def test_the_discriminators_optimizer_may_differ(toy):
    def sgd(parameters):
        return torch.optim.SGD(parameters, lr=1)

    def adam(parameters):
        return torch.optim.Adam(parameters, lr=2)

    of_g, of_d = toy(optimizer=sgd)().configure_optimizers()
    assert (type(of_g), type(of_d)) == (torch.optim.SGD, torch.optim.SGD)
    of_g, of_d = toy(optimizer=sgd, discriminator_optimizer=adam)().configure_optimizers()
    assert (type(of_g), type(of_d)) == (torch.optim.SGD, torch.optim.Adam)


def test_latents_are_standard_normal_in_the_gans_precision(toy):
    latents = toy(latent_dim=4)().double().latents(20_000, None)
    assert latents.dtype == torch.float64
    assert latents.shape == (20_000, 4)
    assert latents.mean(0).abs().max() < 4 / 20_000**0.5
    assert (latents.T.cov() - torch.eye(4)).abs().max() < 4 * (2 / 20_000) ** 0.5


def test_moving_the_gan_moves_its_latents(toy):
    assert toy()().to("meta").latents(2, None).device.type == "meta"


def test_the_latents_device_is_no_part_of_a_checkpoint(toy):
    assert "like" not in toy()().state_dict()


@pytest.mark.parametrize("shape", [(5,), (5, 1), (5, 1, 1, 1)])
def test_scores_of_any_shape_with_one_number_a_sample_are_flattened(toy, shape):
    class Reshaped(nn.Module):
        def forward(self, images):
            return images.sum(1).reshape(shape)

    gan = toy()()
    assert gan.score(Reshaped(), torch.randn(5, 2), None).shape == (5,)


def test_several_numbers_a_sample_stay_as_they_are(toy):
    assert toy()().score(nn.Linear(2, 3), torch.randn(5, 2), None).shape == (5, 3)


def test_images_come_alone_or_first(toy):
    images, gan = torch.randn(4, 2), toy()()
    assert gan.images(images) is images
    assert gan.images([images, torch.zeros(4)]) is images
    assert gan.labels((images, torch.zeros(4))) is None


def test_images_of_a_batch_need_no_gan():
    images = torch.randn(4, 2)
    for batch in (images, [images], (images, torch.zeros(4)), (images, 1, 2)):
        assert images_of(batch) is images


@pytest.mark.parametrize("batch", [{"image": torch.zeros(2)}, [], (), torch.zeros(0, 2), None, "images"])
def test_batches_without_images_in_front_are_told_with_what_to_override(batch, toy):
    for images in (images_of, toy()().images):
        with pytest.raises(DataError, match=rf"got {type(batch).__name__}; override GAN.images \(and GAN.labels\)"):
            images(batch)


def test_a_conditional_gan_hands_labels_to_both_networks(conditional_toy):
    gan, labels = conditional_toy()(), torch.tensor([0, 2, 1, 1])
    batch = (torch.randn(4, 2), labels)
    fakes = gan.generate(gan.generator, gan.latents(4, batch), batch)
    assert torch.equal(fakes[:, 0], labels.float())
    scores = gan.score(gan.discriminator, fakes, batch)
    others = gan.score(gan.discriminator, fakes, (batch[0], torch.zeros_like(labels)))
    assert torch.equal(scores == others, labels == 0)


@pytest.mark.parametrize("batch", [torch.randn(4, 2), [torch.randn(4, 2)]])
def test_missing_labels_are_told_with_the_way_out(conditional_toy, batch):
    with pytest.raises(DataError, match=r"conditional \(3 classes\).*got images alone.*without num_classes"):
        conditional_toy()().labels(batch)


def test_the_rules_ask_the_objective_and_the_penalty(toy):
    gan = toy(objective=Wasserstein(), penalty=R1(2.0))()
    real, fake = torch.randn(6), torch.randn(6)
    assert gan.discriminator_objective(real, fake, None, None) == fake.mean() - real.mean()
    assert gan.generator_objective(fake, pytest.fail, None, None) == -fake.mean()  # the real scores are not asked for
    assert gan.payoff(real, fake) == real.mean() - fake.mean()
    assert gan.penalty(lambda x: x.sum(1), torch.randn(6, 2), torch.randn(6, 2)) == 2.0  # γ/2 · ‖(1, 1)‖²


def test_the_penalty_constrains_the_discriminator_it_is_handed(toy):
    gan, other = toy(penalty=WeightClipping(0.01))(), nn.Linear(2, 1)
    before = [p.clone() for p in gan.discriminator.parameters()]
    gan.constrain(other)
    assert all((p.abs() <= 0.01).all() for p in other.parameters())
    assert all(torch.equal(p, q) for p, q in zip(before, gan.discriminator.parameters(), strict=True))


@pytest.mark.parametrize("networks", [(nn.Linear, nn.Linear(2, 1)), (nn.Linear(3, 2), lambda x: x)])
def test_a_network_that_is_not_built_is_refused(networks):
    with pytest.raises(GANError, match=r"(generator|discriminator): expected a built network \(nn.Module\), got"):
        GAN(*networks)


def test_a_gan_in_a_mixture_has_no_networks_of_its_own(toy):
    model = mix(toy(), 2)
    for name in ("generator", "discriminator"):
        with pytest.raises(AttributeError, match=f"no {name} of its own; use the network that the method was handed"):
            getattr(model.gan, name)
    assert not list(model.gan.parameters())


def test_a_gan_lent_its_networks_gives_them_back_even_after_an_error(toy):
    gan, (generator, discriminator) = toy()(), (nn.Linear(1, 1), nn.Linear(1, 1))
    gan.release()
    with gan.holding(generator, discriminator):
        assert gan.generator is generator
        assert gan.discriminator is discriminator
    assert not hasattr(gan, "generator")
    with pytest.raises(ZeroDivisionError), gan.holding(generator, discriminator):
        1 / 0  # noqa: B018
    assert not hasattr(gan, "generator")


class InfoGANLike(GAN):
    """Latents of two parts, a penalty of its own, an auxiliary network shared by all pairs."""

    def __init__(self, *networks, **options):
        super().__init__(*networks, **options)
        self.auxiliary = nn.Linear(2, 1)

    def latents(self, n, batch):
        return super().latents(n, batch), torch.rand(n, 1)

    def generate(self, generator, latents, batch):
        noise, code = latents
        return generator(noise) + code

    def configure_optimizers(self):
        return (
            torch.optim.Adam([*self.generator.parameters(), *self.auxiliary.parameters()], lr=1e-2),
            torch.optim.Adam(self.discriminator.parameters(), lr=1e-2),
        )

    def generator_objective(self, fake, real, latents, batch):
        noise, code = latents
        assert len(noise) == len(code) == len(fake)
        return super().generator_objective(fake, real, latents, batch) + self.auxiliary(noise[:, :2]).square().mean()


@pytest.mark.parametrize("fakes", ["split", "full"])
def test_overridden_rules_train_and_sample_and_auxiliary_networks_learn(fit, toy, fakes):
    model = mix(toy(InfoGANLike), 3, fakes=fakes)
    before = model.gan.auxiliary.weight.clone()
    fit(model, torch.randn(64, 2))
    assert not torch.equal(before, model.gan.auxiliary.weight)
    assert model.sample(5, seed=0)[0].shape == (5, 2)
    assert model((torch.randn(4, 3), torch.zeros(4, 1))).shape == (4, 2)
    assert "gan.auxiliary.weight" in model.state_dict()


@pytest.mark.parametrize(("name", "given"), [("objective", NonSaturating), ("penalty", R1)])
def test_a_class_where_an_object_is_wanted_is_told(toy_networks, name, given):
    with pytest.raises(GANError, match=rf"{name}: expected an object, got the class {given.__name__}; write"):
        GAN(*toy_networks(), **{name: given})
    with pytest.raises(GANError, match=rf"{name}: expected an object of .* got 'hinge'"):
        GAN(*toy_networks(), **{name: "hinge"})


def test_a_built_optimiser_is_told(toy_networks):
    generator, discriminator = toy_networks()
    built = torch.optim.Adam(generator.parameters())
    with pytest.raises(GANError, match=r"optimizer: expected a function of parameters, such as partial"):
        GAN(generator, discriminator, optimizer=built)


# ------------------------------------------------------------------------------------------------ several outputs


def test_of_several_outputs_the_first_is_flattened_and_the_rules_play_it(toy):
    gan = toy(objective=Wasserstein())()
    outputs = gan.score(lambda x: (x[:, :1], x), torch.randn(5, 2), None)
    assert outputs[0].shape == (5,)
    assert outputs[1].shape == (5, 2)
    real, fake = (torch.randn(6), torch.randn(6, 3)), {"validity": torch.randn(6), "classes": torch.randn(6, 3)}
    expected = fake["validity"].mean() - real[0].mean()
    assert gan.discriminator_objective(real, fake, None, None) == expected
    assert gan.generator_objective(fake, pytest.fail, None, None) == -fake["validity"].mean()


class Forgetful(GAN):
    """A further network that the default optimisers do not hold."""

    def __init__(self, *networks, **options):
        super().__init__(*networks, **options)
        self.encoder = nn.Linear(2, 2)


def test_a_further_network_that_would_never_learn_gives_a_warning(toy, recwarn):
    gan = toy(Forgetful)()
    gan.configure_optimizers()
    (warning,) = recwarn
    assert "Forgetful.encoder will not learn" in str(warning.message)
    assert "override configure_optimizers" in str(warning.message)


@pytest.mark.filterwarnings("error")
def test_a_further_network_that_is_frozen_or_in_an_optimiser_gives_none(toy):
    gan = toy(Forgetful)()
    gan.encoder.requires_grad_(False)
    gan.configure_optimizers()

    class Learns(Forgetful):
        def configure_optimizers(self):
            optimizers = super().configure_optimizers()
            optimizers[0].add_param_group({"params": self.encoder.parameters()})
            return optimizers

    toy(Learns)().configure_optimizers()
    toy()().configure_optimizers()


def test_a_scheduler_is_made_for_both_optimisers(toy, fit):
    halve = partial(torch.optim.lr_scheduler.StepLR, step_size=1, gamma=0.5)
    model = mix(toy(optimizer=partial(torch.optim.SGD, lr=0.8), scheduler=halve), 2)
    fit(model, torch.randn(32, 2), max_epochs=3)
    for optimizer in model.optimizers():
        assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.1]  # α's group follows
