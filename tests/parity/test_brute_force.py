"""One step of the game against a sum over pairs, written out by hand in float64.

Nothing of the package's own mathematics is used on the reference's side: objectives, penalties, softmax weights and
the regulariser are written here once more, from the papers, one pair (i, j) at a time.
"""

from copy import deepcopy

import pytest
import torch
from torch import log, sigmoid

from mixgan_lightning import mix, objectives, penalties

TOLERANCE = 1e-12
BATCH, LATENT_DIM, LR, LAMBDA, SEED = 13, 3, 0.1, 0.3, 7  # 13: no size divides it

# (what D minimises, what G minimises), as functions of the real and the fake scores
LOSSES = {
    "Minimax": (
        lambda r, f: -(log(sigmoid(r)).mean() + log(1 - sigmoid(f)).mean()),
        lambda f: log(1 - sigmoid(f)).mean(),
    ),
    "NonSaturating": (
        lambda r, f: -(log(sigmoid(r)).mean() + log(1 - sigmoid(f)).mean()),
        lambda f: -log(sigmoid(f)).mean(),
    ),
    "Wasserstein": (lambda r, f: f.mean() - r.mean(), lambda f: -f.mean()),
    "Hinge": (lambda r, f: (1 - r).clamp(min=0).mean() + (1 + f).clamp(min=0).mean(), lambda f: -f.mean()),
    "LeastSquares": (
        lambda r, f: ((r - 1) ** 2).mean() / 2 + (f**2).mean() / 2,
        lambda f: ((f - 1) ** 2).mean() / 2,
    ),
}
PENALTIES = {
    "none": None,
    "clipping": penalties.WeightClipping(0.1),
    "R1": penalties.R1(0.7),
    "gradient penalty": penalties.GradientPenalty(0.5),
}


