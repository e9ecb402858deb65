import re

from mixgan_lightning import log_names


def every_name():
    made = [log_names.gradient_norm, log_names.effective]
    names = [value for key, value in vars(log_names).items() if key.isupper() and isinstance(value, str)]
    names += [make(player) for make in made for player in ("generator", "discriminator")]
    names += [log_names.weight(player, i) for player in ("generator", "discriminator") for i in range(2)]
    names += [log_names.of_component(i, name) for name in log_names.TITLES for i in range(2)]
    return names + [log_names.samples_component(i) for i in range(2)]


def test_no_two_values_share_a_name():
    names = every_name()
    assert len(names) == len(set(names)) > 20


def test_names_are_slash_grouped_and_plain():
    """What dashboards group by, and what W&B workspaces take (no "+")."""
    for name in every_name():
        assert re.fullmatch(r"[a-z_]+(/[a-z0-9_]+)*", name), name


def test_a_components_value_is_named_after_the_mixtures():
    assert log_names.of_component(3, log_names.FRECHET_DISTANCE) == "quality/component/3/fid"
    assert log_names.of_component(0, log_names.INCEPTION_SCORE_MEAN) == "quality/component/0/inception_score/mean"
    assert log_names.of_component(1, "quality/own/quality/own") == "quality/component/1/own/quality/own"


def test_a_measure_of_ones_own_that_is_not_under_quality_has_a_name_for_each_component():
    assert len({log_names.of_component(i, "sharpness") for i in range(2)} | {"sharpness"}) == 3


def test_measured_values_are_told_by_their_titles():
    assert set(log_names.TITLES) <= set(every_name())
    told = log_names.said({log_names.INCEPTION_SCORE_MEAN: 8.4321, log_names.MODES_COVERED: 25.0})
    assert told == "inception score 8.43, modes 25"
    assert log_names.said({log_names.KERNEL_DISTANCE_MEAN: 1.0, log_names.KERNEL_DISTANCE_STD: 0.5}) == (
        "kernel distance 1"
    )


def test_a_measure_of_ones_own_goes_by_its_log_name():
    assert log_names.title("quality/own") == "quality/own"
    assert log_names.said({"quality/own": 2.0}) == "quality/own 2"


def test_the_names_that_others_rely_on():
    """Sweeps, reports and dashboards of users know these: renaming one needs a deprecation."""
    assert log_names.INCEPTION_SCORE_MEAN == "quality/inception_score/mean"
    assert log_names.weight("generator", 3) == "mixture/generator/weight/3"
    assert log_names.effective("discriminator") == "mixture/discriminator/effective"
    assert log_names.PAYOFF_VALUE == "payoff/value"
    assert log_names.IMAGES_SEEN == "images_seen"
    assert log_names.OBJECTIVE == "objective"
    assert log_names.FRECHET_DISTANCE == "quality/fid"
    assert log_names.MODES_COVERED == "quality/modes"
    assert log_names.NEURAL_NET_DIVERGENCE == "quality/neural_net_divergence"
    assert log_names.KERNEL_DISTANCE_MEAN == "quality/kid/mean"
