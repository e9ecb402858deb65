"""A user's own module and data from the command line: their file in the working directory, and nothing else."""

import json

import pytest
import torch

from mixgan_lightning import log_names

MINE = '''
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from mixgan_lightning import MixGANModule


class MyGAN(pl.LightningModule):
    def __init__(self, width: int = 16):
        super().__init__()
        self.automatic_optimization = False
        self.generator = nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 64), nn.Tanh())
        self.discriminator = nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, z):
        return self.generator(z).view(-1, 1, 8, 8)

    def training_step(self, batch, batch_idx):
        opt_g, opt_d = self.optimizers()
        real, fake = batch[0], self(torch.randn(len(batch[0]), 4))
        d_loss = F.softplus(-self.discriminator(real)).mean() + F.softplus(self.discriminator(fake.detach())).mean()
        opt_d.zero_grad()
        self.manual_backward(d_loss)
        opt_d.step()
        g_loss = F.softplus(-self.discriminator(fake)).mean()
        opt_g.zero_grad()
        self.manual_backward(g_loss)
        opt_g.step()
        self.log_dict({"my_g_loss": g_loss, "my_d_loss": d_loss})

    def configure_optimizers(self):
        return [torch.optim.Adam(net.parameters(), lr=1e-3) for net in (self.generator, self.discriminator)]


def loader(batch_size):
    images = torch.rand(48, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    return DataLoader(TensorDataset(images, torch.arange(48) % 10), batch_size)


class WithData(MyGAN):
    def train_dataloader(self):
        return loader(8)


class MyData(pl.LightningDataModule):
    def __init__(self, batch_size=16):
        super().__init__()
        self.batch_size = batch_size

    def train_dataloader(self):
        return loader(self.batch_size)

    val_dataloader = train_dataloader


class TwoLosses(nn.Module):
    def __init__(self):
        super().__init__()
        self.generator, self.discriminator = MyGAN().generator, MyGAN().discriminator
        self.generator.append(nn.Unflatten(1, (1, 8, 8)))

    def scores(self, batch):
        return self.discriminator(self.generator(torch.randn(len(batch[0]), 4)))

    def generator_loss(self, batch):
        return F.softplus(-self.scores(batch)).mean()

    def discriminator_loss(self, batch):
        return F.softplus(-self.discriminator(batch[0])).mean() + F.softplus(self.scores(batch)).mean()

    configure_optimizers = MyGAN.configure_optimizers


class Named(MyGAN):
    """By their names it cannot be told who plays."""

    generator, discriminator = property(lambda self: self.one), property(lambda self: self.two)

    def __init__(self):
        pl.LightningModule.__init__(self)
        self.automatic_optimization = False
        self.one, self.two = MyGAN().generator, MyGAN().discriminator


class Broken(MyGAN):
    def __init__(self):
        raise ValueError("my own mistake")


class BrokenData(MyData):
    def __init__(self):
        raise ValueError("my own mistake")


def make():
    return MyGAN(5)


class NoData:
    pass


class MyMix(MixGANModule):
    def __init__(self, make_gan=None, size=5, *, strength=1.0, **options):
        super().__init__(make_gan, size, **options)
        self.strength = strength

    def generator_losses(self, batch):
        return self.strength * super().generator_losses(batch)
'''

MY_GAN, MY_DATA = ("gan=custom", "gan._target_=mine.MyGAN"), ("data=custom", "data._target_=mine.MyData")


@pytest.fixture(autouse=True)
def mine(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)


def checkpoint(tmp_path):
    return torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)


# ---------------------------------------------------------------------------------------- what works


