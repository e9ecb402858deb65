"""Sample pictures on the page: the newest large, some earlier ones small."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from mixgan_lightning.report.run import epoch_of

PANEL = (330, 363)  # pixels of one panel of a figure (`pictures.panels`)
LARGE_BYTES, SMALL_BYTES = 400_000, 45_000
EARLIER = 4


@dataclass(frozen=True)
class Sample:
    """A picture as a data URI."""

    caption: str
    uri: str
    width: int
    height: int


def newest(paths: Sequence[Path]) -> Sample | None:
    """The whole newest figure."""
    return next((found for path in reversed(paths) if (found := _embedded(path, LARGE_BYTES))), None)


def earlier(paths: Sequence[Path]) -> list[Sample]:
    """Evenly chosen among all but the newest, the first among them: their first two panels, real data and mixture."""
    older = list(paths[:-1])
    step = max(1, -(-len(older) // EARLIER))
    return [found for path in older[::step] if (found := corner(path))]


def corner(path: Path, limit: int = SMALL_BYTES) -> Sample | None:
    """The first two panels alone."""
    return _embedded(path, limit, (2 * PANEL[0], PANEL[1]))


def _embedded(path: Path, limit: int, box: tuple[int, int] | None = None) -> Sample | None:
    """In at most ``limit`` bytes: as it is, else scaled down as JPEG; None of a file that is no picture."""
    try:
        with Image.open(path, formats=("PNG",)) as opened:  # what a run writes, whatever the file holds
            picture = opened.convert("RGB")
    except (OSError, Image.DecompressionBombError):
        return None
    if box is not None:
        picture = picture.crop((0, 0, min(box[0], picture.width), min(box[1], picture.height)))
    kind, content = "png", _encoded(picture, "png") if box else path.read_bytes()
    while len(content) > limit and min(picture.size) > 64:
        if kind == "jpeg":
            picture = picture.resize((picture.width * 4 // 5, picture.height * 4 // 5), Image.Resampling.LANCZOS)
        kind, content = "jpeg", _encoded(picture, "jpeg")
    uri = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    return Sample(f"epoch {epoch_of(path)}", uri, *picture.size)


def _encoded(picture: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, quality=85)
    return buffer.getvalue()
