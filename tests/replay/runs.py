"""Training a zoo module plainly or as a mixture, with everything logged kept in memory."""

import random

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers.logger import Logger

SEED = 7


class Experiment:
    """What ``self.logger.experiment`` is: it keeps what it is handed."""

    def __init__(self):
        self.images = []

    def add_image(self, tag, image, global_step=None):
        self.images.append((tag, image.detach().clone(), global_step))


class MemoryLogger(Logger):
    def __init__(self):
        super().__init__()
        self.values, self._experiment = [], Experiment()

    name = version = "memory"

    @property
    def experiment(self):
        return self._experiment

    def log_hyperparams(self, params, *args, **kwargs):
        pass

    def log_metrics(self, metrics, step=None):
        self.values += [(step, name, float(value)) for name, value in metrics.items()]

    def named(self, names):
        """(step, name, value) of these names, in order of steps and names."""
        return sorted(entry for entry in self.values if entry[1] in names)


def seed_everything():
    pl.seed_everything(SEED, verbose=False)


def trainer(tmp_path, *callbacks, **options):
    quiet = {"accelerator": "cpu", "devices": 1, "max_epochs": 1, "enable_checkpointing": False}
    silent = {"enable_progress_bar": False, "enable_model_summary": False, "default_root_dir": tmp_path}
    every = {"log_every_n_steps": 1, "num_sanity_val_steps": 1, "logger": MemoryLogger(), "callbacks": list(callbacks)}
    return pl.Trainer(**quiet | silent | every | options)


def fit(model, entry, tmp_path, *callbacks, **options):
    """Train on the entry's data, and return the Trainer."""
    run = trainer(tmp_path, *callbacks, **options)
    validation = entry.data() if entry.validates else None
    run.fit(model, None if entry.data is None else entry.data(), validation)
    return run


def random_states():
    return torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002


def set_random_states(states):
    torch.set_rng_state(states[0])
    np.random.set_state(states[1])  # noqa: NPY002
    random.setstate(states[2])


def of_module(module, path):
    """The submodule at a dotted path."""
    return module.get_submodule(path)


# ---------------------------------------------------------------- where a mixture keeps what: adapt here, only here


def player_state(component, path, paths):
    """The state dict of the user's network at ``path``, as found in a player's component.

    A player of one network is that network itself. One of several holds them by their names.
    """
    if len(paths) == 1:
        return component.state_dict()
    named = dict(component.named_modules())
    return named[path].state_dict() if path in named else named[path.replace(".", "_")].state_dict()


def player_parameters(component, paths):
    """The player's parameters by the user's names."""
    if len(paths) == 1:
        return {f"{paths[0]}.{name}": p for name, p in component.named_parameters()}
    return {
        f"{path}.{name}": p for path in paths for name, p in dict(component.named_modules())[path].named_parameters()
    }


def user_value(model, entry, key):
    """A parameter or buffer of a mixture of one, by its key in the user's own state dict."""
    sides = (
        (entry.generator, model.generators.components[0]),
        (entry.discriminator, model.discriminators.components[0]),
    )
    for paths, component in sides:
        for path in paths:
            if key.startswith(f"{path}."):
                return player_state(component, path, paths)[key.removeprefix(f"{path}.")]
    state = model.state_dict()
    found = [k for k in (f"gan.hosts.0.{key}", f"hosts.0.{key}", f"gan.shared.{key}") if k in state]
    assert found, f"{key} is nowhere in the mixture: {sorted(state)}"
    return state[found[0]]