def test_ones_own_gan_and_data_are_trained_sampled_and_evaluated(tiny_train, mixgan_sample, mixgan_evaluate, tmp_path):
    ran = tiny_train(*MY_GAN, *MY_DATA, "mixture.size=2", "trainer.log_every_n_steps=1")
    assert (ran.code, ran.err) == (0, "")
    assert "generators     w = 0.50 0.50" in ran.out
    left = {path.relative_to(tmp_path / "run").as_posix() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert {path for path in left if not path.startswith(".hydra")} == {
        "metrics.csv",
        "hparams.yaml",
        "provenance.json",
        "results.json",
        "report.html",
        "checkpoints/last.ckpt",
        "checkpoints/last.ckpt.sha256",
        "samples/epoch_0001.png",
    }
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert (results["images_seen"], results["mixture"], len(results["generator_weights"])) == (32, {}, 2)
    names = set((tmp_path / "run" / "metrics.csv").read_text().splitlines()[0].split(","))
    assert {"my_g_loss", "my_d_loss", log_names.GENERATOR_LOSS, log_names.IMAGES_SEEN} <= names
    path = "ckpt_path=run/checkpoints/last.ckpt"
    ran = mixgan_sample(path, "n=5", "out=grid.png")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("5 samples in grid.png (")
    ran = mixgan_evaluate(path, *MY_DATA, "callbacks/quality=digits", "n=40", "device=cpu")
    assert ran.code == 0, ran.err
    found = json.loads((tmp_path / "evaluation.json").read_text())
    assert set(found["rows"]) == {"mixture", "component 0", "component 1", "real data"}


def test_options_reach_the_users_classes(tiny_train, tmp_path):
    ran = tiny_train(*MY_GAN, "+gan.width=7", *MY_DATA, "+data.batch_size=5", "mixture.size=2")
    assert (ran.code, ran.err) == (0, "")
    assert checkpoint(tmp_path)["state_dict"]["generators.components.1.0.weight"].shape == (7, 4)
    assert checkpoint(tmp_path)["mixgan_lightning"]["played"]["images_seen"] == 10


@pytest.mark.parametrize("target", ["make", "TwoLosses"])
def test_a_function_and_a_module_of_two_losses_are_trained_and_sampled(target, tiny_train, mixgan_sample):
    ran = tiny_train("gan=custom", f"gan._target_=mine.{target}", *MY_DATA, "mixture.size=2")
    assert (ran.code, ran.err) == (0, "")
    ran = mixgan_sample("ckpt_path=run/checkpoints/last.ckpt", "n=5", "component=1")
    assert (ran.code, ran.err) == (0, "")


def test_a_gan_may_bring_its_own_data(tiny_train, mixgan_sample):
    ran = tiny_train("gan=custom", "gan._target_=mine.WithData", "data=none", "mixture.size=2")
    assert (ran.code, ran.err) == (0, "")
    assert "16 real images seen" in ran.out
    assert mixgan_sample("ckpt_path=run/checkpoints/last.ckpt", "n=4").code == 0


def test_ones_own_gan_is_scored_on_our_data(tiny_train, tmp_path):
    ran = tiny_train(*MY_GAN, "data=digits", "callbacks/quality=digits", "mixture.size=2")
    assert (ran.code, ran.err) == (0, "")
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["mixture"][log_names.INCEPTION_SCORE_MEAN] > 1
    assert results["num_samples"] == 360
    assert "inception score" in ran.out


def test_ones_own_data_is_scored_where_asked(tiny_train, tmp_path):
    quality = ("callbacks/quality=digits", f"objective={log_names.FRECHET_DISTANCE}")
    ran = tiny_train(*MY_GAN, *MY_DATA, *quality, "mixture.size=2", "callbacks.quality.num_samples=48")
    assert ran.code == 0, ran.err
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["real"][log_names.FRECHET_DISTANCE] >= 0
    assert results["mixture"][log_names.FRECHET_DISTANCE] > 0


def test_a_run_of_ones_own_gan_is_gone_on_from(tiny_train, tmp_path):
    common = (*MY_GAN, *MY_DATA, "mixture.size=2")
    assert tiny_train(*common).code == 0
    first = checkpoint(tmp_path)
    ran = tiny_train(*common, "ckpt_path=run/checkpoints/last.ckpt", "trainer.max_epochs=3")
    assert (ran.code, ran.err) == (0, "")
    assert first["mixgan_lightning"]["played"]["images_seen"] == 32
    assert checkpoint(tmp_path)["mixgan_lightning"]["played"]["images_seen"] == 96
    assert checkpoint(tmp_path)["global_step"] == 3 * first["global_step"] == 12


def test_ones_own_mixture_of_our_gans_is_trained_and_sampled(tiny_train, mixgan_sample, tmp_path):
    ends = []
    for strength in (1.0, 0.0):  # 0: the generators do not learn
        ran = tiny_train("mixture._target_=mine.MyMix", f"+mixture.strength={strength}", "mixture.size=2")
        assert (ran.code, ran.err) == (0, "")
        ends.append(checkpoint(tmp_path)["state_dict"]["generators.components.1.head.weight"])
    assert not torch.equal(*ends)
    ran = mixgan_sample("ckpt_path=run/checkpoints/last.ckpt", "n=5")
    assert (ran.code, ran.err) == (0, "")


def test_independent_gans_are_trained_sampled_and_evaluated(tiny_train, mixgan_sample, mixgan_evaluate, tmp_path):
    ran = tiny_train("mixture=independent5", "mixture.size=2")
    assert (ran.code, ran.err) == (0, "")
    assert "generators     w = 0.50 0.50" in ran.out
    path = "ckpt_path=run/checkpoints/last.ckpt"
    assert (mixgan_sample(path, "n=5").code, mixgan_evaluate(path, "also=null", "device=cpu").code) == (0, 0)
    results = json.loads((tmp_path / "run" / "results.json").read_text())["mixture"]
    rows = json.loads((tmp_path / "evaluation.json").read_text())["rows"]
    assert {name: rows["mixture"][name] for name in results} == pytest.approx(results, rel=1e-5)


def test_who_plays_can_be_said(tiny_train, tmp_path):
    ran = tiny_train("gan=custom", "gan._target_=mine.Named", *MY_DATA, "mixture.players=[generator,discriminator]")
    assert (ran.code, ran.err) == (0, "")


# ---------------------------------------------------------------------------------------- what is told in one line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("gan=custom", *MY_DATA), "gan._target_=… is needed"),
        ((*MY_GAN, "data=custom"), "data._target_=… is needed"),
        (
            ("gan=custom", "gan._target_=mine.MyGan", *MY_DATA),
            "cannot import 'mine.MyGan': mine has no MyGan; did you mean mine.MyGAN?",
        ),
        (
            ("gan=custom", "gan._target_=their.MyGAN", *MY_DATA),
            "cannot import 'their.MyGAN': is a module of that name in the working directory or on PYTHONPATH?",
        ),
        (
            (*MY_GAN, "data=custom", "data._target_=mine.MyDatas"),
            "cannot import 'mine.MyDatas': mine has no MyDatas; did you mean mine.MyData?",
        ),
        (
            (*MY_GAN, "data=custom", "data._target_=mine.NoData"),
            "data._target_=mine.NoData: expected a pytorch_lightning.LightningDataModule, got NoData",
        ),
        ((*MY_GAN, *MY_DATA, "mixture.fakes=split"), "fakes='split': MyGAN draws its fakes itself, a whole batch for"),
        ((*MY_GAN, *MY_DATA, "mixture.n_critic=2"), "n_critic: MyGAN.training_step says itself who plays when"),
        (
            (*MY_GAN, *MY_DATA, "mixture.players=[generator,critic]"),
            "players: expected 'generator' or 'discriminator' for each of the 2 optimisers",
        ),
        (
            ("mixture._target_=mine.MyMixture",),
            "cannot import 'mine.MyMixture': mine has no MyMixture; did you mean mine.MyMix?",
        ),
        (
            ("mixture._target_=mine.MyGAN",),
            "mixture._target_=mine.MyGAN: expected a subclass of mixgan_lightning.MixGANModule",
        ),
        ((*MY_GAN, *MY_DATA, "mixture=independent5"), "an unmodified GAN has the losses of its own step"),
        (
            (*MY_GAN, *MY_DATA, "mixture.players=[generator]"),
            "players: expected 'generator' or 'discriminator' for each of the 2 optimisers",
        ),
        (
            ("gan=custom", "gan._target_=mine.Named", *MY_DATA),
            "cannot tell which of the 2 optimisers plays the generator: they hold [['one'], ['two']]; pass players=",
        ),
        ((*MY_GAN, *MY_DATA, "mixture.share=[vgg]"), "share: MyGAN has no attribute 'vgg'"),
        (("gan=custom", "gan._target_=mine.NoData", *MY_DATA), "expected make_gan to build a GAN: "),
        (("gan=custom", "gan._target_=mine.Broken", *MY_DATA), "ValueError: my own mistake"),
        ((*MY_GAN, "data=custom", "data._target_=mine.BrokenData"), "ValueError: my own mistake"),
        ((*MY_GAN, *MY_DATA, "+gan.widht=3"), "gan.widht: mine.MyGAN takes no such option; did you mean 'width'?"),
        ((*MY_GAN, "data=none"), "train_dataloader"),
    ],
)
def test_what_a_user_can_mend_is_told_in_one_line(arguments, said, tiny_train, one_line, tmp_path):
    assert said in one_line(tiny_train(*arguments))
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_a_checkpoint_whose_class_is_elsewhere_says_so(tiny_train, mixgan_sample, one_line, tmp_path):
    assert tiny_train(*MY_GAN, *MY_DATA, "mixture.size=2").code == 0
    (tmp_path / "mine.py").rename(tmp_path / "renamed.py")
    line = one_line(mixgan_sample("ckpt_path=run/checkpoints/last.ckpt", "n=4"), "mixgan-sample")
    assert "cannot import 'mine.MyGAN': is a module of that name in the working directory" in line
    ran = mixgan_sample("ckpt_path=run/checkpoints/last.ckpt", "n=4", "make_gan=renamed.MyGAN")
    assert (ran.code, ran.err) == (0, "")


