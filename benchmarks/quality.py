"""What mixing buys: every experiment of the README's table, over seeds, as Markdown and JSON.

    python benchmarks/quality.py                          # 5 seeds, 2 runs at a time: about an hour on 2 cores
    python benchmarks/quality.py --seeds 1 --only ring    # one task, once
    python benchmarks/quality.py --table                  # the table again, from what has been run

Each run is a `mixgan-train experiment=…` of its own, on one thread; finished runs are kept and not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean, median, stdev

from tqdm import tqdm

EXPERIMENTS = {
    "digits/plain": "one GAN",
    "digits/plain_equal_time": "one GAN, seconds of MIX+ of 5",
    "digits/plain_equal_parameters": "one GAN, parameters of MIX+ of 5",
    "digits/strong": "strong single GAN: 3×128, R1, EMA",
    "digits/mix5": "**MIX+ of 5**, split",
    "digits/mix5_full": "**MIX+ of 5**, all pairs (the paper's)",
    "digits/mix20": "**MIX+ of 20**, split",
    "ring/plain_equal_time": "one GAN, seconds of MIX+",
    "ring/mix5_full": "**MIX+ of 5**, all pairs",
    "grid/plain_equal_time": "one GAN, seconds of MIX+ of 5",
    "grid/mix5_full": "**MIX+ of 5**, all pairs",
    "grid/mix10": "**MIX+ of 10**, split",
}
COLUMNS = {
    "digits": {
        "inception score": ("quality/inception_score/mean", 2),
        "Fréchet, held-out": ("quality/fid", 1),
        "nearest training image": ("quality/nearest_training_image", 2),
    },
    "ring": {
        "modes of 8": ("quality/modes", 1),
        "good samples": ("quality/good_share", 2),
        "reverse KL": ("quality/reverse_kl", 3),
    },
}
COLUMNS["grid"] = {"modes of 25": ("quality/modes", 1)} | dict(list(COLUMNS["ring"].items())[1:])


def main() -> None:
    arguments = parse()
    chosen = [name for name in EXPERIMENTS if name.startswith(arguments.only)]
    runs = [(name, seed) for seed in range(1, arguments.seeds + 1) for name in chosen]
    missing = [run for run in runs if not folder(arguments.out, *run).joinpath("results.json").exists()]
    if not arguments.table:
        with ThreadPoolExecutor(arguments.jobs) as pool:
            list(tqdm(pool.map(lambda run: train(arguments.out, *run), missing), total=len(missing)))
    results = {name: collect(arguments.out, name) for name in chosen}
    results = {name: found for name, found in results.items() if found}
    (arguments.out / "quality.json").write_text(json.dumps(results, indent=1) + "\n")
    text = "\n\n".join(table(task, results) for task in COLUMNS if any(name.startswith(task) for name in results))
    (arguments.out / "quality.md").write_text(text + "\n")
    print(text)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time, a thread each")
    parser.add_argument("--only", default="", help="digits, ring, grid, or the beginning of an experiment's name")
    parser.add_argument("--out", type=Path, default=Path("outputs/quality"))
    parser.add_argument("--table", action="store_true", help="run nothing")
    return parser.parse_args()


def folder(out: Path, name: str, seed: int) -> Path:
    return out / name / f"seed_{seed}"


def train(out: Path, name: str, seed: int) -> None:
    command = [
        f"experiment={name}",
        f"seed={seed}",
        "threads=1",
        "logger=csv",
        "evaluate_every_n_epochs=1000",  # at the end alone: seconds of training
        f"hydra.run.dir={folder(out, name, seed)}",
    ]
    program = [sys.executable, "-m", "mixgan_lightning.cli.train", *command]
    subprocess.run(program, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})


def collect(out: Path, name: str) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted((out / name).glob("seed_*/results.json"))]


def table(task: str, results: dict[str, list[dict]]) -> str:
    columns = COLUMNS[task]
    rows = [[task, *columns, "seconds (median)", "seeds"], ["---"] * (len(columns) + 3)]
    names = [name for name in results if name.startswith(task)]
    real = results[names[0]][0]["real"]
    for name in names:
        found = results[name]
        cells = [spread([run["mixture"][key] for run in found], digits) for key, digits in columns.values()]
        rows.append([EXPERIMENTS[name], *cells, f"{median(run['seconds'] for run in found):.0f}", str(len(found))])
    rows.append(["real data", *(f"{real[key]:.{digits}f}" for key, digits in columns.values()), "", ""])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def spread(values: list[float], digits: int) -> str:
    sd = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{mean(values):.{digits}f}{sd}"


if __name__ == "__main__":
    main()
