"""Reading pictures of any format that Pillow knows."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from PIL import Image, ImageOps

from mixgan_lightning.errors import DataError

MODES = {1: "L", 3: "RGB"}  # Pillow's names by number of channels


def read_image(source: Path | IO[bytes], path: Path, channels: int) -> Image.Image:
    """A picture of 8 bits a channel, upright as its camera said.

    Args:
        source: the file, or what it holds.
        path: what it is called.
        channels: 1: grey, 3: RGB; whatever it is in the file.

    Raises:
        DataError: naming the file, when it cannot be read or has more bits a channel.
    """
    try:
        with Image.open(source) as image:
            if image.format == "EPS":  # Pillow has such a program run by another
                raise ValueError("it is PostScript, a program")
            deep = image.mode[0] in "IF"  # convert would cut off all that is brighter than 255
            picture = ImageOps.exif_transpose(image).convert(MODES[channels])
    except Exception as error:  # a damaged file raises errors of many kinds
        raise DataError(f"{path}: cannot be read as an image ({error}); repair or remove it") from error
    if deep:
        raise DataError(f"{path}: expected an image of 8 bits a channel, got mode {image.mode}; convert it")
    return picture
