"""SGAN against the reference's formulas (github.com/PrincetonML/MIX-plus-GANs), written out pair by pair in float64."""

import pytest
import torch
from hydra import compose, initialize_config_module
from torch.nn.functional import softplus
from torch.utils.data import DataLoader, TensorDataset

from mixgan_lightning import mix
from mixgan_lightning.errors import DataError
from mixgan_lightning.gan_factory import plain
from mixgan_lightning.gans import SGAN
from mixgan_lightning.networks import Encoder, SGANDiscriminator, SGANGenerator
from mixgan_lightning.payoff import expectation
from mixgan_lightning.schedule import Balance, Played

SHAPE, CLASSES, N = (1, 16, 16), 3, 7


def make_gan(noise=0.0, dropout=0.0):
    return SGAN(
        SGANGenerator(SHAPE, CLASSES, latent_dim=5, width=2),
        SGANDiscriminator(SHAPE, CLASSES, latent_dim=5, width=2, noise=noise, dropout=dropout),
        Encoder(SHAPE, CLASSES, width=2),
    )


@pytest.fixture
def cached(tmp_path, monkeypatch):
    monkeypatch.setenv("MIXGAN_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def game():
    model = mix(make_gan, 3, num_discriminators=2, fakes="full", entropy_weight=0.1).double()
    model.gan.mean_image.uniform_(-1, 1)
    with torch.no_grad():
        model.generators.log_probabilities.copy_(torch.tensor([0.3, 0.0, -0.5]))
        model.discriminators.log_probabilities.copy_(torch.tensor([0.2, -0.4]))
    batch = (torch.rand(N, *SHAPE, dtype=torch.float64) * 2 - 1, torch.randint(CLASSES, (N,)))
    return model, batch


def reference_losses(model, batch, latents):
    """(loss of D, loss of G, adversarial loss of D), each weighted, without the regulariser; nothing of SGAN's used."""
    images, labels = batch
    mean = (model.gan.mean_image + 1) / 2  # as the reference: pixels in [0, 1]
    x = (images + 1) / 2 - mean
    w_u, w_v = model.generators.log_probabilities.softmax(0), model.discriminators.log_probabilities.softmax(0)
    rows = torch.arange(len(labels))
    loss_d = loss_g = adversarial = 0
    for w_i, g in zip(w_u, model.generators.components, strict=True):
        fake = (g(latents, labels) + 1) / 2 - mean
        of_encoder = model.gan.encoder(fake).softmax(1)[rows, labels]
        loss_g = loss_g - w_i * of_encoder.log().mean()
        for w_j, d in zip(w_v, model.discriminators.components, strict=True):
            real_logits, _ = d(x)
            fake_logits, recon = d(fake)
            l_lab, l_unl = real_logits[rows, labels], real_logits.exp().sum(1).log()
            l_gen = fake_logits.exp().sum(1).log()
            own = 0.5 * (softplus(l_unl) - l_unl).mean() + 0.5 * softplus(l_gen).mean()
            reconstruction = 10 * ((recon - latents) ** 2).mean()
            adversarial = adversarial + w_i * w_j * own
            loss_d = loss_d + w_i * w_j * (own + (l_unl - l_lab).mean() + reconstruction)
            loss_g = loss_g + w_i * w_j * (-softplus(l_gen).mean() + reconstruction)
    return loss_d, loss_g, adversarial


def gradients(model, loss, player):
    parameters = [*player.components.parameters(), player.log_probabilities]
    return torch.autograd.grad(loss, parameters)


@pytest.mark.parametrize("step", ["discriminator", "generator"])
def test_every_gradient_is_the_references_sum_over_pairs(game, step, monkeypatch):
    model, batch = game
    latents = torch.rand(N, 5, dtype=torch.float64)
    monkeypatch.setattr(model.gan, "latents", lambda n, batch: latents)
    player = getattr(model, f"{step}s")
    losses = getattr(model, f"{step}_losses")(batch)
    ours = expectation(model.generators.weights, losses, model.discriminators.weights)
    theirs = reference_losses(model, batch, latents)[0 if step == "discriminator" else 1]
    assert abs(ours - theirs) < 1e-12
    pairs = zip(gradients(model, ours, player), gradients(model, theirs, player), strict=True)
    assert max((a - b).abs().max() for a, b in pairs) < 1e-12


def test_the_schedule_watches_the_references_adversarial_loss(game, monkeypatch, fit):
    model, batch = game
    latents = torch.rand(N, 5, dtype=torch.float64)
    monkeypatch.setattr(model.gan, "latents", lambda n, batch: latents)
    monkeypatch.setattr(model.gan, "prepare", lambda batches: None)
    expected = float(reference_losses(model, batch, latents)[2].detach())
    fit(model, DataLoader(TensorDataset(*batch), N), max_steps=1)
    assert abs(model.played.adversarial_loss - expected) < 1e-12


def test_before_training_the_mean_image_and_the_encoder_are_learnt_of_the_data(cached, fit, monkeypatch):
    monkeypatch.setattr("mixgan_lightning.gans.encoding.STEPS", 400)
    images = torch.rand(60, *SHAPE) - 1  # dark ones, or
    labels = torch.arange(60) % CLASSES
    images[labels == 1] += 1  # bright
    model = mix(make_gan, 2, fakes="split")
    fit(model, DataLoader(TensorDataset(images, labels), 7, shuffle=True), max_steps=2)
    assert (model.gan.mean_image - images.mean(0)).abs().max() < 1e-6  # of all, though 60 is no multiple of 7
    found = model.gan.encoder((images - model.gan.mean_image) / 2).argmax(1)
    assert (found == labels)[labels == 1].all()
    assert all(not p.requires_grad for p in model.gan.encoder.parameters())
    assert len(list(cached.glob("encoder_*.pt"))) == 1


def test_a_checkpoint_holds_what_was_learnt_and_nothing_is_learnt_again(cached, fit, tmp_path, monkeypatch):
    loader = DataLoader(TensorDataset(torch.rand(28, *SHAPE) * 2 - 1, torch.arange(28) % CLASSES), 7)
    monkeypatch.setattr("mixgan_lightning.gans.encoding.STEPS", 3)
    model = mix(make_gan, 2)
    fit(model, loader, max_steps=2).save_checkpoint(tmp_path / "a.ckpt")
    again = mix(make_gan, 2)
    monkeypatch.setattr(SGAN, "prepare", lambda self, batches: pytest.fail("learnt again"))
    fit(again, loader, ckpt_path=tmp_path / "a.ckpt", max_epochs=2)
    assert torch.equal(again.gan.mean_image, model.gan.mean_image)
    for name, tensor in model.gan.encoder.state_dict().items():
        assert torch.equal(again.gan.encoder.state_dict()[name], tensor)


def test_latents_are_uniform_and_samples_are_conditional_images(game):
    model, _ = game
    latents = model.gan.latents(2_000, None)
    assert latents.shape == (2_000, 5)
    assert latents.min() >= 0
    assert latents.max() < 1
    assert abs(latents.mean() - 0.5) < 0.02
    images, _ = model.sample(4, labels=[0, 1, 2, 0], seed=0)
    assert images.shape == (4, *SHAPE)
    assert images.abs().max() <= 1


def test_images_without_labels_are_told(fit):
    with pytest.raises(DataError, match="conditional"):
        fit(mix(make_gan, 1), torch.rand(16, *SHAPE), batch_size=8)


def test_the_config_is_the_reference_line_by_line():
    with initialize_config_module("mixgan_lightning.conf", version_base="1.3"):
        config = compose("train", overrides=["gan=sgan", "data=digits", "data.image_size=32"])
    gan = plain(config.gan)
    weights = [gan[f"{name}_weight"] for name in ("class", "encoder", "reconstruction")]
    assert weights == [1, 1, 10]
    assert (gan["optimizer"]["lr"], gan["optimizer"]["betas"]) == (1e-4, [0.5, 0.999])
    assert (gan["generator"]["latent_dim"], gan["discriminator"]["noise"], gan["discriminator"]["dropout"]) == (
        50,
        0.2,
        0.5,
    )
    assert (gan["generator"]["width"], gan["discriminator"]["width"], gan["encoder"]["width"]) == (128, 96, 64)
    model = mix(config.gan, 2)
    assert model.schedule == Balance()


@pytest.mark.parametrize(
    ("loss", "learn", "steps"),
    [
        (0.9, True, 1),
        (0.66, True, 1),
        (0.65, True, 3),
        (0.51, True, 3),
        (0.4, True, 5),
        (0.3, True, 7),
        (0.29, False, 7),
    ],
)
def test_balance_is_the_references(loss, learn, steps):
    played = Played(adversarial_loss=loss)
    assert (Balance().discriminators_learn(played), Balance().generator_steps(played)) == (learn, steps)
