import pytest
import torch
from torch import nn

from mixgan_lightning.errors import DataError
from mixgan_lightning.evaluation import Seen
from mixgan_lightning.evaluation.seen import has_embedding, see

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
