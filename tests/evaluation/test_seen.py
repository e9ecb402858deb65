from contextlib import nullcontext

import pytest
import torch
from torch import nn

from mixgan_lightning.errors import DataError
from mixgan_lightning.evaluation import Seen
from mixgan_lightning.evaluation.seen import check_one_pass, has_embedding, see

INDEX = torch.arange(6)


def test_without_features_the_samples_alone_are_seen(images):
    seen = see(None, images(6), INDEX)
    assert torch.equal(seen.samples, images(6))
    assert torch.equal(seen.index, INDEX)
    assert seen.logits is None
    assert seen.embedding is None


def test_a_plain_module_gives_logits(images):
    features = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    seen = see(features, images(6), INDEX)
    assert torch.equal(seen.logits, features(images(6)))
    assert seen.embedding is None
    assert not has_embedding(features)


def test_one_pass_serves_logits_and_embedding(features, images):
    seen = see(features, images(6), INDEX)
    assert features.asked == {"embedding": 6, "logits": 6}
    features.eval()
    assert torch.equal(seen.embedding, features.embedding(images(6)))
    assert torch.equal(seen.logits, features(images(6)))
    assert has_embedding(features)


def test_without_a_way_from_the_embedding_the_samples_go_through_again(features, images):
    class Apart(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = features

        def embedding(self, given):
            return features.embedding(given)

        def forward(self, given):
            return features(given)

    seen = see(Apart(), images(6), INDEX)
    assert features.asked == {"embedding": 6, "forward": 6}
    assert torch.equal(seen.logits, features.eval()(images(6)))
    assert torch.equal(seen.embedding, features.embedding(images(6)))


def test_where_nothing_looks_at_the_embedding_forward_alone_is_run(features, images):
    seen = see(features, images(6), INDEX, embedding=False)
    assert features.asked == {"forward": 6}
    assert seen.embedding is None
    assert torch.equal(seen.logits, features.eval()(images(6)))


class LayersOfTheseNames(nn.Module):
    """Its layers are called as the methods would be, and forward does more than the two."""

    def __init__(self):
        super().__init__()
        self.embedding, self.logits = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, images):
        return self.logits(self.embedding(images.flatten(1)).relu())


def test_layers_are_not_taken_for_methods_of_the_same_name(images):
    features = LayersOfTheseNames()
    assert not has_embedding(features)
    seen = see(features, images(6), INDEX)
    assert torch.equal(seen.logits, features(images(6)))
    assert seen.embedding is None
    check_one_pass(features, images(6))


def test_a_layer_named_logits_does_not_serve_beside_a_method_embedding(images):
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.logits = nn.Linear(4, 3)

        def embedding(self, given):
            return given.flatten(1)

        def forward(self, given):
            return self.logits(given.flatten(1).relu())

    features = Mixed()
    seen = see(features, images(6), INDEX)
    assert torch.equal(seen.logits, features(images(6)))
    assert torch.equal(seen.embedding, images(6).flatten(1))
    check_one_pass(features, images(6))


def test_two_ways_to_the_logits_that_agree_are_taken(features, images):
    check_one_pass(None, images(6))
    check_one_pass(nn.Flatten(), images(6))
    check_one_pass(features, images(6))  # dropout and all


@pytest.mark.parametrize("other", [lambda logits: logits + 1, lambda logits: logits[:, :2]], ids=["values", "shape"])
def test_two_ways_to_the_logits_that_disagree_are_refused(other, features, images):
    class Disagrees(type(features)):
        def logits(self, embedding):
            return other(super().logits(embedding))

    with pytest.raises(
        DataError, match=r"Disagrees: expected logits\(embedding\(.*make these methods agree, or rename"
    ):
        check_one_pass(Disagrees(), images(6))


def test_a_second_way_that_gives_no_tensor_is_refused_too(features, images):
    class Several(type(features)):
        def forward(self, given):
            return super().forward(given), None

    with pytest.raises(DataError, match="Several"):
        check_one_pass(Several(), images(6))


class Scriptable(nn.Module):
    @torch.jit.export
    def embedding(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1)[:, :3]


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_a_torchscript_modules_embedding_is_a_method_too(images):
    """As in the files in which features are often handed on."""
    features = torch.jit.script(Scriptable())
    assert has_embedding(features)
    assert see(features, images(6), INDEX).embedding.shape == (6, 4)


