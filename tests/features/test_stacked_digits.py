import pytest
import torch

from mixgan_lightning.data import digits_split
from mixgan_lightning.errors import DataError
from mixgan_lightning.evaluation.seen import check_one_pass
from mixgan_lightning.features import DigitsClassifier, StackedDigitsClassifier


@pytest.fixture(scope="module")
def classifier():
    return StackedDigitsClassifier.pretrained()


@pytest.fixture(scope="module")
def triples():
    """Held-out triples (2000, 3, 8, 8) and their digits (2000, 3)."""
    _, (digits, labels) = digits_split()
    index = torch.randint(len(digits), (2000, 3), generator=torch.Generator().manual_seed(0))
    return digits.squeeze(1)[index], labels[index]


def test_the_class_is_the_three_digits_read_as_one_number(classifier, triples):
    images, digits = triples
    numbers = digits @ torch.tensor([100, 10, 1])
    assert (classifier(images).argmax(1) == numbers).float().mean() > 0.94
    assert (classifier(images.flip(1)).argmax(1) == digits.flip(1) @ torch.tensor([100, 10, 1])).float().mean() > 0.94


def test_the_probability_of_a_triple_is_the_product_of_its_digits(classifier, triples):
    images = triples[0][:5] + torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(1))  # unsure
    p = [classifier.digits(images[:, [channel]]).double().softmax(1) for channel in range(3)]
    found = classifier(images).double().softmax(1).view(5, 10, 10, 10)
    torch.testing.assert_close(found, torch.einsum("na,nb,nc->nabc", *p), rtol=1e-4, atol=1e-9)
    torch.testing.assert_close(classifier(images).logsumexp(1), torch.zeros(5), rtol=0, atol=1e-5)


def test_the_embedding_holds_each_channels_own(classifier, triples):
    images = triples[0][:7]
    embedding = classifier.embedding(images)
    assert embedding.shape == (7, 192)
    for channel, part in enumerate(embedding.split(64, dim=1)):
        torch.testing.assert_close(part, classifier.digits.embedding(images[:, [channel]]))


def test_one_pass_serves_logits_and_embedding(classifier, triples):
    images = triples[0][:7]
    check_one_pass(classifier, images)
    assert torch.equal(classifier.logits(classifier.embedding(images)), classifier(images))


def test_other_sizes_are_judged_as_the_same_triples(classifier, triples):
    images, digits = triples[0][:300], triples[1][:300]
    resized = torch.nn.functional.interpolate(images, (16, 16), mode="bilinear", align_corners=False)
    assert (classifier(resized).argmax(1) == digits @ torch.tensor([100, 10, 1])).float().mean() > 0.9


def test_it_comes_frozen_in_eval_mode_with_the_digits_weights(classifier):
    assert not classifier.training
    assert not any(parameter.requires_grad for parameter in classifier.parameters())
    digits = DigitsClassifier.pretrained()
    assert all(torch.equal(a, b) for a, b in zip(classifier.parameters(), digits.parameters(), strict=True))


def test_logits_are_float32_under_autocast(classifier, triples):
    expected = classifier(triples[0][:3])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(classifier(triples[0][:3]), expected)


@pytest.mark.parametrize("shape", [(2, 1, 8, 8), (3, 8, 8), (2, 192)])
def test_images_of_other_rank_or_channels_are_refused(classifier, shape):
    with pytest.raises(DataError, match="RGB images"):
        classifier(torch.zeros(shape))
