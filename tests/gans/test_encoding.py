import pytest
import torch
from torch import nn

from mixgan_lightning.gans import encoding
from mixgan_lightning.gans.encoding import fitted
from mixgan_lightning.sampling import own_stream


@pytest.fixture(autouse=True)
def cached(tmp_path, monkeypatch):
    monkeypatch.setenv("MIXGAN_CACHE", str(tmp_path))
    monkeypatch.setattr(encoding, "STEPS", 60)
    return tmp_path


def classifier(seed=3):
    torch.manual_seed(seed)
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


def test_what_is_learnt_does_not_depend_on_the_run_that_is_the_first(data, cached, monkeypatch):
    found = []
    for seed in (1, 2):
        monkeypatch.setenv("MIXGAN_CACHE", str(cached / str(seed)))
        network = classifier(seed)
        with own_stream(torch.device("cpu"), 0):
            fitted(network, *data)
        found.append(network[1].weight)
    assert torch.equal(*found)


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


def test_where_nothing_can_be_kept_it_is_trained_all_the_same(data, cached, monkeypatch, caplog):
    (cached / "file").touch()
    monkeypatch.setenv("MIXGAN_CACHE", str(cached / "file"))
    network = classifier()
    fitted(network, *data)
    assert (network(data[0]).argmax(1) == data[1]).float().mean() > 0.95
    assert "will be trained again next time" in caplog.text


def test_a_full_disk_is_a_warning_and_leaves_nothing(data, cached, monkeypatch, caplog):
    def full(*args):
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0\nstack")

    monkeypatch.setattr(torch, "save", full)
    fitted(classifier(), *data)
    assert "unexpected pos 64 vs 0); Sequential will be trained again next time" in caplog.text
    assert {path.suffix for path in cached.iterdir()} <= {".lock"}
