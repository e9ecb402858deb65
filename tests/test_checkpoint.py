import pytest
import torch
from torch import nn

from mixgan_lightning import checkpoint
from mixgan_lightning.errors import CheckpointError, ConfigurationError

OWN = {checkpoint.KEY: {"version": checkpoint.VERSION, "played": {}}}
CONTENTS = OWN | {"state_dict": {"w": torch.zeros(3000)}, "hyper_parameters": {"size": 2}}


def saved(path, contents=CONTENTS):
    torch.save(contents, path)
    return path


def test_what_was_saved_is_read(tmp_path):
    contents = checkpoint.read(saved(tmp_path / "a.ckpt"))
    assert torch.equal(contents["state_dict"]["w"], torch.zeros(3000))
    assert checkpoint.read(str(tmp_path / "a.ckpt")).keys() == CONTENTS.keys()


def test_a_file_that_is_not_there_is_named(tmp_path):
    for missing in (tmp_path / "none.ckpt", tmp_path):
        with pytest.raises(CheckpointError, match=f"no checkpoint at {missing}; expected a file such as"):
            checkpoint.read(missing)


@pytest.mark.parametrize("kept", [0, 1, 10, 100, 1000, 0.5, 0.9, 0.99, -1])
def test_a_truncated_file_is_named(tmp_path, kept):
    path = saved(tmp_path / "cut.ckpt")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    with pytest.raises(CheckpointError, match=r"cut\.ckpt cannot be read as a checkpoint"):
        checkpoint.read(path)


@pytest.mark.parametrize("rubbish", [b"hello, world\n", b"\x80\x02garbage", b"PK\x03\x04" + bytes(500), bytes(4096)])
def test_a_file_of_something_else_is_named(tmp_path, rubbish):
    path = tmp_path / "other.ckpt"
    path.write_bytes(rubbish)
    with pytest.raises(CheckpointError, match=r"other\.ckpt cannot be read as a checkpoint"):
        checkpoint.read(path)


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("how", ["torch.save", "old torch.save"])
def test_code_in_a_checkpoint_is_not_run(tmp_path, how):
    path, mark = tmp_path / "evil.ckpt", tmp_path / "was_here"
    contents = CONTENTS | {"hyper_parameters": Malicious(mark)}
    torch.save(contents, path, _use_new_zipfile_serialization=how == "torch.save")
    with pytest.raises(CheckpointError, match=r"evil\.ckpt cannot be read .*or holds code"):
        checkpoint.read(path)
    assert not mark.exists()
    torch.load(path, weights_only=False)  # it does work
    assert mark.exists()


def flipped(whole, seed):
    """One bit of a file turned over."""
    place = int(torch.randint(8 * len(whole), (), generator=torch.Generator().manual_seed(seed)))
    return whole[: place // 8] + bytes([whole[place // 8] ^ (1 << place % 8)]) + whole[place // 8 + 1 :]


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_damaged_file_is_read_or_refused_and_nothing_else(tmp_path):
    """torch.load checks no CRC and raises anything (FACTS §5); 500 files with one bit flipped, seeds 0 … 499."""
    path = saved(tmp_path / "a.ckpt", OWN | {"state_dict": {"w": torch.zeros(2)}, "hyper_parameters": {"size": 2}})
    whole, refused = path.read_bytes(), 0
    for seed in range(500):
        path.write_bytes(flipped(whole, seed))
        try:
            checkpoint.read(path)
        except CheckpointError:
            refused += 1
    assert refused > 100


@pytest.mark.parametrize("contents", [OWN, {"state_dict": {}, "hyper_parameters": {}}, [1, 2], torch.zeros(2)])
def test_a_checkpoint_of_something_else_is_named(tmp_path, contents):
    with pytest.raises(CheckpointError, match=r"is not a checkpoint of mixgan_lightning: it has no entry"):
        checkpoint.read(saved(tmp_path / "a.ckpt", contents))


def test_a_checkpoint_of_a_later_version_asks_for_an_upgrade(tmp_path):
    later = CONTENTS | {checkpoint.KEY: {"version": checkpoint.VERSION + 1}}
    with pytest.raises(CheckpointError, match=r"later version .*format 2, this one reads 1\); upgrade"):
        checkpoint.read(saved(tmp_path / "a.ckpt", later))


RAW, AVERAGED = {"state_dict": {"w": 1}}, {"state_dict": {"w": 2}, "current_model_state": {"w": 3}}


@pytest.mark.parametrize(
    ("contents", "weights", "chosen"),
    [
        (RAW, None, ({"w": 1}, "raw")),
        (RAW, "raw", ({"w": 1}, "raw")),
        (AVERAGED, None, ({"w": 2}, "ema")),
        (AVERAGED, "ema", ({"w": 2}, "ema")),
        (AVERAGED, "raw", ({"w": 3}, "raw")),
    ],
)
def test_averaged_weights_are_chosen_where_there_are_any_and_no_others_are_asked_for(contents, weights, chosen):
    assert checkpoint.choose(contents, weights) == chosen


def test_averaged_weights_that_are_not_there_are_told():
    with pytest.raises(CheckpointError, match="weights=ema: the checkpoint holds raw weights alone; leave weights out"):
        checkpoint.choose(RAW, "ema")


@pytest.mark.parametrize("contents", [RAW, AVERAGED])
@pytest.mark.parametrize("weights", ["averaged", "", 1, True])
def test_weights_of_another_name_are_told(contents, weights):
    with pytest.raises(ConfigurationError, match=f"weights: expected ema, raw or null, got {weights!r}"):
        checkpoint.choose(contents, weights)


def test_a_state_that_fits_passes():
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    checkpoint.check_state(network, network.state_dict())


def test_what_does_not_fit_is_named():
    network = nn.Linear(2, 3)
    with pytest.raises(CheckpointError, match="missing bias; use the same gan="):
        checkpoint.check_state(network, {"weight": torch.zeros(3, 2)})
    with pytest.raises(CheckpointError, match="left over scale;"):
        checkpoint.check_state(network, network.state_dict() | {"scale": torch.zeros(1)})
    with pytest.raises(CheckpointError, match=r"weight: \(5, 2\) in the checkpoint, \(3, 2\) in the model"):
        checkpoint.check_state(network, network.state_dict() | {"weight": torch.zeros(5, 2)})


def test_many_findings_are_three_and_a_count():
    network = nn.Sequential(*[nn.Linear(1, 1) for _ in range(4)])
    with pytest.raises(CheckpointError, match=r"missing 0\.weight, 0\.bias, 1\.weight and 5 more"):
        checkpoint.check_state(network, {})
