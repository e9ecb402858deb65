"""Every key that is logged, once. Slash-grouped for dashboards; the x axis is ``images_seen``."""

from collections.abc import Mapping

IMAGES_SEEN = "images_seen"  # real images, over all processes
GENERATOR_LOSS = "loss/generator"  # w_uᵀ L w_v that the generators minimise, without the regulariser
DISCRIMINATOR_LOSS = "loss/discriminator"
REAL_SCORE = "score/real"  # mean over the batch and, by w_v, over the discriminators
FAKE_SCORE = "score/fake"
PAYOFF_VALUE = "payoff/value"  # w_uᵀ F w_v
PAYOFF_GAP = "payoff/gap"  # max_j (w_uᵀF)_j − min_i (F w_v)_i on fixed batches, at each evaluation
PAYOFF_NASH_VALUE = "payoff/nash_value"  # of the matrix game on them, with the weights of its equilibrium
DUALITY_GAP = "payoff/duality_gap"  # of the game between all networks, on held-out data; may be negative
BEST_DISCRIMINATOR = "payoff/best_discriminator"  # max_D' M(G, D'), by a discriminator trained for it
BEST_GENERATOR = "payoff/best_generator"  # min_G' M(G', D)
PAYOFF_HEATMAP = "payoff/heatmap"  # F on them, as a picture
PAYOFF_MATRIX = "payoff/matrix"  # … as a table
IMAGES_PER_SECOND = "speed/images_per_second"  # real images of the training, over all processes


def gradient_norm(player: str) -> str:
    """Over all networks of a player ("generator", "discriminator"), before clipping."""
    return f"gradient_norm/{player}"


def effective(player: str) -> str:
    """exp H(w), 1 … T: how many components are in use."""
    return f"mixture/{player}/effective"


def weight(player: str, i: int) -> str:
    """w_i of a player."""
    return f"mixture/{player}/weight/{i}"


def nash_weight(player: str, i: int) -> str:
    """w_i of a player in the equilibrium of the payoff matrix."""
    return f"mixture/{player}/nash/{i}"


INCEPTION_SCORE_MEAN = "quality/inception_score/mean"
INCEPTION_SCORE_STD = "quality/inception_score/std"  # population sd over the splits
FRECHET_DISTANCE = "quality/fid"  # to real data, in the features of the inception score
KERNEL_DISTANCE_MEAN = "quality/kid/mean"
KERNEL_DISTANCE_STD = "quality/kid/std"  # population sd over the subsets
PRECISION = "quality/precision"  # share of samples within the real data's manifold
RECALL = "quality/recall"  # share of real data within the samples' manifold
NEAREST_TRAINING_IMAGE = (
    "quality/nearest_training_image"  # mean distance; smaller than real held-out data's: memorising
)
NEURAL_NET_DIVERGENCE = "quality/neural_net_divergence"  # from real data, on held-out halves; may be negative
SUPPORT = "quality/support"  # how many different samples: N̂ of the birthday test, where a pair collides
SUPPORT_AT_LEAST = "quality/support_at_least"  # lower end of its 95 % interval
MODES_COVERED = "quality/modes"  # of a mixture of Gaussians, or classes of a classifier
GOOD_SHARE = "quality/good_share"  # within 3 sd of a mode
REVERSE_KL = "quality/reverse_kl"  # of the modes of the good samples (of all, by a classifier) from uniform, nats


def of_component(i: int, name: str) -> str:
    """A measured value of generator i alone."""
    return f"quality/component/{i}/{name.removeprefix('quality/')}"


SAMPLES_MIXTURE = "samples/mixture"


def samples_component(i: int) -> str:
    """The images of generator i."""
    return f"samples/component/{i}"


OBJECTIVE = "objective"  # once, at the end: what a sweep compares

TITLES = {  # of the measured values, for people
    INCEPTION_SCORE_MEAN: "inception score",
    INCEPTION_SCORE_STD: "sd over splits",
    FRECHET_DISTANCE: "Fréchet distance",
    KERNEL_DISTANCE_MEAN: "kernel distance",
    KERNEL_DISTANCE_STD: "sd over subsets",
    PRECISION: "precision",
    RECALL: "recall",
    NEAREST_TRAINING_IMAGE: "nearest training image",
    NEURAL_NET_DIVERGENCE: "neural-net divergence",
    SUPPORT: "support",
    SUPPORT_AT_LEAST: "support at least",
    MODES_COVERED: "modes",
    GOOD_SHARE: "good samples",
    REVERSE_KL: "reverse KL",
}

BEST: dict[str, str] = {  # of the measured values: whether the largest or the smallest is the best
    INCEPTION_SCORE_MEAN: "max",
    FRECHET_DISTANCE: "min",
    KERNEL_DISTANCE_MEAN: "min",
    PRECISION: "max",
    RECALL: "max",
    NEURAL_NET_DIVERGENCE: "min",
    SUPPORT: "max",
    SUPPORT_AT_LEAST: "max",
    MODES_COVERED: "max",
    GOOD_SHARE: "max",
    REVERSE_KL: "min",
}


def title(name: str) -> str:
    """What people call a measured value; one without a title (a measure of the user's own) goes by its log name."""
    return TITLES.get(name, name)


def said(values: Mapping[str, float]) -> str:
    """Measured values as one short line, without standard deviations."""
    return ", ".join(f"{title(name)} {value:.3g}" for name, value in values.items() if not name.endswith("/std"))
