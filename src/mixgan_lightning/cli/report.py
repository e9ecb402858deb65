"""mixgan-report: one HTML page of a run or of a sweep."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mixgan_lightning.errors import MixGANError
from mixgan_lightning.report import write_report

EXAMPLES = """examples
  mixgan-report outputs/2017-08-06/12-00-00     a run of mixgan-train: its page is report.html in that folder
  mixgan-report multirun/2017-08-06/12-00-00    a sweep (mixgan-train -m …)
"""


def main() -> None:
    """The command; expected failures print ``mixgan-report: message`` and exit with 1."""
    path = _parser().parse_args().path
    try:
        written = write_report(path)
    except (MixGANError, OSError) as error:
        print(f"mixgan-report: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    print(written)


def written(folder: Path) -> Path | None:
    """The page of a run or sweep that has ended; what goes wrong with it is said, and costs nothing else."""
    try:
        return write_report(folder)
    except Exception as error:
        print(f"mixgan-report: no report of {folder}: {type(error).__name__}: {error}", file=sys.stderr)
        return None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mixgan-report",
        description="One self-contained HTML page of a run or of a sweep, made from the files in its folder alone.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("path", type=Path, help="the folder of a run or of a sweep")
    return parser


if __name__ == "__main__":
    main()
