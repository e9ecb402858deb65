"""Trainings of unusual sizes: many components, unequal players, lone samples, small and large images.

Each plays two batches through the Trainer, or is refused with a line before the first step.
"""

import pytest
import torch
from hydra import compose, initialize_config_module
from torch import nn
from torch.utils.data import DataLoader

from mixgan_lightning import GAN, mix
from mixgan_lightning.cli.model import model_of
from mixgan_lightning.errors import ConfigurationError, DataError
from mixgan_lightning.gan_factory import resolve
from mixgan_lightning.networks import DCGANDiscriminator, DCGANGenerator

pytestmark = pytest.mark.filterwarnings("ignore:BatchNorm in the")  # of so few samples

WAYS = ("loop", "concat", "vectorised", "auto")
UNEQUAL = [(1, 4), (4, 1), (3, 2)]
CLASSES = 3
LARGE = pytest.param(128, marks=pytest.mark.slow)
DCGANS = ("dcgan", "cdcgan", "wgan", "wgan_gp", "improved_gan")
RESNETS = ("sngan", "csngan", "wgan_gp_resnet")


@pytest.fixture
def trained(fit, monkeypatch):
    """``trained(model, data, batch_size)``: two batches; finite losses, every network moved, samples as the data."""
    monkeypatch.setattr("mixgan_lightning.sampling.CHUNK", 8)  # else 512 images would be drawn to look at 5

    def train(model, data, batch_size):
        before = {name: parameter.clone() for name, parameter in model.named_parameters()}
        fit(model, DataLoader(data, batch_size), max_epochs=1, limit_train_batches=2)
        assert model.played.discriminator_steps == 2
        assert model.pair_losses.shape == (len(model.generators), len(model.discriminators))
        assert model.pair_losses.isfinite().all()
        assert all(parameter.isfinite().all() for parameter in model.parameters())
        moved = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
        for player in ("generators", "discriminators"):
            for i in range(len(getattr(model, player))):
                assert any(name.startswith(f"{player}.components.{i}.") for name in moved), f"{player} {i}"
        shape = (data[0][0] if isinstance(data[0], tuple) else data[0]).shape
        images, components = model.sample(5, seed=0)
        assert images.shape == (5, *shape)
        assert images.isfinite().all()
        assert components.max() < len(model.generators)

    return train


@pytest.fixture
def refused(fit):
    """``refused(model, data, batch_size, error, match)``: before any parameter has moved."""

    def check(model, data, batch_size, error, match):
        before = [parameter.clone() for parameter in model.parameters()]
        with pytest.raises(error, match=match):
            fit(model, data, batch_size)
        assert model.played.discriminator_steps == 0
        assert all(map(torch.equal, before, model.parameters()))

    return check


def tiny_dcgan(**options):
    shape = [1, 8, 8]
    return GAN(DCGANGenerator(shape, 4, width=2), DCGANDiscriminator(shape, width=2, **options), latent_dim=4)


def pictures(n, shape=(1, 8, 8)):
    return torch.randn(n, *shape).tanh()


# ------------------------------------------------------------------------------------------------ how many networks


@pytest.mark.parametrize(("fakes", "batch"), [("split", 64), ("split", 70), ("full", 4)])
def test_thirty_two_components_of_points(toy, trained, fakes, batch):
    trained(mix(toy(), 32, fakes=fakes), torch.randn(2 * batch, 2), batch)


@pytest.mark.parametrize(
    ("options", "batch"),
    [({"fakes": "split"}, 64), pytest.param({"fakes": "full", "recompute": True}, 2, marks=pytest.mark.slow)],
)
def test_thirty_two_dcgans(trained, options, batch):
    trained(mix(tiny_dcgan, 32, evaluation="loop", **options), pictures(2 * batch), batch)


