"""The dashboard as a workspace of W&B, by the library wandb-workspaces (the extra ``dashboard``)."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from functools import singledispatch
from typing import Any

import wandb
from wandb.errors import AuthenticationError, UsageError

from mixgan_lightning.dashboard.panels import (
    COMPONENT,
    Band,
    Bars,
    Lines,
    Panel,
    ParallelCoordinates,
    Pictures,
    Scatter,
    Section,
    Table,
)
from mixgan_lightning.errors import ConfigurationError, MissingLibraryError, MixGANError
from mixgan_lightning.log_names import IMAGES_SEEN

INSTALL = "pip install '.[dashboard]'"


def library() -> tuple[Any, Any]:
    """The library's panels and its workspaces; imported when needed, for it is an extra.

    Raises:
        MissingLibraryError: where it is not installed.
    """
    try:
        import wandb_workspaces.reports.v2 as panels
        import wandb_workspaces.workspaces as workspaces
    except ImportError as error:
        raise MissingLibraryError(f"dashboards need the package wandb-workspaces: {INSTALL}") from error
    return panels, workspaces


def workspace(sections: Sequence[Section], entity: str, project: str, name: str) -> Any:
    """A ``wandb_workspaces.workspaces.Workspace`` of these sections; nothing is sent. Built twice it is the same.

    Raises:
        MissingLibraryError: where the library is not installed.
        ConfigurationError: for a name that W&B refuses.
    """
    if symbols := [sign for sign in name if unicodedata.category(sign) in ("So", "Sk", "Sm", "Sc", "Cs")]:
        raise ConfigurationError(f"name={name}: W&B takes no symbols in it, got {symbols[0]!r}; use letters and digits")
    _, ws = library()
    return ws.Workspace(
        entity=entity,
        project=project,
        name=name,
        sections=[_section(section) for section in sections],
        settings=ws.WorkspaceSettings(x_axis=IMAGES_SEEN),
        auto_generate_panels=False,
    )


def as_json(built: Any) -> str:
    """What would be sent as the workspace's content."""
    return built._to_model().spec.model_dump_json(by_alias=True, exclude_none=True, indent=2)


def save(built: Any) -> str:
    """Make it a new view of its project at W&B; returns the address.

    Raises:
        MixGANError: where one is not logged in, or W&B does not take it.
    """
    try:
        wandb.setup(wandb.Settings(silent=True))  # no prompt for a key: what is missing is said below
        return built.save().url
    except UsageError as error:
        raise MixGANError(
            "not logged in to W&B: run `wandb login`, or set WANDB_API_KEY; --dry-run needs neither"
        ) from error
    except AuthenticationError as error:
        raise MixGANError(f"{error}; is the server reachable? `wandb login --relogin` asks for another key") from error
    except Exception as error:  # what else a server answers has no common class
        where = f"{built.entity}/{built.project}"
        raise MixGANError(
            f"W&B: {str(error).strip()}; is there a project {where} (a run makes it) that you may change?"
        ) from error


def _section(section: Section) -> Any:
    _, ws = library()
    return ws.Section(
        name=section.title,
        panels=[_identified(panel, section) for panel in section.panels],
        is_open=section.is_open,
        panel_settings=ws.SectionPanelSettings(x_axis=IMAGES_SEEN),
    )


def _identified(panel: Panel, section: Section) -> Any:
    """The library's panel under a name of its own, where the library would draw one."""
    built = _panel(panel, library()[0])
    built._id = hashlib.sha256(f"{section.title}/{panel}".encode()).hexdigest()[:12]
    return built


@singledispatch
def _panel(panel: Panel, wr: Any) -> Any:
    raise TypeError(type(panel).__name__)


@_panel.register
def _(panel: Lines, wr: Any) -> Any:
    if any(COMPONENT in key for key in panel.keys):
        return wr.LinePlot(title=panel.title, x=IMAGES_SEEN, metric_regex=pattern(panel.keys))
    return wr.LinePlot(title=panel.title, x=IMAGES_SEEN, y=list(panel.keys))


def pattern(keys: Sequence[str]) -> str:
    """A regular expression of these keys, of every component."""
    return "|".join(f"^{key.replace(COMPONENT, '[0-9]+')}$" for key in keys)


@_panel.register
def _(panel: Band, wr: Any) -> Any:
    mean, sd = (f"${{{key}}}" for key in panel.keys)  # in braces: else the slash is a division
    curves = [f"{mean} - {sd}", mean, f"{mean} + {sd}"]
    return wr.LinePlot(title=panel.title, x=IMAGES_SEEN, y=[], custom_expressions=curves)


@_panel.register
def _(panel: Pictures, wr: Any) -> Any:
    return wr.MediaBrowser(title=panel.title, media_keys=list(panel.keys), num_columns=1)


@_panel.register
def _(panel: Table, wr: Any) -> Any:
    (key,) = panel.keys
    return wr.WeavePanelSummaryTable(table_name=key)  # it has no title


@_panel.register
def _(panel: Bars, wr: Any) -> Any:
    (option,) = panel.options
    return wr.BarPlot(
        title=panel.title,
        metrics=list(panel.keys),
        groupby=wr.Config(option),
        groupby_aggfunc="mean",
        groupby_rangefunc="stddev",
    )


@_panel.register
def _(panel: Scatter, wr: Any) -> Any:
    (option,), (key,) = panel.options, panel.keys
    return wr.ScatterPlot(title=panel.title, x=wr.Config(option), y=wr.SummaryMetric(key))


@_panel.register
def _(panel: ParallelCoordinates, wr: Any) -> Any:
    values = [*map(wr.Config, panel.options), *map(wr.SummaryMetric, panel.keys)]
    return wr.ParallelCoordinatesPlot(
        title=panel.title, columns=[wr.ParallelCoordinatesPlotColumn(metric=value) for value in values]
    )
