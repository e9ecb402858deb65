"""mixgan-sample: pictures from a checkpoint."""

from __future__ import annotations

import time
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import Tensor

from mixgan_lightning import MixGANModule, pictures
from mixgan_lightning.cli import command
from mixgan_lightning.cli.device import device_of
from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.gan_factory import plain

PRECISIONS = ("32-true", "bf16-mixed")


def main() -> None:
    """The command."""
    command.run(sample, "sample")


def sample(config: DictConfig) -> None:
    """Load, draw, write."""
    model = MixGANModule.load_from_checkpoint(config.ckpt_path, make_gan=plain(config.make_gan), weights=config.weights)
    if config.precision not in PRECISIONS:
        raise ConfigurationError(f"precision: expected {' or '.join(PRECISIONS)}, got {config.precision!r}")
    model.to(device_of(config.device))
    start = time.perf_counter()
    with torch.autocast(model.device.type, torch.bfloat16, enabled=config.precision == "bf16-mixed"):
        images, components = model.sample(
            config.n, seed=config.seed, labels=plain(config.labels), component=config.component
        )
    images, components = images.float().cpu(), components.cpu()
    speed = f"{config.n / (time.perf_counter() - start):,.0f} a second"
    out = Path(config.out)
    if out.suffix.lower() == ".png":
        pictures.write_png(out, _picture(images, components, len(model.generators)))
        print(f"{config.n} samples in {out} ({speed})")
    elif out.suffix:
        raise ConfigurationError(f"out={out}: expected a .png file (one grid) or a folder (one PNG an image)")
    else:
        _write_each(out, images, components)
        print(f"{config.n} images in {out}/, together in {out}_grid.png ({speed})")


def _picture(samples: Tensor, components: Tensor, size: int) -> pictures.Picture:
    if pictures.is_points(samples):
        return pictures.scatter([samples[components == i] for i in range(size)])
    _check_images(samples)
    return pictures.grid(samples)


def _write_each(folder: Path, images: Tensor, components: Tensor) -> None:
    _check_images(images)
    pixels = pictures.to_uint8(images).permute(0, 2, 3, 1).squeeze(-1).numpy()
    for i, (picture, component) in enumerate(zip(pixels, components.tolist(), strict=True)):
        pictures.write_png(folder / f"{i:05d}_component_{component}.png", picture)
    pictures.write_png(folder.with_name(f"{folder.name}_grid.png"), pictures.grid(images))  # beside: it is no sample


def _check_images(samples: Tensor) -> None:
    if not pictures.is_images(samples):
        raise ConfigurationError(
            f"samples of shape {tuple(samples.shape[1:])} are no pictures (1 or 3 channels, height, width); "
            "points of a plane can be drawn with out=FILE.png, others with model.sample in Python"
        )


if __name__ == "__main__":
    main()
