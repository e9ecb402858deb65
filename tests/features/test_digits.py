import pytest
import torch

from mixgan_lightning.data import digits_split
from mixgan_lightning.errors import DataError
from mixgan_lightning.features import DigitsClassifier
from mixgan_lightning.features import digits as recipe
from mixgan_lightning.metrics import InceptionScore


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def classifier(cache):
    return DigitsClassifier.pretrained(cache)


def score(classifier, images):
    metric = InceptionScore(classifier, splits=1)
    metric.update(images)
    return float(metric.compute()[0])


def test_held_out_digits_are_recognised(classifier):
    _, (images, labels) = digits_split()
    assert (classifier(images).argmax(1) == labels).float().mean() > 0.97


def test_real_digits_score_near_ten_and_noise_far_below(classifier):
    _, (images, _) = digits_split()
    noise = 2 * torch.rand(2000, 1, 8, 8, generator=torch.Generator().manual_seed(0)) - 1
    assert 9.2 < score(classifier, images) < 9.8
    assert score(classifier, noise) < 3.5


def test_it_comes_frozen_in_eval_mode_and_its_head_reads_the_embedding(classifier):
    images = torch.rand(3, 1, 8, 8) * 2 - 1
    assert not classifier.training
    assert not any(parameter.requires_grad for parameter in classifier.parameters())
    assert classifier.embedding(images).shape == (3, 64)
    torch.testing.assert_close(classifier.head(classifier.embedding(images)), classifier(images))


@pytest.mark.parametrize("size", [4, 9, 28, 64])
def test_other_sizes_are_judged_as_the_same_digits(classifier, size):
    _, (images, labels) = digits_split()
    resized = torch.nn.functional.interpolate(images, (size, size), mode="bilinear", align_corners=False)
    assert classifier(resized).shape == (360, 10)
    if size > 8:
        assert (classifier(resized).argmax(1) == labels).float().mean() > 0.95


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (2, 8, 8), (2, 64)])
def test_images_of_other_rank_or_channels_are_refused(classifier, shape):
    with pytest.raises(DataError, match="grey images"):
        classifier(torch.zeros(shape))


def test_logits_are_float32_under_autocast_and_for_float64_images(classifier):
    images = torch.rand(3, 1, 8, 8)
    expected = classifier(images)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(classifier(images), expected)
    assert torch.equal(classifier(images.double()), expected)


def test_the_second_use_reads_the_cache(classifier, cache, monkeypatch):
    monkeypatch.setattr(recipe, "_trained", lambda: pytest.fail("trained again"))
    again = DigitsClassifier.pretrained(cache)
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), classifier.parameters(), strict=True))
    monkeypatch.setenv("MIXGAN_CACHE", str(cache))
    DigitsClassifier.pretrained()


@pytest.mark.parametrize("without_gradients", [torch.no_grad, torch.inference_mode])
def test_training_is_deterministic_leaves_the_random_stream_and_works_inside_validation(
    tmp_path, monkeypatch, without_gradients
):
    monkeypatch.setattr(recipe, "EPOCHS", 1)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = DigitsClassifier.pretrained(tmp_path / "a")
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    with without_gradients():
        second = DigitsClassifier.pretrained(tmp_path / "b")
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not any(parameter.is_inference() for parameter in second.parameters())


def flipped_bit(whole):
    middle = len(whole) // 2
    return whole[:middle] + bytes([whole[middle] ^ 64]) + whole[middle + 1 :]


@pytest.mark.parametrize(
    "damage", [lambda whole: b"", lambda whole: whole[:1000], lambda whole: b"not a zip", flipped_bit]
)
def test_a_damaged_cache_is_trained_again_with_one_warning(tmp_path, monkeypatch, caplog, damage):
    monkeypatch.setattr(recipe, "EPOCHS", 1)
    expected = DigitsClassifier.pretrained(tmp_path)
    (file,) = tmp_path.glob("*.pt")
    file.write_bytes(damage(file.read_bytes()))
    mended = DigitsClassifier.pretrained(tmp_path)
    assert len(caplog.records) == 1
    assert all(torch.equal(a, b) for a, b in zip(mended.parameters(), expected.parameters(), strict=True))
    caplog.clear()
    DigitsClassifier.pretrained(tmp_path)
    assert not caplog.records


def test_a_folder_that_cannot_be_written_costs_a_warning_and_no_crash(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(recipe, "EPOCHS", 1)
    (tmp_path / "file").write_text("in the way")
    DigitsClassifier.pretrained(tmp_path / "file" / "cache")
    assert len(caplog.records) == 1
