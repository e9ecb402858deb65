"""What can go wrong on the command line ends in one readable line and exit code 1."""

import pytest

from mixgan_lightning.errors import ConfigurationError

BAD = [
    ("mixture.size=0", "size: expected a whole number of at least 1, got 0"),
    ("mixture.size=-1", "size: expected a whole number of at least 1, got -1"),
    ("mixture.size=1.5", "mixture.size: expected a whole number, got 1.5"),
    ("mixture.size=two", "mixture.size: expected a whole number, got 'two'"),
    ("mixture.num_discriminators=0", "num_discriminators: expected a whole number of at least 1, got 0"),
    ("mixture.fakes=splt", "fakes: expected one of split, full, proportional, got 'splt'"),
    ("mixture.entropy_weight=-0.1", "entropy_weight: expected a number of at least 0, got -0.1"),
    ("mixture.n_critic=0", "n_critic: expected a whole number of at least 1, got 0"),
    ("data.batch_size=9", "a batch of 9 is too small to split between 5 generators"),
    ("data.batch_size=1438", "expected at least one batch of training data, 1438 samples"),
    ("data.batch_size=0", "batch_size: expected a whole number of at least 1, got 0"),
    ("data.batch_size=many", "data.batch_size: expected a whole number, got 'many'"),
    ("data.batch_size=1.5", "data.batch_size: expected a whole number, got 1.5"),
    ("ckpt_path=no/such.ckpt", "no checkpoint at no/such.ckpt"),
    ("gan._target_=no_such_module.GAN", "cannot import 'no_such_module.GAN': is a module of that name"),
    ("gan.generator._target_=mixgan_lightning.networks.NoSuch", "cannot import 'mixgan_lightning.networks.NoSuch'"),
    ("gan.generator._target_=torch.nn.Linear", "gan.generator.sample_shape: torch.nn.Linear takes no such option"),
    ("gan.optimizer.lr=fast", "gan.optimizer.lr: expected a number, got 'fast'"),
    ("gan.optimizer.lr=-1", "Invalid learning rate: -1"),
    ("gan.latent_dim=0", "expected layers at least 1 wide"),
    ("gan=dcgan data=gaussians_ring", "expected sample_shape (C, S, S) with 8 <= S <= 128, got (2,)"),
    ("gan=dcgan data.image_size=7", "expected sample_shape (C, S, S) with 8 <= S <= 128, got (1, 7, 7)"),
    ("gan=dcgan data=gaussians_ring", "expected sample_shape (C, S, S) with 8 <= S <= 128, got (2,)"),
    ("seed=-1", "seed: expected a whole number in 0 … 4294967295, got -1"),
    ("seed=first", "seed: expected a whole number in 0 … 4294967295, got 'first'"),
    ("seed=1.5", "seed: expected a whole number in 0 … 4294967295, got 1.5"),
    ("seed=4294967296", "seed: expected a whole number in 0 … 4294967295, got 4294967296"),
    ("threads=0", "threads: expected a whole number of at least 1, got 0"),
    ("threads=all", "threads: expected a whole number of at least 1, got 'all'"),
    ("evaluate_every_n_epochs=0", "every_n_epochs: expected a whole number of at least 1, got 0"),
    ("callbacks.quality.num_samples=0", "num_samples: expected a whole number of at least 1, got 0"),
    ("callbacks.quality.every_n_epochs=0", "every_n_epochs: expected a whole number of at least 1, got 0"),
    ("callbacks.quality.every_n_steps=10", "expected every_n_epochs or every_n_steps, got both (40 and 10)"),
    ("callbacks.quality.weights=ema", "nothing averages the weights; add the EMA callback (callbacks=ema)"),
    ("callbacks.quality.weights=best", "weights: expected ema, raw or null, got 'best'"),
    ("callbacks.quality.seed=-1", "seed: expected a whole number in 0 … 4294967295, got -1"),
    ("callbacks.quality.splits=361", "num_samples=360: InceptionScoreMeasure needs at least 361"),
    ("callbacks.quality.also.frechet.reference=test", "reference: expected train or held_out, got 'test'"),
    ("callbacks=ema callbacks.ema.decay=1", "decay: expected a number in [0, 1), got 1"),
    ("callbacks=ema callbacks.ema.every_n_batches=0", "every_n_batches: expected a whole number of at least 1, got 0"),
    ("callbacks/quality=modes", "counts modes of GaussiansRing or GaussiansGrid, got DigitsDataModule"),
    ("callbacks/quality=mode", "callbacks/quality=mode: there is no such callbacks/quality; did you mean 'modes'?"),
    ("data=gaussians_ring callbacks/quality=digits", "expected grey images of shape (N, 1, S, S), got (64, 2)"),
    ("trainer.precision=half", "trainer.precision: expected 64, 32, 16"),
    ("trainer.precision=16", "trainer.precision=16: expected 32-true or bf16-mixed"),
    ("trainer.max_epochs=ten", "trainer.max_epochs: expected a whole number or null, got 'ten'"),
    ("trainer.max_epochs=-5", "`max_epochs` must be a non-negative integer or -1. You passed in -5."),
    ("gan=null", "gan=null: expected the name of one of gan (available: cdcgan, "),
    ("logger=3", "logger=3: expected the name of one of logger (available: csv, default, wandb)"),
    ("~gan", "gan: expected a config with a _target_, got None; gan=NAME chooses one"),
    ("gan.optimizer=[1]", "Error merging override gan.optimizer=[1]: Cannot merge"),
    ("mixture.size=1000000000", "the parameters of 1,000,000,000 such GANs would take 69 TB"),
    ("gan.generator.hidden=[1000000000,9]", "such GANs would take "),
    ("data.image_size=1000000000", "the networks would be larger than any memory; choose smaller networks"),
    ("gan.generator.latent_dim=9", "the generator cannot take its latents: RuntimeError: mat1 and mat2 shapes"),
    ("callbacks.samples.num_images=1000000000", "num_images: expected at most 10,000, got 1,000,000,000"),
    ("threads=1000000000", "threads: expected at most 1,024, got 1,000,000,000"),
    ("ckpt_path=", "no checkpoint at ."),
    ("trainer.accelerator=abacus", "abacus"),
    ("+trainer.epochs=3", "trainer.epochs: pytorch_lightning.Trainer takes no such option"),
    ("trainer.strategy=ddp", "use strategy='ddp_find_unused_parameters_true'"),
    ("hydra.run.dir=/proc/no", "/proc/no"),
    ("seed", "cannot read 'seed': expected key=value"),
    ("seed=1,2", "To sweep over it, add --multirun"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[arguments for arguments, _ in BAD])
def test_bad_input_ends_in_one_line_that_names_it(arguments, message, tiny_train, one_line, tmp_path):
    assert message in one_line(tiny_train(*arguments.split()))
    assert not (tmp_path / "run" / "checkpoints").exists()  # before the first step


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "missing generators.components.2."),
        (["mixture.size=2", "gan.generator.hidden=[32,64]"], "generators.components.0.body.0.weight: (64, "),
        (["mixture.size=2", "gan=dcgan"], "missing generators.components.0.project.0.weight"),
        (["mixture.size=2", "data=gaussians_ring"], "generators.components.0.head.weight: (64, 64) in the checkpoint"),
    ],
)
def test_a_checkpoint_of_another_architecture_is_refused(arguments, message, run_of, tiny_train, one_line):
    line = one_line(tiny_train(f"ckpt_path={run_of('mixture.size=2')}/checkpoints/last.ckpt", *arguments))
    assert "the checkpoint holds another architecture than the model" in line
    assert message in line
    assert "use the same gan=, mixture.size= and data=" in line


