"""The pair-by-pair sum, written plainly: the user's own step is run for each pair, alone, on networks of its own.

No coroutine, nothing shared: to find the gradients at the k-th optimiser step of a batch, every pair runs the user's
step from the start of the batch, with optimisers that hand it the known results of the steps before, and that stop it
at the k-th. The gradients found are added with w_ui · w_vj, each network's own optimiser is stepped, and so on.
"""

import contextlib
import copy
import itertools
from types import SimpleNamespace
from unittest import mock

import pytorch_lightning as pl
import torch
from runs import random_states, set_random_states
from torch import nn


class StepReachedError(Exception):
    """A pair has reached the optimiser step that is looked at."""


class StubOptimizer:
    """What the user's step gets from ``self.optimizers()``."""

    def __init__(self, pair, index, real):
        self.pair, self.index = pair, index
        self.param_groups = real.param_groups
        self.losses = {}  # those whose gradients are in .grad, by when they were differentiated

    @property
    def parameters(self):
        return [p for group in self.param_groups for p in group["params"]]

    def zero_grad(self, set_to_none=True):
        for p in self.parameters:
            p.grad = None

    def step(self, closure=None):
        if closure is not None:
            closure()
        self.pair.reach(self)


class Pair:
    """The user's module of one generator and one discriminator, with parameters of its own."""

    def __init__(self, module, trainer):
        self.module, self.trainer, self.batches = module, trainer, 0
        configured, _ = unpack(module, trainer)
        self.optimizers = [StubOptimizer(self, index, real) for index, real in enumerate(configured)]
        self.names = {id(p): name for name, p in module.named_parameters()}
        self._stub()

    def _stub(self):
        module = self.module
        object.__setattr__(module, "_trainer", self.trainer)
        module.optimizers = lambda use_pl_optimizer=True: self.optimizers
        module.manual_backward = lambda loss, *args, **kwargs: loss.backward(*args, **kwargs)
        module.toggle_optimizer, module.untoggle_optimizer = self.toggle, self.untoggle
        module.toggled_optimizer = self.toggled
        module.log = module.log_dict = lambda *args, **kwargs: None
        module.clip_gradients = self.clip

    def toggle(self, optimizer):
        self.required = {p: p.requires_grad for other in self.optimizers for p in other.parameters}
        own = {id(p) for p in optimizer.parameters}
        for p, required in self.required.items():
            p.requires_grad_(required and id(p) in own)

    def untoggle(self, optimizer):
        for p, required in self.required.items():
            p.requires_grad_(required)

    @contextlib.contextmanager
    def toggled(self, optimizer):
        self.toggle(optimizer)
        yield
        self.untoggle(optimizer)

    def clip(self, optimizer, gradient_clip_val, gradient_clip_algorithm):
        assert gradient_clip_algorithm == "norm"
        nn.utils.clip_grad_norm_(optimizer.parameters, gradient_clip_val)

    # ------------------------------------------------------------------------------------ a batch, up to a step

    def start(self):
        """Remember the state at the batch's start, to begin from it again."""
        self.batches += 1
        plain = {k: v for k, v in vars(self.module).items() if isinstance(v, int | float | list | dict | str)}
        self.attributes = {k: copy.deepcopy(v) for k, v in plain.items() if k[0] != "_"}
        self.state = {k: v.clone() for k, v in self.module.state_dict().items()}
        self.grads = {k: None if p.grad is None else p.grad.clone() for k, p in self.module.named_parameters()}
        self.required_at_start = {k: p.requires_grad for k, p in self.module.named_parameters()}
        self.losses = [dict(optimizer.losses) for optimizer in self.optimizers]

    def run(self, batch, batch_idx, states, known):
        """Run the step until optimiser step number len(known); False when it ends without reaching that one.

        known: for each step before, the parameters' new values by name.
        """
        vars(self.module).update(copy.deepcopy(self.attributes))
        self.module.load_state_dict(self.state)
        for key, p in self.module.named_parameters():
            p.grad = None if self.grads[key] is None else self.grads[key].clone()
            p.requires_grad_(self.required_at_start[key])
        for optimizer, losses in zip(self.optimizers, self.losses, strict=True):
            optimizer.losses = dict(losses)
        set_random_states(states)
        self.known, self.count, self.reached = known, 0, None
        first_global_step = self.trainer.global_step
        arguments = (batch, batch_idx)[: self.module.training_step.__code__.co_argcount - 1]
        try:
            with self.recorded_losses():
                self.module.training_step(*arguments)
        except StepReachedError:
            return True
        finally:
            self.trainer.global_step = first_global_step
        return False

    def reach(self, optimizer):
        if self.count == len(self.known):
            grads = {self.names[id(p)]: p.grad for p in optimizer.parameters}
            self.reached = SimpleNamespace(index=optimizer.index, grads=grads, losses=dict(optimizer.losses))
            raise StepReachedError
        with torch.no_grad():
            for p in optimizer.parameters:
                p.copy_(self.known[self.count][self.names[id(p)]])
        self.count += 1
        self.trainer.global_step += 1

    @contextlib.contextmanager
    def recorded_losses(self):
        """Each backward adds its loss to the optimisers whose parameters' gradients it changed."""
        backward, count = torch.Tensor.backward, itertools.count()

        def recording(loss, gradient=None, *args, **kwargs):
            when = (self.batches, next(count))
            before = [[None if p.grad is None else p.grad.clone() for p in o.parameters] for o in self.optimizers]
            backward(loss, gradient, *args, **kwargs)
            value = loss.detach() if gradient is None else (loss.detach() * gradient).sum()
            for optimizer, old in zip(self.optimizers, before, strict=True):
                kept = [p.grad is not None for p in optimizer.parameters]
                if not any(g is not None for g in old):
                    optimizer.losses = {}  # cleared since
                changed = (
                    not torch.equal(p.grad, g) for p, g in zip(optimizer.parameters, old, strict=True) if g is not None
                )
                new = any(k and g is None for k, g in zip(kept, old, strict=True))
                if new or any(changed):
                    optimizer.losses[when] = value

        with mock.patch.object(torch.Tensor, "backward", recording):
            yield


