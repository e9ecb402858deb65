import pytest
import torch
from torch import nn

from mixgan_lightning.scores import adversarial, flattened, is_a_sigmoids, widened


@pytest.mark.parametrize(
    "outputs",
    [
        lambda s, c: s,
        lambda s, c: (s, c),
        lambda s, c: [s, (c, c)],
        lambda s, c: ((s, c), c),
        lambda s, c: {"validity": s, "a": c},  # as written, not by the alphabet
    ],
)
def test_the_adversarial_scores_are_the_first_leaf(outputs):
    scores, classes = torch.randn(4), torch.randn(4, 10)
    assert adversarial(outputs(scores, classes)) is scores


@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 1, 1, 1)])
def test_only_the_adversarial_scores_are_flattened(shape):
    scores, code = torch.randn(shape), torch.randn(4, 1)
    assert flattened(scores, 4).shape == (4,)
    found = flattened({"validity": scores, "rest": (code, None)}, 4)
    assert torch.equal(found["validity"], scores.flatten())
    assert found["rest"][0] is code
    assert found["rest"][1] is None


def test_a_discriminator_that_squeezes_gives_one_sample_a_score_too():
    assert flattened(torch.tensor(0.5), 1).shape == (1,)
    assert flattened((torch.tensor(0.5), torch.randn(1, 3)), 1)[0].shape == (1,)


def test_what_is_no_score_a_sample_stays_for_the_check_to_tell():
    logits = torch.randn(4, 10)
    assert flattened(logits, 4) is logits
    assert flattened((logits, logits), 4)[0] is logits
    assert flattened((None, logits), 4)[0] is None
    assert flattened((), 4) == ()


def test_every_output_of_16_bits_is_widened_and_nothing_else():
    outputs = (torch.zeros(2, dtype=torch.bfloat16), {"h": torch.zeros(2).half(), "d": torch.zeros(2).double()}, None)
    scores, named, nothing = widened(outputs)
    assert (scores.dtype, named["h"].dtype, named["d"].dtype) == (torch.float32, torch.float32, torch.float64)
    assert nothing is None
    assert widened(torch.zeros(2, dtype=torch.bfloat16)).dtype == torch.float32


RESHAPED = {
    "as it is": lambda s: s,
    "view": lambda s: s.view(-1),
    "reshape": lambda s: s.reshape(-1),
    "squeeze": lambda s: s.squeeze(),
    "squeeze(1)": lambda s: s.squeeze(1),
    "picked": lambda s: s[:, 0],
    "sliced": lambda s: s[:, :1].flatten(),
    "chunk": lambda s: s.chunk(1, 1)[0],
    "double": lambda s: s.double().view(5, 1, 1),
}


@pytest.mark.parametrize("reshape", RESHAPED.values(), ids=list(RESHAPED))
def test_a_sigmoid_is_told_however_it_is_written_and_reshaped(reshape):
    linear, inputs = nn.Linear(3, 1), torch.randn(5, 3)
    assert is_a_sigmoids(reshape(nn.Sequential(linear, nn.Sigmoid())(inputs)))
    assert is_a_sigmoids(reshape(torch.sigmoid(linear(inputs))))
    assert not is_a_sigmoids(reshape(linear(inputs)))
    assert not is_a_sigmoids(reshape(nn.Sequential(nn.Linear(3, 2), nn.Sigmoid(), nn.Linear(2, 1))(inputs)))


def test_what_a_sigmoid_gates_is_no_sigmoids():
    scores = nn.Linear(3, 1)(torch.randn(5, 3))
    assert not is_a_sigmoids(scores * scores.sigmoid())
    assert not is_a_sigmoids(torch.randn(5))
