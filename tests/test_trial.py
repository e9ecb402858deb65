import pytest
import torch
from torch import nn

from mixgan_lightning import GAN, mix
from mixgan_lightning.errors import DataError, GANError
from mixgan_lightning.objectives import BinaryCrossEntropy, Hinge, LeastSquares, Minimax, NonSaturating, Wasserstein
from mixgan_lightning.sampling import evaluating
from mixgan_lightning.trial import check_networks

LATENT_DIM = 3


def tried(gan, images=None):
    """The check, on 16 points in the plane."""
    with evaluating(gan):
        check_networks(gan, gan.generator, gan.discriminator, torch.randn(16, 2) if images is None else images)


class Returns(nn.Module):
    """A network that makes something else of its output."""

    def __init__(self, body, what):
        super().__init__()
        self.body, self.what = body, what

    def forward(self, inputs):
        return self.what(self.body(inputs))


def two_headed(what, **options):
    return GAN(nn.Linear(LATENT_DIM, 2), Returns(nn.Linear(2, 11), what), latent_dim=LATENT_DIM, **options)


# ------------------------------------------------------------------------------------------------ several outputs


@pytest.mark.parametrize(
    "what",
    [
        lambda o: (o[:, :1], o[:, 1:]),
        lambda o: {"validity": o[:, 0], "classes": o[:, 1:], "features": o.view(-1, 1, 11)},
        lambda o: [o[:, :1].view(-1, 1, 1, 1), (o, [o])],
    ],
)
def test_scores_first_and_anything_of_as_many_rows_behind_are_taken(what):
    tried(two_headed(what))


@pytest.mark.parametrize(
    ("what", "got"),
    [
        (lambda o: (o[:, 1:], o[:, 0]), r"\(16, 10\), first of a tuple,"),
        (lambda o: (None, o[:, 0]), "NoneType, first of a tuple,"),
        (lambda o: {"features": o, "validity": o[:, 0]}, r"\(16, 11\), first of a dict,"),
        (lambda o: [o.mean()], r"\(\), first of a list,"),
        (lambda o: (), "NoneType, first of a tuple,"),
    ],
)
def test_outputs_that_do_not_begin_with_a_score_a_sample_are_told(what, got):
    match = rf"discriminator gives {got} for 16 samples; .*\(16,\) or \(16, 1\): .*in the first place, or .*GAN.score"
    with pytest.raises(GANError, match=match):
        tried(two_headed(what))


@pytest.mark.parametrize(
    ("what", "got"),
    [
        (lambda o: (o[:, 0], o.mean()), r"tuple of \(16,\), \(\)"),
        (lambda o: {"validity": o[:, 0], "features": o[:4]}, r"dict of \(16,\), \(4, 11\)"),
        (lambda o: (o[:, 0], None), r"tuple of \(16,\), NoneType"),
        (lambda o: (o[:, 0], 0.5), r"tuple of \(16,\), float"),
    ],
)
def test_outputs_without_a_row_for_each_sample_are_told(what, got):
    with pytest.raises(GANError, match=rf"discriminator gives a {got} for 16 samples; expected tensors of 16 rows"):
        tried(two_headed(what))


# ------------------------------------------------------------------------------------------------ probabilities


def with_end(end, kind=GAN, **options):
    discriminator = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1), *end)
    return kind(nn.Linear(LATENT_DIM, 2), discriminator, latent_dim=LATENT_DIM, **options)


@pytest.mark.parametrize("objective", [NonSaturating, Minimax])
@pytest.mark.parametrize("end", [[nn.Sigmoid()], [nn.Sigmoid(), nn.Flatten(0)]], ids=["(N, 1)", "(N,)"])
def test_a_sigmoid_before_an_objective_with_its_own_is_told(objective, end):
    match = rf"{objective.__name__} expects scores.*ends in a sigmoid of its own.*objective=BinaryCrossEntropy\(\)"
    with pytest.raises(GANError, match=match):
        tried(with_end(end, objective=objective()))


def test_a_sigmoid_is_told_in_a_discriminator_of_two_heads():
    with pytest.raises(GANError, match="NonSaturating expects scores"):
        tried(two_headed(lambda o: {"validity": o.sigmoid()[:, :1], "classes": o[:, 1:]}))


@pytest.mark.parametrize("objective", [BinaryCrossEntropy, LeastSquares, Wasserstein, Hinge])
def test_a_sigmoid_is_taken_by_the_others(objective):
    tried(with_end([nn.Sigmoid()], objective=objective()))


