"""Writing the page."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mixgan_lightning.errors import DataError
from mixgan_lightning.report.run import is_run, read_run
from mixgan_lightning.report.run_page import run_page
from mixgan_lightning.report.sweep import is_sweep, summarise
from mixgan_lightning.report.sweep_page import PAGE, sweep_page


def write_report(path: Path) -> Path:
    """Write report.html of a run's or a sweep's folder into it, from the files there.

    Raises:
        DataError: when it is no such folder.
    """
    if not path.is_dir():
        came = "a file" if path.exists() else "nothing"
        raise DataError(f"{path}: expected the folder of a run or of a sweep, found {came}")
    if not any(path.iterdir()):
        raise DataError(f"{path}: expected the folder of a run or of a sweep, found an empty folder")
    if is_sweep(path):
        html = _rendered("sweep.html.j2", sweep_page(summarise(path)))
    elif is_run(path):
        html = _rendered("run.html.j2", run_page(read_run(path)))
    else:
        raise DataError(
            f"{path}: expected the folder of a run (metrics.csv, .hydra/config.yaml) or of a sweep (multirun.yaml), "
            "found neither"
        )
    written = path / PAGE
    written.write_text(html, encoding="utf-8")
    return written


def _rendered(template: str, variables: dict[str, Any]) -> str:
    environment = Environment(
        loader=PackageLoader("mixgan_lightning.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = files("mixgan_lightning.report").joinpath("templates", "style.css").read_text(encoding="utf-8")
    return environment.get_template(template).render(variables, style=Markup(style)) + "\n"
