"""Our scores of one set of images beside torch-fidelity's and torchmetrics', each difference taken apart.

    python benchmarks/score_parity.py --weights FILE    # torch-fidelity's weights-inception-2015-12-05-6726825d.pth
    python benchmarks/score_parity.py                      # without it: random weights in its format; some minutes

The images are coloured digits, 32 × 32, real ones against blurred ones, read from PNG files by each library's own code.
Random weights score nothing meaningful, but each library computes the same functions of them.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import torch
import torch_fidelity
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate
from torch_fidelity import feature_extractor_inceptionv3 as port
from torchmetrics.image.fid import FrechetInceptionDistance, NoTrainInceptionV3
from torchmetrics.image.inception import InceptionScore as TorchmetricsInceptionScore
from torchmetrics.image.kid import KernelInceptionDistance

from mixgan_lightning.evaluation import FolderSamples
from mixgan_lightning.features import InceptionFeatures
from mixgan_lightning.metrics import InceptionScore, KernelDistance, PrecisionRecall

SPLITS, SUBSET = 10, 50


class Row(NamedTuple):
    what: str
    ours: float
    theirs: float
    why: str  # what the difference is made of


def random_weights(path: Path) -> None:
    """A file in torch-fidelity's format; logits spread so that the score is not 1."""
    torch.manual_seed(0)
    with (
        mock.patch.object(port.FeatureExtractorInceptionV3, "load_state_dict"),
        mock.patch.object(port, "load_state_dict_from_url"),
    ):
        network = port.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    nn.init.normal_(network.fc.weight, std=0.3)
    torch.save(network.state_dict(), path)


