import pytest
import torch
from torch import nn

from mixgan_lightning.gans import encoding
from mixgan_lightning.gans.encoding import fitted


@pytest.fixture(autouse=True)
def cached(tmp_path, monkeypatch):
    monkeypatch.setenv("MIXGAN_CACHE", str(tmp_path))
    monkeypatch.setattr(encoding, "STEPS", 60)
    return tmp_path


def classifier():
    torch.manual_seed(3)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 2)).requires_grad_(False)


@pytest.fixture
def data():
    images = torch.rand(50, 1, 8, 8) / 4
    labels = torch.arange(50) % 2
    images[labels == 1, :, :4] += 0.5
    images[labels == 0, :, 4:] += 0.5
    return images, labels


def test_a_classifier_learns_and_stays_frozen(data):
    network = classifier()
    fitted(network, *data)
    assert (network(data[0]).argmax(1) == data[1]).float().mean() > 0.95
    assert all(not p.requires_grad and p.grad is None for p in network.parameters())


def test_the_second_time_it_is_read(data, monkeypatch):
    first, second = classifier(), classifier()
    fitted(first, *data)
    monkeypatch.setattr(encoding, "_train", lambda *_: pytest.fail("trained again"))
    fitted(second, *data)
    assert torch.equal(first[1].weight, second[1].weight)


@pytest.mark.parametrize("what", ["images", "labels", "network"])
def test_other_data_or_another_network_are_another_file(data, what, cached):
    images, labels = data
    fitted(classifier(), images, labels)
    wider = nn.Sequential(nn.Flatten(), nn.Linear(64, 3)).requires_grad_(False)
    other = {"images": (classifier(), images + 1e-3, labels), "labels": (classifier(), images, 1 - labels)}
    fitted(*other.get(what, (wider, images, labels)))
    assert len(list(cached.glob("*.pt"))) == 2


def test_a_damaged_file_is_trained_anew(data, cached):
    fitted(classifier(), *data)
    (path,) = cached.glob("*.pt")
    path.write_bytes(b"no weights")
    network = classifier()
    fitted(network, *data)
    assert (network(data[0]).argmax(1) == data[1]).float().mean() > 0.95
    fresh = classifier()
    assert not torch.equal(network[1].weight, fresh[1].weight)