class NotesPrecision(nn.Module):
    """Features that note how they are computed, and may break."""

    def __init__(self, error=None):
        super().__init__()
        self.layer, self.error, self.noted = nn.Linear(4, 3), error, []

    def embedding(self, images):
        return images.flatten(1)

    def logits(self, embedding):
        backends = torch.backends.cuda.matmul, torch.backends.cudnn.conv
        self.noted.append((*(one.fp32_precision for one in backends), torch.is_autocast_enabled("cpu")))
        if self.error:
            raise self.error
        return self.layer(embedding)

    def forward(self, images):
        return self.logits(self.embedding(images))


@pytest.fixture
def training_precision():
    """As a training run in mixed precision may have set it."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    with torch.autocast("cpu", torch.bfloat16), torch.backends.cudnn.flags(allow_tf32=True):
        yield lambda: (
            torch.backends.cuda.matmul.fp32_precision,
            torch.backends.cudnn.conv.fp32_precision,
            torch.is_autocast_enabled("cpu"),
        )
    torch.set_float32_matmul_precision(before)


RUN = {"see": lambda features, images: see(features, images, INDEX), "check": check_one_pass}


@pytest.mark.parametrize("run", RUN.values(), ids=RUN)
@pytest.mark.parametrize("error", [None, RuntimeError("no memory")], ids=["well", "error"])
def test_features_are_computed_in_full_precision_whatever_the_trainings_and_that_is_restored(
    run, error, training_precision, images
):
    features = NotesPrecision(error)
    with pytest.raises(RuntimeError, match="no memory") if error else nullcontext():
        run(features, images(6))
    assert set(features.noted) == {("ieee", "ieee", False)}
    assert training_precision() == ("tf32", "tf32", True)


def test_a_score_in_mixed_precision_is_that_without(training_precision, features, images):
    mixed = see(features, images(6), INDEX)
    with torch.autocast("cpu", enabled=False):
        full = see(features, images(6), INDEX)
    assert mixed.logits.dtype == torch.float32
    assert torch.equal(mixed.logits, full.logits)


def test_features_run_in_eval_mode_without_gradients_and_keep_their_own_modes(features, images):
    features.head.eval()
    modes = [module.training for module in features.modules()]
    seen = see(features, images(6).requires_grad_(), INDEX)
    assert [module.training for module in features.modules()] == modes
    assert not seen.logits.requires_grad
    assert not seen.embedding.requires_grad
    assert torch.equal(see(features, images(6), INDEX).logits, seen.logits)  # no dropout


class Returns(nn.Module):
    """Features of a fixed value, which is not always one."""

    def __init__(self, embedding, logits):
        super().__init__()
        self.found = embedding, logits

    def embedding(self, images):
        return self.found[0]

    def logits(self, embedding):
        return self.found[1]


FINE = torch.zeros(6, 3)


@pytest.mark.parametrize("name", ["embedding", "logits"])
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (torch.zeros(6), r"got torch.float32 of shape \(6,\)"),
        (torch.zeros(5, 3), r"shape \(6, width\), got .*\(5, 3\)"),
        (torch.zeros(6, 3, 1), r"got .*\(6, 3, 1\)"),
        (torch.zeros(6, 3, dtype=torch.int64), r"floating point .*got torch.int64 of shape \(6, 3\)"),
        ((FINE, FINE), "got tuple"),
        (FINE.index_fill(0, torch.tensor([1, 4]), torch.nan), "NaN or infinity in the NAME of 2 of 6 samples"),
        (FINE.index_fill(0, torch.tensor([5]), -torch.inf), "NaN or infinity in the NAME of 1 of 6 samples"),
    ],
)
def test_features_that_are_none_are_refused_and_named(name, bad, message, images):
    found = {"embedding": FINE, "logits": FINE} | {name: bad}
    with pytest.raises(DataError, match=f"features.*{message.replace('NAME', name)}") as error:
        see(Returns(**found), images(6), INDEX)
    assert name in str(error.value)


def test_what_is_seen_moves_as_a_whole():
    for logits, embedding in ((None, None), (FINE, None), (FINE, FINE)):
        moved = Seen(torch.zeros(6, 1, 2, 2), INDEX, logits, embedding).to(torch.device("meta"))
        assert moved.samples.is_meta
        assert [part is None or part.is_meta for part in (moved.logits, moved.embedding)] == [True, True]
        assert ((moved.logits is None), (moved.embedding is None)) == ((logits is None), (embedding is None))
        assert torch.equal(moved.index, INDEX)
