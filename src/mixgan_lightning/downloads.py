"""Whether a server answers, known within seconds: without a network we say so at once."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import urlopen

PATIENCE = 4.0  # seconds for the server's first answer, whatever the name service does
STALLED = 60.0  # seconds without a byte, in the midst of a download


def unreachable(url: str) -> str | None:
    """Why nothing can be fetched from this address, in a few words; None where it answers."""
    reasons: list[str] = [f"no answer within {PATIENCE:g} s"]

    def ask() -> None:
        try:
            urlopen(url, timeout=PATIENCE).close()
            reasons.clear()
        except HTTPError as error:
            reasons[:] = [f"the server says {error.code}"]
        except (OSError, ValueError, HTTPException) as error:
            reasons[:] = [str(getattr(error, "reason", error)) or type(error).__name__]

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(PATIENCE)
    return reasons[0] if reasons else None


@contextmanager
def never_stalling() -> Iterator[None]:
    """A connection that says nothing for a minute is an error meanwhile, also where others open it without a limit.

    Raises:
        TimeoutError: by whoever reads from it.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALLED)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
