"""CelebA, faces of celebrities (Liu et al. 2015)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar
from zipfile import ZipFile

from torch import Tensor
from torchvision.datasets import CelebA
from torchvision.datasets.utils import download_file_from_google_drive
from torchvision.transforms.functional import center_crop, pil_to_tensor, resize

from mixgan_lightning.data.files import FilesDataModule
from mixgan_lightning.data.image_cache import cached_images, in_order
from mixgan_lightning.data.image_files import read_image
from mixgan_lightning.options import check_count

IMAGES, PARTITION = "img_align_celeba.zip", "list_eval_partition.txt"
FILES = {name: (drive_id, md5) for drive_id, md5, name in CelebA.file_list if name in (IMAGES, PARTITION)}
CROP = 108  # pixels around the middle: the face without most of what is behind it, as GANs' papers have cut it
TRAIN, TEST = "0", "2"  # parts in list_eval_partition.txt; 1 (validation) is left out


class CelebADataModule(FilesDataModule):
    """Faces (B, 3, S, S) in [−1, 1], without labels: 162,770 for training, the 19,962 of the test held out.

    The 108 × 108 pixels in the middle of each aligned picture, resized to 64 × 64 (bilinear, antialiased). They are
    read from ``root/celeba/img_align_celeba.zip`` (torchvision's layout) without extracting it, and parted by
    ``list_eval_partition.txt`` beside it; torchvision's download needs the package gdown. Resized once: see
    `data.image_cache.cached_images`; 2.2 GB at 64 pixels.

    Args:
        image_size: side in pixels.
        root, batch_size, download, hashes: see `FilesDataModule`.

    Raises:
        ConfigurationError: image_size < 1; and see `FilesDataModule`.
        DataError: see `FilesDataModule`, `cached_images`.

    Example:
        >>> CelebADataModule().sample_shape
        (3, 64, 64)
    """

    title = "CelebA"
    official: ClassVar = {name: md5 for name, (_, md5) in FILES.items()}

    def __init__(
        self,
        root: str | Path = "data",
        batch_size: int = 64,
        image_size: int = 64,
        download: bool = False,
        hashes: Mapping[str, str | None] | None = None,
    ) -> None:
        super().__init__(root, batch_size, download, hashes)
        self.sample_shape = (3, check_count("image_size", image_size), image_size)

    def path(self, name: str) -> Path:
        return self.root / CelebA.base_folder / name

    def urls(self, name: str) -> list[str]:
        return [f"https://drive.google.com/uc?id={FILES[name][0]}"]

    def fetch(self, url: str, folder: Path, name: str) -> None:
        download_file_from_google_drive(FILES[name][0], folder, name)

    def load(self) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Training and test faces, uint8, mapped into memory."""
        self.prepare_data()
        train, held_out = self._parts()
        names, archive = [*train, *held_out], self.path(IMAGES).stat()
        depends_on = CROP, names, self.hashes[IMAGES], archive.st_size, archive.st_mtime_ns
        faces = cached_images(self.title, depends_on, (len(names), *self.sample_shape), lambda: self._faces(names))
        return (faces[: len(train)],), (faces[len(train) :],)

    def _parts(self) -> tuple[list[str], list[str]]:
        """The names of the training and of the test pictures."""
        with self.opened(PARTITION) as file:
            part_of = dict(line.split() for line in file.read().decode().splitlines())
        train, held_out = ([name for name, part in part_of.items() if part == asked] for asked in (TRAIN, TEST))
        return train, held_out

    def _faces(self, names: list[str]) -> Iterator[Tensor]:
        with self.opened(IMAGES) as file, ZipFile(file) as archive:

            def face(name: str) -> Tensor:
                with archive.open(f"img_align_celeba/{name}") as picture:
                    whole = read_image(picture, self.path(IMAGES) / name, channels=3)
                return pil_to_tensor(resize(center_crop(whole, CROP), self.sample_shape[1:]))

            yield from in_order(face, names)
