"""One of several processes: python worker.py RANK WORLD FOLDER OTHER saves what every check found as FOLDER/RANK.pt."""

import logging
import sys
import time
import traceback
from datetime import timedelta
from pathlib import Path

import replayed
import scored
import torch
import trained
from torch import distributed


def found(checks, *arguments):
    """What each check returned, or the traceback, a string, of one that failed; and the seconds that all took."""
    results, start = {}, time.perf_counter()
    for name, check in checks.items():
        try:
            results[name] = check(*arguments)
        except Exception:
            results[name] = traceback.format_exc()
    return results | {f"seconds of {', '.join(checks)}": time.perf_counter() - start}


def join(rank, world, store, patience):
    """Meet the others; ``patience``: the seconds that one waits for another that does not come."""
    options = {"init_method": f"file://{store}", "rank": rank, "world_size": world}
    distributed.init_process_group("gloo", timeout=timedelta(seconds=patience), **options)


if __name__ == "__main__":
    rank, world, folder, other = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
    torch.set_num_threads(1)
    for name in ("pytorch_lightning", "pytorch_lightning.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    join(rank, world, folder / "store", patience=60)
    checks = found(scored.CHECKS) | found(trained.CHECKS, folder, other) | found(replayed.CHECKS, folder, other)
    torch.save(checks, folder / f"{rank}.pt")
    distributed.destroy_process_group()
    if world == 2:  # last: afterwards the processes are out of step
        for name, fails in (("failed", trained.one_fails), ("replay_failed", replayed.one_fails)):
            join(rank, world, folder / f"store of {name}", patience=20)
            torch.save(fails(folder), folder / f"{rank}.{name}.pt")
            distributed.destroy_process_group()  # which lets go of one that waits
