"""mixgan-export: a checkpoint's generators as a file that runs without this package."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from mixgan_lightning import MixGANModule, checkpoint
from mixgan_lightning.cli import command
from mixgan_lightning.export import check_path
from mixgan_lightning.export import export as write
from mixgan_lightning.gan_factory import plain


def main() -> None:
    """The command."""
    command.run(export, "export")


def export(config: DictConfig) -> None:
    """Load, write."""
    ckpt_path, path = config.ckpt_path, check_path(config.out, config.format)
    model = MixGANModule.load_from_checkpoint(ckpt_path, make_gan=plain(config.make_gan), weights=config.weights)
    weights = checkpoint.choose(checkpoint.read(ckpt_path), config.weights)[1]
    source = "/".join(Path(ckpt_path).parts[-3:])  # RUN/checkpoints/last.ckpt: no path of this machine
    write(model, path, config.format, {"source": source, "weights": weights})
    print(f"{model.title}, {weights} weights, in {path} ({path.stat().st_size / 1e6:,.1f} MB)")


if __name__ == "__main__":
    main()
