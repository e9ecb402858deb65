"""All networks of a player at once: on memory that they share, whatever happens to their parameters meanwhile."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from mixgan_lightning.mixture import Mixture
from mixgan_lightning.payoff.calls import OneByOne
from mixgan_lightning.payoff.stacked import Stacked
from mixgan_lightning.payoff.vectorised import AllAtOnce

TOLERANCE = 1e-12


class Tied(nn.Module):
    """One weight in two places."""

    def __init__(self):
        super().__init__()
        self.there, self.back = nn.Linear(3, 3), nn.Linear(3, 3)
        self.back.weight = self.there.weight

    def forward(self, x):
        return self.back(self.there(x).tanh())


def network():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2))


def mixture_of(make=network, size=3):
    return Mixture([make() for _ in range(size)]).double()


def inputs(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def gradients(mixture, calls, x, **options):
    mixture.zero_grad()
    outputs = calls(mixture, lambda net, h: net(h), (x,), **options)
    (outputs * torch.arange(outputs.numel()).view_as(outputs)).sum().backward()
    return outputs, [p.grad for p in mixture.components.parameters()]


def assert_same(mixture, calls, x, **options):
    reference = deepcopy(mixture)
    expected, of_loops = gradients(reference, OneByOne(), x, **options)
    found, own = gradients(mixture, calls, x, **options)
    assert (found - expected).detach().abs().max() <= TOLERANCE
    for gradient, other in zip(own, of_loops, strict=True):
        assert (gradient is None) == (other is None)
        assert gradient is None or (gradient - other).abs().max() <= 100 * TOLERANCE
    for buffer, other in zip(mixture.buffers(), reference.buffers(), strict=True):
        assert (buffer - other).abs().max() <= TOLERANCE


@pytest.mark.parametrize("make", [network, Tied, lambda: nn.Linear(3, 2, bias=False), lambda: nn.LayerNorm(3)])
@pytest.mark.parametrize("x", [inputs(1, 7, 3), inputs(3, 7, 3)], ids=["the same for all", "each its own"])
def test_outputs_gradients_and_buffers_are_those_of_a_loop(make, x):
    assert_same(mixture_of(make), AllAtOnce(), x)


@pytest.mark.parametrize(("first", "n"), [(0, 2), (1, 2), (2, 1), (0, 3)])
def test_some_networks_play_alone(first, n):
    assert_same(mixture_of(), AllAtOnce(), inputs(n, 7, 3), first=first, n=n)


@pytest.mark.parametrize("dims", [1, 3, 4])
def test_linear_layers_take_any_number_of_axes(dims):
    mixture = mixture_of(lambda: nn.Linear(3, 2))
    assert_same(mixture, AllAtOnce(), inputs(3, *[2] * (dims - 1), 3))


def moved(mixture):
    mixture.float().double()


def loaded(mixture):
    mixture.load_state_dict({key: 2 * value for key, value in mixture.state_dict().items()})


def assigned(mixture):
    mixture.load_state_dict({key: value + 1 for key, value in mixture.state_dict().items()}, assign=True)


def replaced(mixture):
    mixture.components[1][0].weight = nn.Parameter(torch.randn(4, 3, dtype=torch.float64))


def exchanged(mixture):
    mixture.components[0] = network().double()


def swapped(mixture):
    for parameter in mixture.components[2].parameters():
        parameter.data = parameter.data + 1


def frozen(mixture):
    mixture.components[0].requires_grad_(False)
    mixture.components[1][0].weight.requires_grad_(False)


def descended(mixture):
    for parameter in mixture.components.parameters():
        parameter.data -= 0.1


@pytest.mark.parametrize("change", [moved, loaded, assigned, replaced, exchanged, swapped, frozen, descended])
def test_what_happens_to_parameters_between_calls_counts(change):
    mixture, calls = mixture_of(), AllAtOnce()
    assert_same(mixture, calls, inputs(1, 7, 3))
    change(mixture)
    assert_same(mixture, calls, inputs(1, 7, 3))


def test_gradients_pass_a_parameters_own_hooks():
    mixture, x = mixture_of(), inputs(1, 7, 3)
    _, plain = gradients(mixture, AllAtOnce(), x)
    plain = [gradient.clone() for gradient in plain]
    seen = []
    weights = [component[0].weight for component in mixture]
    weights[1].register_hook(lambda gradient: 2 * gradient)
    weights[2].register_post_accumulate_grad_hook(seen.append)
    gradients(mixture, AllAtOnce(), x)
    assert torch.allclose(weights[1].grad, 2 * plain[6], atol=TOLERANCE)
    assert torch.allclose(weights[0].grad, plain[0], atol=TOLERANCE)
    assert seen == [weights[2]]


def test_gradients_of_several_calls_and_of_plain_ones_add_up():
    mixture, reference, x = mixture_of(), None, inputs(1, 7, 3)
    reference = deepcopy(mixture)
    for these, calls in ((mixture, AllAtOnce()), (reference, OneByOne())):
        once = calls(these, lambda net, h: net(h), (x,)).sum()
        again = calls(these, lambda net, h: net(h).square(), (x,)).sum()
        apart = sum(component(x[0]).exp().sum() for component in these)
        (once + again + apart).backward()
    for found, expected in zip(mixture.components.parameters(), reference.components.parameters(), strict=True):
        assert (found.grad - expected.grad).abs().max() <= 100 * TOLERANCE


def test_gradients_lie_in_memory_as_their_parameters_do():
    def make():
        return nn.Sequential(nn.Unflatten(1, (3, 1, 1)), nn.ConvTranspose2d(3, 4, 4), nn.Flatten(), nn.Linear(64, 2))

    mixture = mixture_of(make)
    for parameter in mixture.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    _, own = gradients(mixture, AllAtOnce(), inputs(1, 7, 3))
    for parameter, gradient in zip(mixture.components.parameters(), own, strict=True):
        assert gradient.stride() == parameter.stride()


def test_nothing_is_copied_in_a_call_and_every_network_gets_its_own_memory_back():
    mixture, calls = mixture_of(), AllAtOnce()
    calls(mixture, lambda net, h: net(h), (inputs(1, 7, 3),))
    weights = [component[0].weight for component in mixture]
    assert len({weight.untyped_storage().data_ptr() for weight in weights}) == 1
    at = [weight.data_ptr() for weight in weights]
    calls(mixture, lambda net, h: net(h), (inputs(1, 7, 3),))
    assert [weight.data_ptr() for weight in weights] == at
    values = [weight.detach().clone() for weight in weights]
    calls.part()
    assert len({weight.untyped_storage().data_ptr() for weight in weights}) == 3
    assert all(torch.equal(weight, value) for weight, value in zip(weights, values, strict=True))


def test_after_a_call_and_after_a_failure_the_first_network_is_itself_again():
    mixture, calls = mixture_of(), AllAtOnce()
    own = dict(mixture.components[0].named_parameters())
    calls(mixture, lambda net, h: net(h), (inputs(1, 7, 3),))
    with pytest.raises(ZeroDivisionError):
        calls(mixture, lambda net, h: net(h) / (1 // 0), (inputs(1, 7, 3),))
    after = dict(mixture.components[0].named_parameters())
    assert all(after[name] is parameter for name, parameter in own.items())
    assert all("forward" not in vars(module) for module in mixture.modules())
    assert mixture.components[0](inputs(7, 3)).shape == (7, 2)


def test_a_copy_of_a_player_has_memory_of_its_own():
    mixture, calls = mixture_of(), AllAtOnce()
    calls(mixture, lambda net, h: net(h), (inputs(1, 7, 3),))
    copied, copied_calls = deepcopy((mixture, calls))
    for parameter in mixture.parameters():
        parameter.data.zero_()
    assert_same(copied, copied_calls, inputs(1, 7, 3))


def test_linear_layers_are_one_product_under_autocast_too():
    mixture, x = mixture_of(lambda: nn.Linear(3, 2)).float(), torch.randn(1, 7, 3)
    with torch.autocast("cpu", torch.bfloat16):
        found, expected = (calls(mixture, lambda net, h: net(h), (x,)) for calls in (AllAtOnce(), OneByOne()))
    assert found.dtype == expected.dtype == torch.bfloat16
    assert torch.allclose(found.float(), expected.float(), atol=0.02)


def test_random_numbers_inside_a_network_raise():
    mixture = mixture_of(lambda: nn.Sequential(nn.Linear(3, 2), nn.Dropout()))
    with pytest.raises(RuntimeError, match="random"):
        AllAtOnce()(mixture, lambda net, h: net(h), (inputs(1, 7, 3),))


@pytest.mark.parametrize(
    ("networks", "why"),
    [
        (lambda: [nn.Linear(2, 2), nn.Linear(2, 2, bias=False)], "differ in their layers"),
        (lambda: [nn.Linear(2, 2)] * 2, "share tensors"),
    ],
    ids=["layers", "shared"],
)
def test_networks_that_cannot_be_stacked_are_told(networks, why):
    with pytest.raises(ValueError, match=why):
        Stacked(networks(), "_parameters")