def unpack(module, trainer):
    """(optimisers, schedulers) of Lightning's forms."""
    object.__setattr__(module, "_trainer", trainer)
    found = module.configure_optimizers()
    if len(found) == 2 and isinstance(found[0], list):
        found = found[0]
    return [entry["optimizer"] if isinstance(entry, dict) else entry for entry in found], []


class Reference:
    """T_u × T_v pairs of a zoo entry, and the sum over them.

    Args:
        entry: of the zoo.
        hosts: max(T_u, T_v) of the user's modules, as ``mix`` built them.
        alphas: {"generator": α_u, "discriminator": α_v} at the start.
        entropy_weight: λ.
    """

    def __init__(self, entry, hosts, alphas, entropy_weight):
        self.entry, self.hosts, self.entropy_weight = entry, hosts, entropy_weight
        self.alphas = {side: alpha.detach().clone() for side, alpha in alphas.items()}
        self.trainer = SimpleNamespace(
            global_step=0, current_epoch=0, max_epochs=1, logger=mock.MagicMock(), is_last_batch=False
        )
        self.tu, self.tv = len(alphas["generator"]), len(alphas["discriminator"])
        self.pairs = {(i, j): Pair(self._pair(i, j), self.trainer) for i in range(self.tu) for j in range(self.tv)}
        self.host_optimizers = [unpack(host, self.trainer)[0] for host in hosts]
        self.alpha_optimizers = {}
        self.names = [{id(p): k for k, p in host.named_parameters()} for host in hosts]
        self.steps = []  # {(i, name): gradient of host i's parameter}, side, α's gradient (None: not α's turn)
        self.pending = {"generator": {}, "discriminator": {}}
        self.last_of = {}
        for index, optimizer in enumerate(self.host_optimizers[0]):
            self.last_of[self.side_of(self.names[0][id(optimizer.param_groups[0]["params"][0])])] = index

    def _pair(self, i, j):
        module = copy.deepcopy(self.hosts[i])
        for path in self.entry.discriminator:
            parent, _, name = path.rpartition(".")
            setattr_in(module.get_submodule(parent), name, copy.deepcopy(self.hosts[j].get_submodule(path)))
        for name in self.entry.options.get("share", ()):
            setattr(module, name, copy.deepcopy(getattr(self.hosts[0], name)))
        return module

    def side_of(self, name):
        """Whose parameter or buffer it is, by its name; None for neither's."""
        for side, paths in (("generator", self.entry.generator), ("discriminator", self.entry.discriminator)):
            if any(name.startswith(f"{path}.") for path in paths):
                return side
        return None

    def weights(self, side):
        return self.alphas[side].softmax(0)

    def batch(self, batch, batch_idx, states):
        """Play one batch."""
        w_u = self.weights("generator")
        for pair in self.pairs.values():
            pair.start()
        known = {ij: [] for ij in self.pairs}
        while True:
            reached = [pair.run(batch, batch_idx, states, known[ij]) for ij, pair in self.pairs.items()]
            assert len(set(reached)) == 1, "pairs branch differently"
            if not reached[0]:
                break
            new = self._step()
            for (i, j), pair in self.pairs.items():
                owner = {"generator": i, "discriminator": j}
                known[i, j].append({k: new[owner[self.side_of(k)], k] for k in pair.reached.grads})
        self.trainer.global_step += len(known[0, 0])
        self._write_back(w_u)

    def _step(self):
        """Add up what all pairs have reached, step, and return the new values: {(i, name): value}."""
        (index,) = {pair.reached.index for pair in self.pairs.values()}
        names = list(self.pairs[0, 0].reached.grads)
        (side,) = {self.side_of(name) for name in names}
        w_u, w_v = self.weights("generator"), self.weights("discriminator")
        self._write_back(w_u, names)
        summed = {}
        for (i, j), pair in self.pairs.items():
            own = i if side == "generator" else j
            for name, grad in pair.reached.grads.items():
                if grad is not None:
                    summed[own, name] = summed.get((own, name), 0) + w_u[i] * w_v[j] * grad
        for ij, pair in self.pairs.items():
            self.pending[side].setdefault(ij, {}).update(pair.reached.losses)
        alpha = self._alpha_gradient(side, w_u, w_v) if index == self.last_of[side] else None
        self.steps.append(SimpleNamespace(grads=summed, side=side, alpha=alpha))
        size = self.tu if side == "generator" else self.tv
        new = {}
        for own in range(size):
            optimizer = self.host_optimizers[own][index]
            for group in optimizer.param_groups:
                for p in group["params"]:
                    p.grad = summed.get((own, self.names[own][id(p)]))
            optimizer.step()
            for group in optimizer.param_groups:
                new |= {(own, self.names[own][id(p)]): p.detach().clone() for p in group["params"]}
        if alpha is not None:
            self._step_alpha(side, index, alpha)
        return new

    def _alpha_gradient(self, side, w_u, w_v):
        """Of w_uᵀ L w_v + λR(w), the opponent's weights fixed; L_ij: all losses stepped on since α's last step."""
        pending, self.pending[side] = self.pending[side], {}
        sums = [sum(pending[ij].values(), torch.zeros(())) for ij in self.pairs]
        losses = torch.stack([value.reshape(()) for value in sums]).reshape(self.tu, self.tv)
        alpha = self.alphas[side].clone().requires_grad_()
        by_own = losses @ w_v if side == "generator" else w_u @ losses
        (by_own @ alpha.softmax(0) - self.entropy_weight * alpha.log_softmax(0).mean()).backward()
        return alpha.grad

    def _step_alpha(self, side, index, grad):
        """α learns as the networks do, without weight decay, at the last of its player's optimisers."""
        if side not in self.alpha_optimizers:
            theirs = self.host_optimizers[0][index]
            parameter = nn.Parameter(self.alphas[side].clone())
            own = type(theirs)([parameter], lr=theirs.defaults["lr"])
            own.param_groups[0].update(theirs.defaults | {"weight_decay": 0.0})
            self.alpha_optimizers[side] = (own, parameter)
        optimizer, parameter = self.alpha_optimizers[side]
        parameter.grad = grad
        optimizer.step()
        self.alphas[side] = parameter.detach().clone()

    def _write_back(self, w_u, names=None):
        """Bring pairs' in-place changes (clipped weights, buffers) to the networks, and from there to all pairs.

        At an optimiser step: the parameters about to be stepped. After the batch: everything.
        """
        states = {ij: pair.module.state_dict() for ij, pair in self.pairs.items()}
        parameters = {name for name, _ in self.hosts[0].named_parameters()}
        for name in names or states[0, 0]:
            side = self.side_of(name)
            if side is None:
                continue
            for own in range(self.tu if side == "generator" else self.tv):
                if side == "generator":
                    value = states[own, 0][name]
                elif name in parameters or not states[0, own][name].is_floating_point():
                    value = states[0, own][name]
                else:
                    value = sum(w_u[i] * states[i, own][name] for i in range(self.tu))
                with torch.no_grad():
                    self.hosts[own].state_dict()[name].copy_(value)
        if names is None:
            for (i, j), state in states.items():
                for name in state:
                    side = self.side_of(name)
                    if side is not None:
                        state[name].copy_(self.hosts[i if side == "generator" else j].state_dict()[name])


def setattr_in(parent, name, module):
    if isinstance(parent, nn.ModuleDict):
        parent[name] = module
    else:
        setattr(parent, name, module)


class Watch(pl.Callback):
    """What the engine does: each batch as it starts, the real gradients at each step."""

    def __init__(self):
        self.starts, self.steps = [], []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.starts.append((batch, batch_idx, random_states()))

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        held = [p for group in optimizer.param_groups for p in group["params"]]
        self.steps.append({id(p): None if p.grad is None else p.grad.detach().clone() for p in held})
