"""Whether a server answers, known within seconds: without a network we say so at once."""

from __future__ import annotations

import threading
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import urlopen

PATIENCE = 4.0  # seconds for the server's first answer, whatever the name service does


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
