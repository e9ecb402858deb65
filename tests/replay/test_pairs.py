"""Gradients of T_u × T_v pairs, in float64, against the pair-by-pair sum of reference.py: networks and α."""

import copy

import pytest
import torch
from reference import Reference, Watch
from runs import fit, player_parameters, player_state, random_states, seed_everything
from zoo import ZOO
from zoo_networks import LATENT

from mixgan_lightning import mix

TOLERANCE = 1e-12
ENTROPY_WEIGHT = 0.05
# all but those with schedulers or hooks, which the reference does not play
NAMES = [
    "docs",
    "toggled",
    "direct backward",
    "shared fakes",
    "retained graph",
    "conditional",
    "noise in the batch",
    "clipped weights",
    "gradient penalty",
    "inner critic loop",
    "global step",
    "gradient clipping",
    "micro-batches",
    "closures",
    "batchnorm",
    "spectral norm",
    "hooked spectral norm",
    "perceptual",
    "vae",
    "module dict",
    "three optimisers",
    "cyclegan",
    "nameless",
    "torchmetrics",
]
SIDES = ("generator", "discriminator")


@pytest.fixture
def sgd(monkeypatch):
    """Every user's optimiser is SGD, so that a difference stays as small as it is; Adam divides it by 1e-8."""

    def instead(params, lr, weight_decay=0.0, **options):
        return torch.optim.SGD(params, lr=5 * lr, weight_decay=weight_decay)

    for name in ("Adam", "AdamW", "RMSprop"):
        monkeypatch.setattr(torch.optim, name, instead)


def played_twice(entry, tu, tv, batches, tmp_path):
    """(model, what was watched, the reference having played the same batches)."""
    seed_everything()
    model = mix(entry.make, size=tu, num_discriminators=tv, entropy_weight=ENTROPY_WEIGHT, **entry.options)
    seed_everything()
    hosts = [entry.make() for _ in range(max(tu, tv))]
    alphas = {}
    for side in SIDES:
        alpha = mixture_of(model, side).log_probabilities
        with torch.no_grad():
            alpha.copy_(0.5 * torch.randn(len(alpha), generator=torch.Generator().manual_seed(len(side))))
        alphas[side] = alpha.detach().clone()
    assert_same_start(entry, model, hosts)
    watch = Watch()
    fit(model, entry, tmp_path, watch, limit_train_batches=batches, limit_val_batches=0)
    reference = Reference(entry, hosts, alphas, ENTROPY_WEIGHT)
    for batch, batch_idx, states in watch.starts:
        reference.batch(batch, batch_idx, states)
    return model, watch, reference


def mixture_of(model, side):
    return getattr(model, f"{side}s")


def paths_of(entry, side):
    return getattr(entry, side)


def assert_same_start(entry, model, hosts):
    for side in SIDES:
        for component, host in zip(mixture_of(model, side).components, hosts, strict=False):
            for path in paths_of(entry, side):
                state = player_state(component, path, paths_of(entry, side))
                for key, value in host.get_submodule(path).state_dict().items():
                    assert torch.equal(value, state[key]), f"mix() built other networks than the factory: {path}.{key}"


def assert_same_steps(entry, model, watch, reference):
    assert len(watch.steps) == len(reference.steps) > 0
    owners = {}
    for side in SIDES:
        for own, component in enumerate(mixture_of(model, side).components):
            named = player_parameters(component, paths_of(entry, side))
            owners |= {id(p): (own, name) for name, p in named.items()}
    alpha_compared = set()
    for real, step in zip(watch.steps, reference.steps, strict=True):
        seen = {owners[key]: grad for key, grad in real.items() if key in owners and grad is not None}
        missing = {key for key, grad in step.grads.items() if key not in seen and grad.abs().max() > 0}
        assert not missing
        assert seen
        for key, grad in seen.items():
            expected = step.grads.get(key, torch.zeros_like(grad))
            assert (grad - expected).abs().max() <= TOLERANCE, (step.side, key, (grad - expected).abs().max())
        grad = real.get(id(mixture_of(model, step.side).log_probabilities))
        assert (grad is None) == (step.alpha is None)
        if grad is not None:
            assert (grad - step.alpha).abs().max() <= TOLERANCE, (step.side, grad, step.alpha)
            alpha_compared.add(step.side)
    assert alpha_compared == {step.side for step in reference.steps}