def test_images_of_ones_own_data_need_it_to_be_compared(tiny_train, mixgan_evaluate, one_line):
    assert tiny_train("gan=custom", "gan._target_=mine.WithData", "data=none", "mixture.size=2").code == 0
    ran = mixgan_evaluate("ckpt_path=run/checkpoints/last.ckpt", "data=none", "callbacks/quality=digits", "device=cpu")
    assert "data=none: expected the data that the samples are compared with" in one_line(ran, "mixgan-evaluate")


CONDITIONAL = """
from mine import *


class Conditional(MyGAN):
    def __init__(self):
        super().__init__()
        self.generator = nn.Sequential(nn.Linear(4 + 10, 64), nn.Tanh(), nn.Unflatten(1, (1, 8, 8)))
        self.labels = None

    def forward(self, z):
        return self.generator(torch.cat([z, F.one_hot(self.labels, 10)], dim=1))

    def training_step(self, batch, batch_idx):
        self.labels = batch[1]
        super().training_step(batch, batch_idx)


class FromImages(MyGAN):
    '''Its fakes are made of the data, as those of image-to-image GANs.'''

    def forward(self, z):
        return super().forward(self.real[:, :4])

    def training_step(self, batch, batch_idx):
        self.real = batch[0].flatten(1)
        super().training_step(batch, batch_idx)
"""


