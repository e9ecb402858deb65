"""How what a page shows was measured, as the runs tell it."""

from __future__ import annotations

from collections.abc import Sequence

from mixgan_lightning.reproduce.runs import Ran, seeds_said


def conditions_of(ran: Sequence[Ran]) -> str:
    """Seeds, numbers of samples, devices."""
    results = [outcome.results for one in ran for outcome in one.finished]
    seeds = dict.fromkeys(outcome.run.seed for one in ran for outcome in one.outcomes)
    over = f"mean ± sd over {seeds_said(seeds)}" if len(seeds) > 1 else seeds_said(seeds)
    samples = [n for n in sorted({found["num_samples"] for found in results}) if n]
    scored = [f"scored from {', '.join(f'{n:,}' for n in samples)} samples"] * bool(samples)
    devices: dict[str, list[str]] = {}
    for one in ran:
        for device in dict.fromkeys(outcome.results.get("device", "unknown") for outcome in one.finished):
            devices.setdefault(device, []).append(one.entry.label)
    on = [device if len(devices) == 1 else f"{device} ({', '.join(of)})" for device, of in devices.items()]
    return "; ".join([over, *scored, *([f"trained on {', '.join(on)}"] if on else [])])