def assert_same_end(entry, model, reference, tolerance):
    for side in SIDES:
        mixture = mixture_of(model, side)
        assert (mixture.log_probabilities - reference.alphas[side]).abs().max() <= tolerance
        for own, component in enumerate(mixture.components):
            for path in paths_of(entry, side):
                expected = reference.hosts[own].get_submodule(path).state_dict()
                for key, value in player_state(component, path, paths_of(entry, side)).items():
                    difference = (value - expected[key]).abs().max()
                    assert difference <= tolerance, f"{side} {own}: {path}.{key} differs by {difference}"


@pytest.mark.usefixtures("float64", "sgd")
@pytest.mark.parametrize(("tu", "tv"), [(3, 3), (2, 3)])
@pytest.mark.parametrize("name", NAMES)
def test_all_pairs_are_added_with_their_weights(name, tu, tv, tmp_path):
    """Every step of three batches, then parameters, buffers and log-probabilities."""
    entry = ZOO[name]
    model, watch, reference = played_twice(entry, tu, tv, 3, tmp_path)
    assert_same_steps(entry, model, watch, reference)
    assert_same_end(entry, model, reference, TOLERANCE)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", ["toggled", "conditional", "three optimisers"])
def test_with_more_generators_and_the_users_own_optimiser(name, tmp_path):
    entry = ZOO[name]
    model, watch, reference = played_twice(entry, 3, 2, 1, tmp_path)
    assert_same_steps(entry, model, watch, reference)
    assert_same_end(entry, model, reference, 1e-9)


@pytest.mark.usefixtures("float64", "sgd")
@pytest.mark.parametrize("name", NAMES)
def test_the_reference_of_one_pair_is_the_users_own_training(name, tmp_path):
    """Without this package: the module under plain ``pl.Trainer`` against the reference."""
    entry = ZOO[name]
    seed_everything()
    module = entry.make()
    seed_everything()
    host = entry.make()
    watch = Watch()
    fit(module, entry, tmp_path, watch, limit_train_batches=5, limit_val_batches=0)
    reference = Reference(entry, [host], {side: torch.zeros(1) for side in SIDES}, 0.0)
    for batch, batch_idx, states in watch.starts:
        reference.batch(batch, batch_idx, states)
    names = {id(p): name for name, p in module.named_parameters()}
    assert len(watch.steps) == len(reference.steps) > 0
    for real, step in zip(watch.steps, reference.steps, strict=True):
        for key, grad in real.items():
            if grad is not None:
                assert (grad - step.grads[0, names[key]]).abs().max() <= TOLERANCE
    for key, value in module.state_dict().items():
        assert (value - host.state_dict()[key]).abs().max() <= TOLERANCE, key


@pytest.mark.usefixtures("float64")
def test_the_reference_adds_up_what_autograd_differentiates_at_once():
    """Without this package: the first step's gradients against those of w_uᵀ L w_v + λR(w_v), L written out."""
    torch.manual_seed(3)
    hosts = [ZOO["noise in the batch"].make() for _ in range(3)]
    alphas = {"generator": torch.randn(2), "discriminator": torch.randn(3)}
    x, z = torch.randn(8, 1, 4, 4), torch.randn(8, LATENT)
    reference = Reference(ZOO["noise in the batch"], copy.deepcopy(hosts), alphas, ENTROPY_WEIGHT)
    reference.batch((x, z), 0, random_states())
    softplus = torch.nn.functional.softplus
    alpha = alphas["discriminator"].clone().requires_grad_()
    losses = torch.stack(
        [
            torch.stack([softplus(-d(x)).mean() + softplus(d(g(z))).mean() for d in (h.discriminator for h in hosts)])
            for g in (h.generator for h in hosts[:2])
        ]
    )
    value = alphas["generator"].softmax(0) @ losses @ alpha.softmax(0)
    (value - ENTROPY_WEIGHT * alpha.log_softmax(0).mean()).backward()
    step = reference.steps[0]
    assert step.side == "discriminator"
    assert (step.alpha - alpha.grad).abs().max() <= 1e-15
    assert len(step.grads) == 3 * 4
    for (own, name), grad in step.grads.items():
        assert (grad - hosts[own].get_parameter(name).grad).abs().max() <= 1e-15
