"""Folders of runs that were never trained: the files that a training leaves, with known values."""

import csv
import json
from collections import Counter
from html.parser import HTMLParser

import numpy as np
import pytest
import yaml
from PIL import Image

from mixgan_lightning import log_names

MEASURED = {
    "quality/inception_score/mean": 4.5,
    "quality/inception_score/std": 0.25,
    "quality/fid": 112.0,
    "quality/my_measure": 0.5,
}
REAL = {"quality/inception_score/mean": 9.48, "quality/inception_score/std": 0.3, "quality/fid": 2.5}


def results(size, **changed):
    of_size = {f"{player}_weights": [1 / size] * size for player in ("generator", "discriminator")}
    in_use = {f"{player}_in_use": float(size) for player in ("generators", "discriminators")}
    return {
        "title": f"MIX+ of {size}",
        "size": size,
        "mixture": MEASURED,
        "real": REAL,
        "num_samples": 360,
        "weights": "raw",
        "images_seen": 16896,
        "images_per_second": 4830.0,
        "seconds": 161.3,
        "cpu_seconds": 128.0,
        "device": "cpu",
        **of_size,
        **in_use,
        **changed,
    }


def rows(size, n, quality_every=10, start=0, scale=1.0):
    """metrics.csv as Lightning writes it: a row holds either the training's values or the measured ones."""
    found = []
    for k in range(1, n + 1):
        seen = start + 64.0 * k
        of_training = {
            log_names.GENERATOR_LOSS: 0.7 + 0.1 * np.sin(k),
            log_names.DISCRIMINATOR_LOSS: 1.3,
            log_names.REAL_SCORE: 0.1,
            log_names.FAKE_SCORE: -0.1,
            log_names.PAYOFF_VALUE: -1.3,
            log_names.IMAGES_PER_SECOND: 4000.0 + k,
        }
        for player in ("generator", "discriminator"):
            of_training[log_names.gradient_norm(player)] = 1.0 + 0.01 * k
            of_training[log_names.effective(player)] = size - 0.01
            of_training |= {log_names.weight(player, i): 1 / size + 0.001 * i * np.cos(k) for i in range(size)}
        found.append({"epoch": k // 20, "step": k, log_names.IMAGES_SEEN: seen} | of_training)
        if k % quality_every == 0:
            measured = {name: scale * value * k / n for name, value in MEASURED.items()} | {log_names.PAYOFF_GAP: 0.2}
            measured |= {
                log_names.of_component(i, name): value / (i + 2)
                for name, value in MEASURED.items()
                for i in range(size)
            }
            found.append({"step": k, log_names.IMAGES_SEEN: seen} | measured)
    return found


def write_rows(path, found):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, sorted({name for row in found for name in row}))
        writer.writeheader()
        writer.writerows(found)


def write_samples(folder, epochs):
    folder.mkdir()
    for epoch in epochs:
        pixels = np.full((726, 660, 3), 20 * epoch, np.uint8)
        Image.fromarray(pixels).save(folder / f"epoch_{epoch:04d}.png")


@pytest.fixture
def make_run(tmp_path):
    """``make_run(name="run", size=3, n=30, overrides=…, finished=True, **of results.json)``: a run's folder."""

    def make(name="run", size=3, n=30, overrides=("seed=1",), seed=1, finished=True, scale=1.0, **changed):
        folder = tmp_path / name
        (folder / ".hydra").mkdir(parents=True)
        config = {"seed": seed, "objective": "quality/inception_score/mean", "mixture": {"size": size}}
        (folder / ".hydra" / "config.yaml").write_text(yaml.safe_dump(config | {"run_dir": "${hydra:runtime.x}"}))
        (folder / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(list(overrides)))
        choices = {"hydra": {"runtime": {"choices": {"gan": "mlp", "data": "digits"}}}}
        (folder / ".hydra" / "hydra.yaml").write_text(yaml.safe_dump(choices))
        write_rows(folder / "metrics.csv", rows(size, n, scale=scale))
        write_samples(folder / "samples", (2, 4, 6, 8, 10, 12))
        (folder / "payoff").mkdir()
        np.savetxt(folder / "payoff" / "epoch_0012.csv", -1.4 + np.eye(size), delimiter=",")
        provenance = {"command": "mixgan-train seed=1", "seed": seed, "commit": None, "versions": {"torch": "2.11"}}
        provenance |= {"parameters": {"generators": 1200, "discriminators": 800}, "began": "2026-11-26T22:07:07+00:00"}
        (folder / "provenance.json").write_text(json.dumps(provenance))
        if finished:
            (folder / "results.json").write_text(json.dumps(results(size, **changed)))
        return folder

    return make


@pytest.fixture
def make_sweep(make_run, tmp_path):
    """A sweep over sizes 1 and 3, seeds 1 and 2; the last run failed."""

    def make():
        for k, (size, seed) in enumerate([(1, 1), (1, 2), (3, 1), (3, 2)]):
            overrides = (f"mixture.size={size}", f"seed={seed}", "trainer.max_epochs=4")
            measured = {"mixture": {name: value * size + seed for name, value in MEASURED.items()}}
            make_run(
                f"sweep/{k}", size, overrides=overrides, seed=seed, finished=k < 3, scale=1 + seed / 10, **measured
            )
        (tmp_path / "sweep" / "3" / "failure.txt").write_text("the loss is <nan>\n")
        asked = {"hydra": {"overrides": {"task": ["mixture.size=1,3", "seed=1,2"]}}}
        (tmp_path / "sweep" / "multirun.yaml").write_text(yaml.safe_dump(asked))
        return tmp_path / "sweep"

    return make


class Page(HTMLParser):
    """What tests ask of a page."""

    VOID = ("meta", "link", "img", "br")

    def __init__(self, text):
        super().__init__()
        self.text, self.open, self.unbalanced = text, [], []
        self.elements, self.headings, self.said = [], [], []
        self.feed(text)
        self.close()
        self.unbalanced += self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data):
        if self.open and data.strip() and self.open[-1] != "style":
            self.said.append(data.strip())
            if self.open[-1] == "h2":
                self.headings.append(data.strip())

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def ids_twice(self):
        counts = Counter(attributes["id"] for _, attributes in self.elements if "id" in attributes)
        return [name for name, count in counts.items() if count > 1]

    @property
    def said_text(self):
        return " ".join(self.said)


@pytest.fixture
def page_of():
    """``page_of(folder)``: write its report and read it."""
    from mixgan_lightning.report import write_report

    return lambda folder: Page(write_report(folder).read_text(encoding="utf-8"))