def write_images(folder: Path, n: int) -> tuple[Path, Path]:
    """Two folders of PNGs; the first in the order in which torch-fidelity's contiguous splits are our k mod splits."""
    grey = torch.tensor(load_digits().images[: 2 * n] / 16, dtype=torch.float32).unsqueeze(1)
    colour = torch.rand(2 * n, 3, 1, 1, generator=torch.Generator().manual_seed(1))
    images = interpolate(grey, (32, 32), mode="bilinear") * colour
    drawn, real = avg_pool2d(images[:n], 5, 1, 2), images[n:]
    for name, group in (("drawn", drawn), ("real", real)):
        (folder / name).mkdir()
        for k, image in enumerate(group):
            place = (k % SPLITS) * (n // SPLITS) + k // SPLITS
            pixels = (image * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
            Image.fromarray(pixels).save(folder / name / f"{place:05d}.png")
    return folder / "drawn", folder / "real"


class Features(NamedTuple):
    logits: Tensor
    embedding: Tensor
    index: Tensor  # our number of each image of the folder


def ours_of(folder: Path, features: InceptionFeatures) -> Features:
    images = torch.cat([batch for batch, _ in FolderSamples(folder, channels=3).batches()])
    n, place = len(images), torch.arange(len(images))
    embedding = features.embedding(images)
    return Features(features.logits(embedding), embedding, place % (n // SPLITS) * SPLITS + place // (n // SPLITS))


def torchmetrics_of(folder: Path, weights: Path) -> Features:
    """The features that torchmetrics computes by default: another resize."""
    network = NoTrainInceptionV3("inception-v3-compat", ["2048", "logits_unbiased"], str(weights))
    images = torch.cat([batch for batch, _ in FolderSamples(folder, channels=3).batches()])
    pixels = ((images + 1) * 127.5).round().to(torch.uint8)
    with torch.no_grad():
        parts = [network._torch_fidelity_forward(part) for part in pixels.split(50)]
    embedding, logits = (torch.cat(found) for found in zip(*parts, strict=True))
    return Features(logits, embedding, torch.arange(len(images)))


def score(metric: Any, *updates: tuple[Any, ...]) -> list[float]:
    for arguments in updates:
        metric.update(*arguments)
    found = metric.compute()
    return [float(value) for value in (found if isinstance(found, tuple) else [found])]


class Identity(nn.Identity):
    num_features = 2048


def compare(folder: Path, weights: Path, n: int) -> list[Row]:
    drawn_folder, real_folder = write_images(folder, n)
    common = {"input1": str(drawn_folder), "input2": str(real_folder), "cuda": False, "verbose": False, "cache": False}
    layers = {"feature_extractor": "inception-v3-compat", "feature_extractor_weights_path": str(weights)}
    kinds = {"isc": True, "fid": True, "kid": True, "prc": True, "kid_subset_size": SUBSET, "feature_layer_prc": "2048"}
    fidelity = torch_fidelity.calculate_metrics(**common, **layers, **kinds, samples_shuffle=False)
    features = InceptionFeatures(weights, sha256=None)
    drawn, real = ours_of(drawn_folder, features), ours_of(real_folder, features)
    mean, std = score(InceptionScore(nn.Identity(), SPLITS), (drawn.logits, drawn.index))
    kid, _ = score(KernelDistance(real.embedding, subset_size=SUBSET), (drawn.embedding,))
    precision, recall = score(PrecisionRecall(real.embedding), (drawn.embedding,))
    fid = FrechetInceptionDistance(Identity())
    [frechet] = score(fid, (real.embedding.double(), True), (drawn.embedding.double(), False))
    rows = [
        Row("inception score", mean, fidelity["inception_score_mean"], "same splits: sums in float64"),
        Row("its sd", std, fidelity["inception_score_std"], "population sd, both"),
        Row("Fréchet distance", frechet, fidelity["frechet_inception_distance"], "float64 against float32 sums"),
        Row("kernel distance", kid, fidelity["kernel_inception_distance_mean"], "float64 against float32"),
        Row("precision", precision, fidelity["precision"], "same"),
        Row("recall", recall, fidelity["recall"], "same"),
    ]
    shuffled = torch_fidelity.calculate_metrics(**common, **layers, isc=True)
    rows.append(Row("inception score, shuffled", mean, shuffled["inception_score_mean"], "other samples in each split"))
    return [
        *(Row(f"torch-fidelity: {row.what}", *row[1:]) for row in rows),
        *torchmetrics_rows((drawn, real), (drawn_folder, real_folder), weights, (mean, std, frechet, kid)),
    ]


def torchmetrics_rows(
    ours: tuple[Features, Features], folders: tuple[Path, Path], weights: Path, values: tuple[float, ...]
) -> list[Row]:
    mean, std, frechet, kid = values
    drawn, real = ours
    theirs = [torchmetrics_of(folder, weights) for folder in folders]
    torch.manual_seed(0)
    same = score(TorchmetricsInceptionScore(nn.Identity(), splits=SPLITS), (drawn.logits,))
    other = score(TorchmetricsInceptionScore(nn.Identity(), splits=SPLITS), (theirs[0].logits,))
    one = score(InceptionScore(nn.Identity(), splits=1), (drawn.logits,))[0]
    resized = score(InceptionScore(nn.Identity(), splits=1), (theirs[0].logits,))[0]
    distance = FrechetInceptionDistance(Identity())
    [default] = score(distance, (theirs[1].embedding, True), (theirs[0].embedding, False))
    kernel = KernelInceptionDistance(Identity(), subset_size=SUBSET)
    subsets = score(kernel, (real.embedding, True), (drawn.embedding, False))[0]
    rows = [
        Row("inception score, our features", mean, same[0], "random, unseeded shuffle before splitting"),
        Row("its sd", std, same[1], "the same, and n − 1 instead of n (NaN at 1 split)"),
        Row("inception score, its own features", mean, other[0], "the same, and the resize"),
        Row("inception score of 1 split, its own features", one, resized, "the resize alone (half-pixel, antialiased)"),
        Row("Fréchet distance, its own features", frechet, default, "the resize; float32 result"),
        Row("kernel distance, our features", kid, subsets, "other random subsets, unseeded"),
    ]
    return [Row(f"torchmetrics: {row.what}", *row[1:]) for row in rows]


def quantisation_row(folder: Path, weights: Path) -> Row:
    """Rounding to 8 bits against cutting off, as `(x * 255).byte()` does."""
    features = InceptionFeatures(weights, sha256=None)
    images = torch.cat([batch for batch, _ in FolderSamples(folder / "drawn", channels=3).batches()])
    between = images * 0.999  # values between two grey levels, as a generator gives them
    cut = ((between + 1) / 2 * 255).byte()
    rounded, floored = features(between), features(cut)
    values = [score(InceptionScore(nn.Identity(), splits=1), (logits,))[0] for logits in (rounded, floored)]
    return Row("quantisation of float images", *values, "rounded (ours, as a PNG) against cut off")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--images", type=int, default=100, help="in each of two folders, a multiple of 10")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        weights = arguments.weights or folder / "random.pth"
        if arguments.weights is None:
            random_weights(weights)
        rows = [*compare(folder, weights, arguments.images), quantisation_row(folder, weights)]
    kind = "official" if arguments.weights else "random"
    print(f"{arguments.images} images, {SPLITS} splits, {kind} weights, torch {torch.__version__}\n")
    print("| value | ours | theirs | relative difference | made of |\n| --- | ---: | ---: | ---: | --- |")
    for what, ours, theirs, why in rows:
        difference = abs(ours - theirs) / max(abs(theirs), 1e-12)
        print(f"| {what} | {ours:.6g} | {theirs:.6g} | {difference:.1e} | {why} |")


if __name__ == "__main__":
    main()
