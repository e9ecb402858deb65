import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from mixgan_lightning import GAN, log_names, mix, pictures
from mixgan_lightning.callbacks import SampleGrid
from mixgan_lightning.errors import ConfigurationError


def drawn(folder):
    return sorted(path.name for path in folder.rglob("*"))


@pytest.mark.parametrize(
    ("every", "epochs", "names"),
    [
        (1, 2, ["epoch_0001.png", "epoch_0002.png"]),
        (2, 5, ["epoch_0002.png", "epoch_0004.png", "epoch_0005.png"]),
        (40, 1, ["epoch_0001.png"]),
    ],
)
def test_a_picture_when_it_is_due_and_one_at_the_end(every, epochs, names, tmp_path, fit, digits_model, digits):
    callback = SampleGrid(tmp_path / "a" / "b", every_n_epochs=every, num_images=4)
    fit(digits_model(), digits, callbacks=[callback], max_epochs=epochs, limit_train_batches=1)
    assert drawn(tmp_path / "a" / "b") == names
    assert callback.last == tmp_path / "a" / "b" / names[-1]


def test_a_run_that_ends_within_an_epoch_is_drawn_at_its_end(tmp_path, fit, points_model, ring):
    """max_steps counts the optimiser steps of both players: four batches of twelve."""
    callback = SampleGrid(tmp_path / "s", every_n_epochs=7)
    trainer = fit(points_model(), ring, callbacks=[callback], max_epochs=100, max_steps=8)
    assert trainer.fit_loop.total_batch_idx + 1 == 4
    assert drawn(tmp_path / "s") == ["epoch_0001.png"]


def test_the_last_picture_is_drawn_once(tmp_path, fit, points_model, ring, monkeypatch):
    times, draw = [], SampleGrid.draw
    monkeypatch.setattr(SampleGrid, "draw", lambda *args: (times.append(1), draw(*args))[1])
    fit(points_model(), ring, callbacks=[SampleGrid(tmp_path)], max_epochs=2, limit_train_batches=1)
    assert len(times) == 2


def test_the_panels_are_real_data_the_mixture_and_each_component(tmp_path, digits_model, digits):
    model, seed = digits_model(size=3), 4
    with torch.no_grad():
        model.generators.log_probabilities.copy_(torch.tensor([0.5, 0.3, 0.2]).log())
    panels = SampleGrid(tmp_path, num_images=16, seed=seed).draw(model, digits)
    assert [(panel.title, panel.key) for panel in panels] == [
        ("real data", None),
        ("mixture of 3", log_names.SAMPLES_MIXTURE),
        ("component 0, w = 0.500", log_names.samples_component(0)),
        ("component 1, w = 0.300", log_names.samples_component(1)),
        ("component 2, w = 0.200", log_names.samples_component(2)),
    ]
    held_out = digits.validation.tensors[0][[k * 360 // 16 for k in range(16)]]
    images = [held_out, model.sample(16, seed=seed)[0]]
    images += [model.sample(16, seed=seed, component=i)[0] for i in range(3)]
    for panel, shown in zip(panels, images, strict=True):
        assert np.array_equal(panel.picture, pictures.grid(shown)), panel.title
    assert not np.array_equal(panels[2].picture, panels[3].picture)


def test_one_gan_has_no_component_panels(tmp_path, digits_model, digits):
    panels = SampleGrid(tmp_path).draw(digits_model(size=1), digits)
    assert [panel.title for panel in panels] == ["real data", "mixture of 1"]


def test_without_a_datamodule_there_is_no_real_panel(tmp_path, digits_model):
    panels = SampleGrid(tmp_path).draw(digits_model(size=2))
    assert panels[0].title == "mixture of 2"


def test_the_png_holds_a_panel_for_each_four_in_a_row(tmp_path, fit, digits_model, digits):
    callback = SampleGrid(tmp_path / "s", num_images=9)
    fit(digits_model(size=3), digits, callbacks=[callback], limit_train_batches=1)
    picture = np.asarray(Image.open(callback.last).convert("RGB"))
    height, width = picture.shape[:2]
    assert (width, height) == (1320, 726)  # 5 panels: 4 × 2 of 330 × 363
    for row, column in [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0)]:
        panel = picture[row * 363 : (row + 1) * 363, column * 330 : (column + 1) * 330]
        assert panel.std() > 20, (row, column)
    assert (picture[363:, 330:] == 255).all()  # and nothing where there is no panel


def test_points_become_scatter_plots(tmp_path, fit, points_model, ring):
    callback = SampleGrid(tmp_path / "s")
    model = points_model(size=3)
    fit(model, ring, callbacks=[callback], limit_train_batches=1)
    assert drawn(tmp_path / "s") == ["epoch_0001.png"]
    panels = callback.draw(model, ring)
    assert [panel.title for panel in panels] == ["real data", "mixture of 3, coloured by component"]
    assert [panel.key for panel in panels] == [None, log_names.SAMPLES_MIXTURE]
    assert {panel.picture.shape for panel in panels} == {(400, 400, 3)}
    assert len(callback.draw(model)) == 1  # without data


def test_samples_of_another_shape_are_left_alone(tmp_path, fit):
    callback = SampleGrid(tmp_path / "s")
    model = mix(lambda: GAN(nn.Linear(2, 5), nn.Linear(5, 1), latent_dim=2), size=2)
    fit(model, torch.randn(32, 5), callbacks=[callback])
    assert not (tmp_path / "s").exists()
    assert callback.last is None


def test_images_go_to_loggers_that_take_them(tmp_path, fit, digits_model, digits, image_logger, rows):
    callback = SampleGrid(tmp_path / "s", num_images=4)
    options = {"logger": [rows.logger, image_logger], "limit_train_batches": 1, "max_epochs": 1}
    fit(digits_model(size=2), digits, callbacks=[callback], **options)
    keys, images, titles = zip(*image_logger.images, strict=True)
    assert keys == (log_names.SAMPLES_MIXTURE, log_names.samples_component(0), log_names.samples_component(1))
    assert titles == ("mixture of 2", "component 0, w = 0.500", "component 1, w = 0.500")
    assert {(image.shape, image.dtype.name) for image in images} == {((70, 70, 3), "uint8")}  # 2 × 2 of 32 + 2


@pytest.mark.parametrize("option", ["every_n_epochs", "num_images"])
def test_numbers_that_cannot_be_are_refused(option, tmp_path):
    with pytest.raises(ConfigurationError, match=f"{option}: expected a whole number"):
        SampleGrid(tmp_path, **{option: 0})