def slices(n, parts):
    """n rows in equal parts, the first ones longer by one: [range, …]."""
    sizes = [n // parts + (i < n % parts) for i in range(parts)]
    return [slice(sum(sizes[:i]), sum(sizes[: i + 1])) for i in range(parts)]


def softmax(alpha):
    return alpha.exp() / alpha.exp().sum()


def regulariser(alpha):
    return -log(softmax(alpha)).sum() / len(alpha)


class BruteForce:
    """The networks and log-probabilities of a mixture, and one step of each player, pair by pair."""

    def __init__(self, model, objective, penalty, split):
        self.G = [deepcopy(g) for g in model.generators.components]
        self.D = [deepcopy(d) for d in model.discriminators.components]
        self.alpha_u = model.generators.log_probabilities.detach().clone().requires_grad_()
        self.alpha_v = model.discriminators.log_probabilities.detach().clone().requires_grad_()
        self.discriminator_loss, self.generator_loss = LOSSES[objective]
        self.penalty, self.split = penalty, split

    def latents(self):
        """What each generator is given: a whole batch, or its rows of one; and its rows."""
        h = torch.randn(BATCH, LATENT_DIM, dtype=torch.float64)
        rows = slices(BATCH, len(self.G)) if self.split else [slice(None)] * len(self.G)
        return [h[r] for r in rows], rows

    def penalty_of(self, critic, real, fake, places):
        if self.penalty == "R1":
            x = real.clone().requires_grad_()
            (gradient,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
            return 0.7 / 2 * (gradient**2).sum(1).mean()
        x = ((1 - places) * real + places * fake).requires_grad_()
        (gradient,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
        return 0.5 * (((gradient**2).sum(1).sqrt() - 1) ** 2).mean()

    def discriminator_step(self, real):
        if self.penalty == "clipping":
            for d in self.D:
                for p in d.parameters():
                    p.data = p.data.clamp(-0.1, 0.1)
        h, rows = self.latents()
        opponents = len(self.G) if not self.split else 1
        mixes = [[None] * opponents for _ in self.D]
        if self.penalty == "gradient penalty":
            mixes = [[torch.rand(BATCH, 1, dtype=torch.float64) for _ in range(opponents)] for _ in self.D]

        G, D = deepcopy(self.G), deepcopy(self.D)  # gradients do not depend on running statistics: those come below
        w_u, w_v = softmax(self.alpha_u).detach(), softmax(self.alpha_v)
        loss = LAMBDA * regulariser(self.alpha_v)
        for i in range(len(G)):
            for j in range(len(D)):
                if self.split:
                    joint = torch.cat([g(part) for g, part in zip(G, h, strict=True)]).detach()
                    fake_scores = D[j](joint)[rows[i]]
                else:
                    fake_scores = D[j](G[i](h[i]).detach())
                pair = self.discriminator_loss(D[j](real)[rows[i]], fake_scores)
                loss = loss + w_u[i] * w_v[j] * pair
        if self.penalty in ("R1", "gradient penalty"):
            for j in range(len(D)):
                if self.split:
                    joint = torch.cat([g(part) for g, part in zip(G, h, strict=True)]).detach()
                    loss = loss + w_v[j].detach() * self.penalty_of(D[j], real, joint, mixes[j][0])
                else:
                    for i in range(len(G)):
                        term = self.penalty_of(D[j], real, G[i](h[i]).detach(), mixes[j][i])
                        loss = loss + w_u[i] * w_v[j].detach() * term
        gradients = self.gradients(loss, D, self.alpha_v)

        # running statistics: each generator plays once; each D sees the real batch, the fakes, the penalty's points
        fakes = [g(part).detach() for g, part in zip(self.G, h, strict=True)]
        fakes = [torch.cat(fakes)] if self.split else fakes
        for j, d in enumerate(self.D):
            for batch in [real, *fakes]:
                d(batch)
            if self.penalty == "R1":
                d(real)  # once: it is the same against every generator
            for fake, places in zip(fakes, mixes[j], strict=True):
                if self.penalty == "gradient penalty":
                    d((1 - places) * real + places * fake)
        self.descend(self.D, self.alpha_v, gradients)
        return gradients

    def generator_step(self):
        h, rows = self.latents()
        G, D = deepcopy(self.G), deepcopy(self.D)
        w_u, w_v = softmax(self.alpha_u), softmax(self.alpha_v).detach()
        loss = LAMBDA * regulariser(self.alpha_u)
        for i in range(len(G)):
            for j in range(len(D)):
                if self.split:
                    scores = D[j](torch.cat([g(part) for g, part in zip(G, h, strict=True)]))[rows[i]]
                else:
                    scores = D[j](G[i](h[i]))
                loss = loss + w_u[i] * w_v[j] * self.generator_loss(scores)
        gradients = self.gradients(loss, G, self.alpha_u)

        fakes = [g(part).detach() for g, part in zip(self.G, h, strict=True)]
        for d in self.D:
            for batch in [torch.cat(fakes)] if self.split else fakes:
                d(batch)
        self.descend(self.G, self.alpha_u, gradients)
        return gradients

    @staticmethod
    def gradients(loss, networks, alpha):
        parameters = [*(p for network in networks for p in network.parameters()), alpha]
        return torch.autograd.grad(loss, parameters)

    @staticmethod
    @torch.no_grad()
    def descend(networks, alpha, gradients):
        parameters = [*(p for network in networks for p in network.parameters()), alpha]
        for p, gradient in zip(parameters, gradients, strict=True):
            p -= LR * gradient


def largest_difference(found, expected):
    return max(float((a - b).detach().abs().max()) for a, b in zip(found, expected, strict=True))


def play_one_batch(fit, toy, *, objective, size, fakes, penalty, evaluation, batchnorm):
    """A model after one step of each player, the reference after the same, and the reference's gradients."""
    make = toy(
        batchnorm=batchnorm,
        objective=getattr(objectives, objective)(),
        penalty=PENALTIES[penalty],
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=LR),
    )
    options = {"num_discriminators": size[1], "fakes": fakes, "evaluation": evaluation, "entropy_weight": LAMBDA}
    model = mix(make, size[0], **options).double()
    with torch.no_grad():  # away from uniform, so that a wrong weight shows
        model.generators.log_probabilities.copy_(torch.randn(size[0]))
        model.discriminators.log_probabilities.copy_(torch.randn(size[1]))
    real = torch.randn(BATCH, 2, dtype=torch.float64)
    reference = BruteForce(model, objective, penalty, split=fakes == "split")

    torch.manual_seed(SEED)
    gradients = reference.discriminator_step(real), reference.generator_step()
    fit(model, real, batch_size=BATCH, seed=SEED)
    return model, reference, gradients


QUICK = ("NonSaturating", "Wasserstein")  # of the ways, which do not know the objective
WAYS_OF_OBJECTIVES = [
    pytest.param(way, objective, marks=[pytest.mark.slow] * (way != "loop" and objective not in QUICK))
    for way in ("loop", "concat", "vectorised")
    for objective in LOSSES
]


@pytest.mark.filterwarnings("ignore:BatchNorm in the generators would see")
@pytest.mark.parametrize("batchnorm", [False, True], ids=["plain", "BatchNorm"])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("fakes", ["full", "split"])
@pytest.mark.parametrize("size", [(1, 1), (3, 3), (2, 4), (4, 2)], ids="{0[0]}x{0[1]}".format)
@pytest.mark.parametrize(("evaluation", "objective"), WAYS_OF_OBJECTIVES)
def test_one_step_of_each_player_is_the_sum_over_pairs(
    fit, toy, evaluation, objective, size, fakes, penalty, batchnorm
):
    options = {"objective": objective, "fakes": fakes, "penalty": penalty, "evaluation": evaluation}
    model, reference, (of_d, of_g) = play_one_batch(fit, toy, size=size, batchnorm=batchnorm, **options)
    assert model.pairs.way.name == ("loop" if batchnorm and evaluation == "concat" else evaluation)
    for mixture, networks, alpha, gradients in (
        (model.discriminators, reference.D, reference.alpha_v, of_d),
        (model.generators, reference.G, reference.alpha_u, of_g),
    ):
        parameters = [*mixture.components.parameters(), mixture.log_probabilities]
        assert largest_difference([p.grad for p in parameters], gradients) <= TOLERANCE
        expected = [*(p for network in networks for p in network.parameters()), alpha]
        assert largest_difference(parameters, expected) <= TOLERANCE
        buffers, expected = list(mixture.components.buffers()), [b for network in networks for b in network.buffers()]
        assert len(buffers) == (3 * len(networks) if batchnorm else 0)
        assert not batchnorm or largest_difference(buffers, expected) <= TOLERANCE