@pytest.mark.slow
@pytest.mark.parametrize("fakes", ["split", "full"])
@pytest.mark.parametrize("way", ["concat", "vectorised", "auto"])
def test_thirty_two_dcgans_in_every_way(trained, fakes, way):
    trained(mix(tiny_dcgan, 32, fakes=fakes, evaluation=way), pictures(128), 64)


@pytest.mark.parametrize("sizes", UNEQUAL)
@pytest.mark.parametrize("fakes", ["split", "proportional", "full"])
@pytest.mark.parametrize("way", WAYS)
def test_players_of_unequal_sizes(toy, trained, sizes, fakes, way):
    model = mix(toy(), sizes[0], num_discriminators=sizes[1], fakes=fakes, evaluation=way)
    trained(model, torch.randn(32, 2), 16)


@pytest.mark.parametrize("sizes", UNEQUAL)
@pytest.mark.parametrize("options", [{}, {"judges": "one"}, {"recompute": True}])
def test_convolutional_players_of_unequal_sizes(trained, sizes, options):
    trained(mix(tiny_dcgan, sizes[0], num_discriminators=sizes[1], fakes="full", **options), pictures(32), 16)


# ------------------------------------------------------------------------------------------------ how many samples


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("sizes", [(1, 1), (3, 3), (1, 4), (4, 1)])
def test_one_sample_a_batch_will_do_in_full(toy, trained, sizes, way):
    trained(mix(toy(), sizes[0], num_discriminators=sizes[1], fakes="full", evaluation=way), torch.randn(2, 2), 1)


def test_one_image_a_batch_will_do_where_batchnorm_sees_many_pixels(trained):
    trained(mix(tiny_dcgan, 2, fakes="full"), pictures(2), 1)


@pytest.mark.parametrize("who", ["generator", "discriminator"])
@pytest.mark.parametrize("n", [1, 17])  # all that there is; what is left for the last batch
def test_one_sample_that_batchnorm_cannot_normalise_is_told(refused, toy_networks, who, n):
    def make():
        plain, normalised = toy_networks(), toy_networks(batchnorm=True)
        return GAN(*((normalised[0], plain[1]) if who == "generator" else (plain[0], normalised[1])), latent_dim=3)

    model = mix(make, 2, fakes="full")
    match = f"a batch of 1 sample: BatchNorm in the {who} has one value a channel.*use a batch_size .*drop_last=True"
    refused(model, torch.randn(n, 2), 16, DataError, match)


def test_a_last_batch_of_one_is_no_harm_where_it_is_dropped(toy, fit):
    fit(mix(toy(batchnorm=True), 2, fakes="full"), DataLoader(torch.randn(17, 2), 16, drop_last=True))


@pytest.mark.parametrize("size", [1, 5])
@pytest.mark.parametrize("fakes", ["split", "proportional"])
def test_one_sample_cannot_be_split(toy, refused, size, fakes):
    match = rf"a batch of 1 is too small to split between {size} generator.*batch_size >= {2 * size}, .*fakes='full'"
    refused(mix(toy(), size, fakes=fakes), torch.randn(3, 2), 1, DataError, match)


def test_one_sample_cannot_be_judged_in_parts(toy, refused):
    match = r"a batch of 1 is too small to be judged in parts by 3 discriminators .*batch_size >= 6, or judges='all'"
    refused(mix(toy(), 3, fakes="full", judges="one"), torch.randn(3, 2), 1, DataError, match)


# ------------------------------------------------------------------------------------------------ how many pixels


def config_of(gan, shape, *overrides):
    """mixgan-train's, for random images of a shape."""
    small = [
        f"gan.{network}.{'hidden=[4]' if 'mlp' in gan else 'width=2'}" for network in ("generator", "discriminator")
    ]
    sizes = [f"sample_shape=[{','.join(map(str, shape))}]", f"num_classes={CLASSES}"]
    with initialize_config_module("mixgan_lightning.conf", version_base="1.3"):
        return compose("train", [f"gan={gan}", "data=none", *sizes, *small, "mixture.size=2", *overrides])


