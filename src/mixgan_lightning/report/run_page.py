"""What stands on the page of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mixgan_lightning import log_names
from mixgan_lightning.report.curves import game_curves, quality_curves
from mixgan_lightning.report.numbers import duration, short
from mixgan_lightning.report.payoff import payoff_maps
from mixgan_lightning.report.run import RunFiles
from mixgan_lightning.report.samples import earlier, newest
from mixgan_lightning.report.weights import weight_curves


@dataclass(frozen=True)
class Tile:
    """One number, large."""

    heading: str
    value: str
    beside: str = ""  # small


@dataclass(frozen=True)
class ScoreRow:
    """Of the table of components."""

    name: str
    weight: str
    values: tuple[str, ...]


def run_page(run: RunFiles) -> dict[str, Any]:
    """The template's variables."""
    names = list(run.measured("mixture"))
    return {
        "run": run,
        "began": _minute(str(run.provenance.get("began") or "")),
        "measured": [_measured(run, name) for name in names],
        "tiles": _tiles(run),
        "newest": newest(run.samples),
        "earlier": earlier(run.samples),
        "quality": quality_curves(run),
        "game": game_curves(run.metrics),
        "weights": weight_curves(run.metrics) + payoff_maps(run),
        "score_names": [log_names.title(name) for name in _component_names(run)],
        "scores": _component_scores(run),
        "origin": _origin(run),
    }


def _minute(time: str) -> str:
    return time[:16].replace("T", " ") + " UTC" * time.endswith("+00:00")


def _measured(run: RunFiles, name: str) -> Tile:
    value, deviation = run.measured("mixture")[name], run.deviation("mixture", name)
    real = run.measured("real").get(name)
    of_real = f"real data {short(real)}" if real is not None else "real data: not scored" if run.results else ""
    return Tile(log_names.title(name), short(value) + (f" ± {short(deviation)}" if deviation else ""), of_real)


def _tiles(run: RunFiles) -> list[Tile]:
    """What is known of the training."""
    results, found = run.results, []
    if run.size is not None:
        found.append(Tile("mixture size T", str(run.size)))
    for player in ("generators", "discriminators"):
        if (in_use := results.get(f"{player}_in_use")) is not None and (run.size or 0) > 1:
            found.append(Tile(f"{player} in use", short(in_use), "exp H(w)"))
    if (seconds := results.get("seconds")) is not None:
        cpu = results.get("cpu_seconds")
        found.append(Tile("training time", duration(seconds), f"{duration(cpu)} CPU time" if cpu is not None else ""))
    if (seen := results.get("images_seen")) is not None:
        rate = results.get("images_per_second")
        found.append(Tile("real images seen", f"{seen:,}", f"{short(rate)} a second" if rate else ""))
    if isinstance(counts := run.provenance.get("parameters"), dict) and counts:
        beside = ", ".join(f"{player[0].upper()} {short(count)}" for player, count in counts.items())
        found.append(Tile("parameters", short(sum(counts.values())), beside))
    return found


def _component_names(run: RunFiles) -> list[str]:
    """Measured values that every component has of its own."""
    return [name for name in run.measured("mixture") if log_names.of_component(0, name) in run.metrics]


def _component_scores(run: RunFiles) -> list[ScoreRow]:
    """Components, then the mixture and real data."""
    names, w = _component_names(run), run.weights("generator")
    if not names:
        return []
    rows = []
    for i in range(run.size or 0):
        series = [run.metrics.get(log_names.of_component(i, name)) for name in names]
        values = tuple("–" if of is None else short(of.last) for of in series)
        rows.append(ScoreRow(f"component {i}", f"{w[i]:.2f}" if i < len(w) else "", values))
    for title, of in (("mixture", "mixture"), ("real data", "real")):
        found = run.measured(of)
        rows.append(ScoreRow(title, "", tuple(short(found[name]) if name in found else "–" for name in names)))
    return rows


def _origin(run: RunFiles) -> list[tuple[str, str]]:
    """Where the numbers come from."""
    of, results = run.provenance, run.results
    versions = of.get("versions")
    lines = {
        "command": of.get("command"),
        "began": of.get("began"),
        "seed": run.seed,
        "commit": of.get("commit"),
        "device": results.get("device"),
        "scored": results.get("num_samples")
        and f"{results['num_samples']:,} samples, {results.get('weights')} weights",
        "versions": ", ".join(f"{name} {said}" for name, said in versions.items())
        if isinstance(versions, dict)
        else None,
    }
    return [(name, str(said)) for name, said in lines.items() if said not in (None, "")]
