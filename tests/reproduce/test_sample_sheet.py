import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf
from PIL import Image

from mixgan_lightning import MixGANModule, pictures
from mixgan_lightning.cli import train
from mixgan_lightning.data import DigitsDataModule
from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.reproduce import Outcome, Run, SampleSheet

TINY = ["logger=csv", "trainer.max_epochs=1", "+trainer.limit_train_batches=2", "trainer.accelerator=cpu"]
TINY += [
    "data=digits",
    "callbacks/quality=none",
    "objective=null",
    "gan.generator.width=4",
    "gan.discriminator.width=4",
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """``trained(gan, mixture)``: the outcome of a run of two steps."""
    made = {}

    def make(*words):
        if words not in made:
            folder = tmp_path_factory.mktemp("run")
            with initialize_config_module("mixgan_lightning.conf", version_base="1.3"):
                config = compose("train", overrides=[f"run_dir={folder}", *TINY, *words])
            train.train(config)
            (folder / ".hydra").mkdir()
            OmegaConf.save(config, folder / ".hydra" / "config.yaml")
            made[words] = Outcome(Run("figure", 1, folder))
        return made[words]

    return make


@pytest.fixture
def panels(monkeypatch, tmp_path):
    """``panels(*ran, side=…)``: the panels of each picture that is drawn, title -> grid; and the page."""
    drawn = []
    whole = pictures.panels

    def watch(given, columns, title):
        drawn.append(dict(given))
        return whole(given, columns, title)

    def make(*ran, side=3):
        monkeypatch.setattr(pictures, "panels", watch)
        experiments = [{"experiment": one.entry.experiment, "label": one.entry.label} for one in ran]
        page = SampleSheet(title="Figure", experiments=experiments, side=side).write(ran, tmp_path / "figure")
        return drawn, page

    return make


def model_of(outcome):
    return MixGANModule.load_from_checkpoint(outcome.run.folder / "checkpoints" / "last.ckpt")


def test_models_components_and_real_data_stand_side_by_side(trained, panels, ran, tmp_path):
    mixture, single = trained("gan=dcgan", "mixture=mix3"), trained("gan=dcgan", "mixture=single")
    (of_seed,), page = panels(ran("MIX+", mixture), ran("DCGAN", single))
    names = [title.partition(", w = ")[0] for title in of_seed]
    assert names == ["MIX+", "DCGAN", *(f"MIX+\ncomponent {i}" for i in range(3)), "real data"]
    assert page.files == [tmp_path / "figure.md", tmp_path / "figure_seed_1.png"]
    assert "![Figure](<figure_seed_1.png>)" in page.body
    assert Image.open(page.files[1]).width > 600


def test_grids_show_samples_of_the_last_checkpoint(trained, panels, ran):
    mixture = trained("gan=dcgan", "mixture=mix3")
    (of_seed,), _ = panels(ran("MIX+", mixture))
    model = model_of(mixture)
    assert np.array_equal(of_seed["MIX+"], pictures.grid(model.sample(9, seed=0)[0], 3))
    title = next(title for title in of_seed if "component 1" in title)
    assert np.array_equal(of_seed[title], pictures.grid(model.sample(9, seed=0, component=1)[0], 3))


def test_without_labels_real_data_are_a_square(trained, panels, ran):
    (of_seed,), _ = panels(ran("DCGAN", trained("gan=dcgan", "mixture=single")))
    assert of_seed["real data"].shape == of_seed["DCGAN"].shape == (2 + 3 * 34, 2 + 3 * 34, 3)


def test_with_labels_each_row_is_a_label_of_samples_and_of_real_data(trained, panels, ran):
    outcome = trained("gan=cdcgan", "mixture=single")
    (of_seed,), _ = panels(ran("DCGAN", outcome))
    labels = torch.arange(10).repeat_interleave(3)
    assert np.array_equal(of_seed["DCGAN"], pictures.grid(model_of(outcome).sample(30, seed=0, labels=labels)[0], 3))
    data = DigitsDataModule()
    data.setup()
    images, theirs = (torch.cat(of) for of in zip(*data.val_dataloader(), strict=True))
    rows = [images[theirs == label][:3] for label in range(10)]
    assert np.array_equal(of_seed["real data"], pictures.grid(torch.cat(rows), 3))


def test_a_label_of_few_real_images_leaves_its_row_white(trained, panels, ran):
    (of_seed,), _ = panels(ran("DCGAN", trained("gan=cdcgan", "mixture=single")), side=40)  # of 33 … 37 held-out ones
    real = of_seed["real data"]
    assert real.shape == of_seed["DCGAN"].shape
    assert (real[:, -34:] == 255).all()
    assert not (real[:, :34] == 255).all()


def test_a_model_that_did_not_run_is_no_panel_and_told(trained, panels, ran, failed):
    (of_seed,), page = panels(ran("MIX+", failed("figure", 1, "no data")), ran("DCGAN", trained("gan=dcgan")))
    assert "MIX+" not in of_seed
    assert page.notes == ["MIX+: not run: no data (seed 1)"]


def test_where_nothing_ran_there_is_no_picture(panels, ran, failed):
    drawn, page = panels(ran("MIX+", failed()))
    assert (drawn, len(page.files)) == ([], 1)


def test_a_side_that_is_no_number_of_images_is_refused():
    with pytest.raises(ConfigurationError, match="side: expected a whole number of at least 1, got 0"):
        SampleSheet(title="Figure", experiments=[], side=0)