@pytest.mark.parametrize("end", [[], [nn.Tanh()]])
def test_scores_that_are_no_probabilities_are_told(end):
    match = r"BinaryCrossEntropy expects probabilities, the discriminator gives -\d.* … .*nn.Sigmoid.*NonSaturating\(\)"
    with pytest.raises(GANError, match=match):
        tried(with_end(end, objective=BinaryCrossEntropy()))


class OwnLosses(GAN):
    """Its own cross-entropy of probabilities: the objective left as it was would log a wrong payoff."""

    def discriminator_objective(self, real, fake, latents, batch):
        return -(real.log() + (1 - fake).log()).mean()

    def generator_objective(self, fake, real, latents, batch):
        return -fake.log().mean()


class OwnRules(OwnLosses):
    def payoff(self, real, fake):
        return -self.discriminator_objective(real, fake, None, None)


def test_a_gan_that_asks_its_objective_for_the_payoff_alone_must_have_the_right_one():
    with pytest.raises(GANError, match="NonSaturating expects scores"):
        tried(with_end([nn.Sigmoid()], OwnLosses))
    tried(with_end([nn.Sigmoid()], OwnLosses, objective=BinaryCrossEntropy()))
    tried(with_end([nn.Sigmoid()], OwnRules))


# ------------------------------------------------------------------------------------------------ what does not fit


def test_latents_that_do_not_fit_the_generator_are_told_with_what_was_fed():
    gan = GAN(nn.Linear(LATENT_DIM, 2), nn.Linear(2, 1))  # latent_dim is 100
    match = r"generator cannot take latents of shape \(16, 100\): RuntimeError: .*mat1 and mat2.*latent_dim"
    with pytest.raises(GANError, match=match) as raised:
        tried(gan)
    assert isinstance(raised.value.__cause__, RuntimeError)  # with PyTorch's own traceback


def test_images_that_do_not_fit_the_discriminator_are_told_with_what_was_fed():
    gan = GAN(nn.Linear(LATENT_DIM, 2), nn.Linear(7, 1), latent_dim=LATENT_DIM)
    match = r"discriminator cannot take images of shape \(16, 2\): RuntimeError: .*mat1 and mat2.*GAN.score"
    with pytest.raises(GANError, match=match):
        tried(gan)


def test_all_of_a_tuple_of_latents_is_told():
    class Tuple(GAN):
        def latents(self, n, batch):
            return super().latents(n, batch), {"code": torch.rand(n, 2)}

    gan = Tuple(nn.Linear(LATENT_DIM, 2), nn.Linear(2, 1), latent_dim=LATENT_DIM)
    with pytest.raises(GANError, match=r"generator cannot take latents of shape \(16, 3\), \(16, 2\): TypeError: "):
        tried(gan)


def test_an_error_of_ours_stays_as_it_is(conditional_toy):
    with pytest.raises(DataError, match="this GAN is conditional"):
        tried(conditional_toy()())


def test_memory_that_runs_out_is_no_error_of_the_gans(toy):
    def runs_out(*_):
        raise torch.OutOfMemoryError

    gan = toy()()
    gan.generate = runs_out
    with pytest.raises(torch.OutOfMemoryError):
        tried(gan)


@pytest.mark.parametrize(
    ("drawn", "got"),
    [
        (lambda n: torch.randn(7, LATENT_DIM), r"\(7, 3\)"),
        (lambda n: (torch.randn(n, LATENT_DIM), torch.rand(2)), r"\(16, 3\), \(2,\)"),
        (lambda n: (torch.randn(n, LATENT_DIM), torch.tensor(0.5)), r"\(16, 3\), \(\)"),
        (lambda n: None, "none"),
    ],
)
def test_latents_without_a_row_for_each_sample_are_told(toy, drawn, got):
    class Drawn(GAN):
        def latents(self, n, batch):
            return drawn(n)

    match = rf"GAN.latents\(16, batch\) gives tensors of shape {got}; expected 16 rows in each"
    with pytest.raises(GANError, match=match):
        tried(toy(Drawn)())


def test_the_first_batch_is_tried_before_the_first_step(fit):
    def make():
        return with_end([nn.Sigmoid()])

    model = mix(make, 2)
    with pytest.raises(GANError, match="NonSaturating expects scores"):
        fit(model, torch.randn(16, 2))
    assert model.played.discriminator_steps == 0
