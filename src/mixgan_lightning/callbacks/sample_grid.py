"""Pictures of the mixture and of each component, from fixed latents, as PNG files and to the loggers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor

from mixgan_lightning import log_names, pictures
from mixgan_lightning.callbacks.ema import holding, weights_at_hand
from mixgan_lightning.callbacks.media import Shown, log_media
from mixgan_lightning.errors import SamplingError
from mixgan_lightning.evaluation import RealSamples
from mixgan_lightning.mixture_module import MixtureModule
from mixgan_lightning.options import check_count
from mixgan_lightning.sampling import own_stream


class Panel(NamedTuple):
    """One picture of the figure; real data have no log name."""

    title: str
    key: str | None
    picture: pictures.Picture


MOST_IMAGES = 10_000  # of a grid: a hundred in a row
POINTS = 2_000  # of each scatter plot; PacGAN shows 2,500


class SampleGrid(pl.Callback):
    """Figure 2 of the paper during training: real data, the mixture, and each of its components.

    The same seed each time: each place of the grid shows one latent through the training. Images (1 or 3 channels)
    become grids, points of a plane scatter plots coloured by component; others are left alone, and so, with a
    warning, is a GAN of which no samples can be drawn.

    Args:
        dirpath: where the PNG files go: ``epoch_0020.png`` …
        every_n_epochs: how often; and once more when training ends.
        num_images: images in each grid; 64 as 8 × 8.
        seed: of the latents.
    """

    def __init__(self, dirpath: str | Path, every_n_epochs: int = 1, num_images: int = 64, seed: int = 0) -> None:
        self.dirpath = Path(dirpath)
        self.every_n_epochs = check_count("every_n_epochs", every_n_epochs)
        self.num_images = check_count("num_images", num_images, MOST_IMAGES)
        self.seed = seed
        self.last: Path | None = None

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw when it is due."""
        if (trainer.current_epoch + 1) % self.every_n_epochs == 0:
            self._show(trainer, pl_module, self._path(trainer.current_epoch + 1))

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw once more, whatever ended training (max_epochs, max_steps, max_time)."""
        path = self._path(trainer.current_epoch)
        if self.last != path:
            self._show(trainer, pl_module, path)

    def _path(self, epoch: int) -> Path:
        return self.dirpath / f"epoch_{epoch:04d}.png"

    def _show(self, trainer: pl.Trainer, module: pl.LightningModule, path: Path) -> None:
        if not isinstance(module, MixtureModule) or not trainer.is_global_zero:
            return
        try:
            with holding(weights_at_hand(trainer, None), trainer, module):  # those that are scored
                drawn = self.draw(module, trainer.datamodule)  # type: ignore[attr-defined]
        except SamplingError as error:
            rank_zero_warn(f"no pictures: {error}")
            return
        if not drawn:
            return
        self.last = path
        pictures.write_png(path, pictures.panels([(title, picture) for title, _, picture in drawn]))
        logged = {panel.key: Shown(panel.picture, panel.title) for panel in drawn if panel.key is not None}
        log_media(trainer, module, logged)

    def draw(self, module: MixtureModule, datamodule: Any = None) -> list[Panel]:
        """The panels; empty where samples cannot be shown."""
        samples, _ = module.sample(self.num_images, seed=self.seed)
        if pictures.is_points(samples):
            return self._scatter_plots(module, datamodule)
        if not pictures.is_images(samples):
            return []
        weights = module.generators.weights.tolist()
        real = self._real(module, datamodule, self.num_images)
        found = [Panel("real data", None, pictures.grid(images)) for images in real]
        found.append(Panel(f"mixture of {len(weights)}", log_names.SAMPLES_MIXTURE, pictures.grid(samples)))
        for i, weight in enumerate(weights if len(weights) > 1 else []):
            images, _ = module.sample(self.num_images, seed=self.seed, component=i)
            title = f"component {i}, w = {weight:.3f}"
            found.append(Panel(title, log_names.samples_component(i), pictures.grid(images)))
        return found

    def _scatter_plots(self, module: MixtureModule, datamodule: Any) -> list[Panel]:
        points, components = module.sample(POINTS, seed=self.seed)
        groups = [points[components == i] for i in range(len(module.generators))]
        real = list(self._real(module, datamodule, POINTS))
        limit = 1.2 * pictures.extent(real[0] if real else points)
        found = [Panel("real data", None, pictures.scatter(real, limit)) for _ in real]
        title = f"mixture of {len(groups)}, coloured by component"
        return [*found, Panel(title, log_names.SAMPLES_MIXTURE, pictures.scatter(groups, limit))]

    def _real(self, module: MixtureModule, datamodule: Any, n: int) -> list[Tensor]:
        """[n held-out real samples], or [] where there are none."""
        with own_stream(module.gan.like.device, self.seed):  # a dataloader draws from the global stream
            found = [images for images, _ in RealSamples(datamodule, "held_out", module.gan.images, n).batches()]
        return [torch.cat(found)] if found else []