def test_averaging_may_begin_in_a_run_that_goes_on(run_of, tiny_train):
    """And Lightning says that it begins with the weights at hand."""
    path = f"{run_of('mixture.size=2')}/checkpoints/last.ckpt"
    ran = tiny_train("mixture.size=2", "callbacks=ema", f"ckpt_path={path}", "trainer.max_epochs=2")
    assert ran.code == 0
    assert "The checkpoint was not created with WeightAveraging" in ran.err


@pytest.mark.parametrize("command", ["mixgan-train", "mixgan-sample"])
def test_a_file_that_is_no_checkpoint_is_refused(command, tiny_train, mixgan_sample, one_line, tmp_path):
    (tmp_path / "picture.ckpt").write_bytes(b"\x89PNG and so on")
    run = tiny_train if command == "mixgan-train" else mixgan_sample
    assert "picture.ckpt cannot be read as a checkpoint" in one_line(run("ckpt_path=picture.ckpt"), command)


def test_verbose_shows_the_traceback(tiny_train):
    with pytest.raises(ConfigurationError, match="size: expected a whole number"):
        tiny_train("verbose=true", "mixture.size=0")


def test_verbose_shows_the_traceback_of_a_misspelt_key_too(tiny_train):
    with pytest.raises(Exception, match=r"Could not override 'mixture\.sise'"):
        tiny_train("verbose=True", "mixture.sise=0")


def test_an_error_of_the_users_own_code_keeps_its_traceback(tiny_train, tmp_path):
    (tmp_path / "buggy.py").write_text(
        "import pytorch_lightning as pl\n"
        "class Buggy(pl.Callback):\n"
        "    def on_train_start(self, trainer, pl_module):\n"
        "        raise ZeroDivisionError('mine')\n"
    )
    with pytest.raises(ZeroDivisionError, match="mine"):
        tiny_train("+callbacks.mine._target_=buggy.Buggy")


def test_in_a_shell_there_is_one_line_on_stderr_and_nothing_else(shell, one_line):
    ran = shell("mixgan-train", "mixture.sise=3", "hydra.run.dir=run")
    assert "did you mean 'mixture.size'?" in one_line(ran)
    assert ran.out == ""
