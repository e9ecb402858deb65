"""Files that others published: fetched if that is asked for, and read only once their hashes are right."""

from __future__ import annotations

import hashlib
import os
import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, ClassVar

from filelock import FileLock
from torchvision.datasets.utils import download_url

from mixgan_lightning.data.tensors import TensorDataModule
from mixgan_lightning.downloads import never_stalling, unreachable
from mixgan_lightning.errors import ConfigurationError, DataError

ALGORITHMS = {32: "md5", 64: "sha256"}  # told by the number of hexadecimal digits
HASH = re.compile("([0-9a-fA-F]{32}){1,2}")


def verified(path: Path, expected: str | None) -> BinaryIO:
    """The file, open at its start, if its hash is the expected one; close it after use.

    Args:
        path: of the file.
        expected: its md5 (32 hexadecimal digits) or sha256 (64); None: whatever it holds.

    Raises:
        DataError: no such file, or another hash.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "abc.txt"
        >>> _ = path.write_bytes(b"abc")
        >>> with verified(path, "900150983cd24fb0d6963f7d28e17f72") as file:
        ...     file.read()
        b'abc'
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise DataError(f"expected a file at {path.absolute()}, got: {error.strerror}") from error
    if expected is None:
        return file
    algorithm = ALGORITHMS[len(expected)]
    found = hashlib.file_digest(file, algorithm).hexdigest()
    if found != expected.lower():
        file.close()
        raise DataError(
            f"{path}: expected the {algorithm} {expected}, got {found} (truncated, altered, or another file); delete "
            "it and fetch it with data.download=true, or give the hash of a file of your own in data.hashes"
        )
    file.seek(0)
    return file


class FilesDataModule(TensorDataModule):
    """Data in published files, each of which is verified before anything in it is interpreted.

    Override `load`, read the files by `opened` after `prepare_data`, and set `title`, `official`, `path` and `urls`.

    Args:
        root: folder in which the files lie as torchvision lays them.
        batch_size: samples in a batch, per process.
        download: fetch files that are missing, by torchvision's functions; off, as they are large.
        hashes: md5 or sha256 by file name, in place of the official one; None for a file that is not verified.

    Raises:
        ConfigurationError: batch_size < 1, a hash of no known length, or of a file that is not among these.
        DataError: at setup, for a file that is missing, has another hash, cannot be read or cannot be downloaded.
    """

    title: ClassVar[str]
    """What the data are called."""
    official: ClassVar[Mapping[str, str]]
    """The published hash of each file, by its name."""

    def __init__(
        self, root: str | Path, batch_size: int, download: bool, hashes: Mapping[str, str | None] | None
    ) -> None:
        super().__init__(batch_size)
        self.root = Path(root).expanduser().absolute()
        self.download = download
        self.hashes: dict[str, str | None] = {**self.official, **_checked(hashes or {}, self.official)}

    @abstractmethod
    def path(self, name: str) -> Path:
        """Where a file lies."""

    @abstractmethod
    def urls(self, name: str) -> Sequence[str]:
        """Where it can be fetched; they are tried in turn."""

    def fetch(self, url: str, folder: Path, name: str) -> None:
        """Download a file into a folder, under its name; any exception says that it failed."""
        download_url(url, folder, name)

    def required(self) -> Sequence[str]:
        """The names of the files that are read: all."""
        return list(self.official)

    def prepare_data(self) -> None:
        """See that the files are there, fetching what is missing where that is asked for.

        Raises:
            DataError: for a file that is missing, or cannot be downloaded.
        """
        missing = [name for name in self.required() if not self.path(name).is_file()]
        if missing and not self.download:
            places = ", ".join(str(self.path(name)) for name in missing)
            raise DataError(
                f"{self.title} is missing: expected {places}; put {'them' if len(missing) > 1 else 'it'} there, set "
                "data.root to where the data lie, or fetch them with data.download=true"
            )
        for name in missing:
            self._download(name)

    @contextmanager
    def opened(self, name: str) -> Iterator[BinaryIO]:
        """A file, verified. What goes wrong while it is read is an error that names it."""
        path = self.path(name)
        with verified(path, self.hashes[name]) as file:
            try:
                yield file
            except DataError:
                raise
            except Exception as error:  # a damaged file raises errors of many kinds
                raise DataError(
                    f"{path}: cannot be read ({one_line(error)}): damaged, or another file; "
                    f"{'it was not verified' if self.hashes[name] is None else 'its hash is the one asked for'}"
                ) from error

    def _download(self, name: str) -> None:
        """Fetch into a folder beside, verify, and only then put it in its place."""
        path = self.path(name)
        reasons = []
        for url in self.urls(name):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with FileLock(f"{path}.lock"), TemporaryDirectory(dir=path.parent) as beside:
                    if not path.is_file():  # no other process has fetched it meanwhile
                        if (reason := unreachable(url)) is not None:  # torchvision would wait for minutes
                            raise DataError(reason)
                        with never_stalling():
                            self.fetch(url, Path(beside), name)
                        verified(Path(beside) / name, self.hashes[name]).close()
                        os.replace(Path(beside) / name, path)
                return
            except Exception as error:  # no network, no room on the disk, an error page, a package missing …
                reasons.append(f"{url}: {one_line(error)}")
        raise DataError(
            f"{self.title}: {name} could not be downloaded ({'; '.join(reasons)}); put it at {path} by hand, or try "
            "again where there is a network"
        )


def one_line(error: Exception) -> str:
    """What an error says, without line breaks."""
    return " ".join(str(error).split()) or type(error).__name__


def _checked(hashes: Mapping[str, str | None], names: Mapping[str, str]) -> Mapping[str, str | None]:
    for name, value in hashes.items():
        if name not in names:
            raise ConfigurationError(f"hashes: expected names among {', '.join(names)}, got {name}")
        if value is not None and not (isinstance(value, str) and HASH.fullmatch(value)):
            raise ConfigurationError(
                f"hashes: expected an md5 (32 hexadecimal digits), a sha256 (64) or null for {name}, got {value!r}; "
                "put it in quotes on the command line, where it might be read as a number"
            )
    return hashes