@pytest.fixture
def plays(trained, monkeypatch):
    """``plays(gan, shape, *overrides)``: a GAN of conf/gan on random labelled images of a shape."""
    monkeypatch.setattr("mixgan_lightning.gans.sgan.fitted", lambda *_: None)  # a classifier, trained beforehand

    def play(gan, shape, *overrides, batch_size=4):
        n = 2 * batch_size
        data = list(zip(pictures(n, shape), torch.arange(n) % CLASSES, strict=True))
        config = config_of(gan, shape, "mixture.n_critic=1", "mixture.evaluation=loop", *overrides)
        trained(model_of(config), data, batch_size)

    return play


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [8, 16, 32, 64, 128])
@pytest.mark.parametrize("gan", ["mlp", "dcgan", "sngan"])
def test_images_of_every_size_and_colour(plays, gan, side, channels):
    plays(gan, (channels, side, side))


@pytest.mark.parametrize("side", [8, 32, LARGE])
@pytest.mark.parametrize("gan", [*DCGANS[1:], *RESNETS[1:], "wgan_gp_mlp"])
def test_the_other_gans_take_the_same_images(plays, gan, side):
    plays(gan, (3, side, side))


@pytest.mark.parametrize(
    ("side", "channels"), [(16, 3), (20, 1), (32, 3), pytest.param(128, 1, marks=pytest.mark.slow)]
)
def test_sgan_takes_images_of_multiples_of_four(plays, side, channels):
    plays("sgan", (channels, side, side))


@pytest.mark.parametrize("side", [9, 20, 28, 127])
def test_dcgan_takes_odd_sizes(plays, side):
    plays("dcgan", (3, side, side))


@pytest.mark.parametrize("sizes", UNEQUAL)
@pytest.mark.parametrize("fakes", ["split", "full"])
def test_unequal_players_of_the_configs(plays, sizes, fakes):
    size = (f"mixture.size={sizes[0]}", f"mixture.num_discriminators={sizes[1]}", f"mixture.fakes={fakes}")
    plays("mlp", (1, 8, 8), *size, batch_size=8)


MISFITS = [
    *((gan, side, "8 <= S <= 128, got") for gan in DCGANS for side in (7, 129)),
    *((gan, side, "S one of 8, 16, 32, 64, 128, got") for gan in RESNETS for side in (4, 20, 256)),
    *(("sgan", side, "S = 16, 20, 24 …, got") for side in (8, 18)),
]


@pytest.mark.parametrize(("gan", "side", "expected"), MISFITS)
def test_sizes_that_networks_cannot_have_are_refused_in_one_line(gan, side, expected):
    with pytest.raises(ConfigurationError, match=rf"sample_shape \(C, S, S\) with {expected} .*resize the") as refusal:
        resolve(config_of(gan, (3, side, side)).gan)()
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("gan", ["dcgan", "sngan", "sgan"])
def test_oblong_images_are_refused(gan):
    with pytest.raises(ConfigurationError, match=r"\(C, S, S\).*got \(3, 16, 32\)"):
        resolve(config_of(gan, (3, 16, 32)).gan)()


def test_networks_of_another_size_than_the_data_are_told(refused):
    match = r"the generator gives samples of shape \(1, 8, 8\), the data are \(1, 16, 16\)"
    refused(mix(tiny_dcgan, 2), pictures(8, (1, 16, 16)), 8, Exception, match)


def test_a_network_that_wants_a_whole_batch_is_trained(trained):
    """Its activations cannot be measured on a few samples; nothing is refused for that."""

    class OfSixteen(nn.Linear):
        def forward(self, inputs):
            return super().forward(inputs.reshape(16, 2))

    trained(mix(lambda: GAN(nn.Linear(3, 2), OfSixteen(2, 1), latent_dim=3), 2, fakes="full"), torch.randn(32, 2), 16)