@pytest.mark.parametrize("seed", [0, 1])
def test_the_results_are_of_the_labels_in_the_checkpoint(seed, tiny_train, mixgan_evaluate, tmp_path):
    """What a run says of a conditional GAN is what its checkpoint scores: labels as often as in all of the training."""
    (tmp_path / "more.py").write_text(CONDITIONAL)
    ours = ("data=digits", "++trainer.limit_train_batches=1.0", f"seed={seed}")
    assert tiny_train("gan=custom", "gan._target_=more.Conditional", "mixture.size=2", *ours).code == 0
    results = json.loads((tmp_path / "run" / "results.json").read_text())["mixture"]
    ran = mixgan_evaluate("ckpt_path=run/checkpoints/last.ckpt", "data=digits", "also=null", "device=cpu")
    assert ran.code == 0, ran.err
    rows = json.loads((tmp_path / "evaluation.json").read_text())["rows"]
    assert {name: rows["mixture"][name] for name in results} == pytest.approx(results, rel=1e-5)


def test_a_gan_of_which_no_samples_can_be_drawn_is_trained_without_pictures(tiny_train, tmp_path):
    (tmp_path / "more.py").write_text(CONDITIONAL)
    ran = tiny_train("gan=custom", "gan._target_=more.FromImages", *MY_DATA, "mixture.size=2", "trainer.max_epochs=2")
    assert ran.code == 0
    assert "cannot draw samples of this GAN" in ran.err
    assert checkpoint(tmp_path)["mixgan_lightning"]["played"]["images_seen"] == 64
