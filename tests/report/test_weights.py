from mixgan_lightning.report.metrics import read_metrics
from mixgan_lightning.report.weights import weight_curves


def test_each_component_has_a_line_of_its_own(make_run):
    generators, discriminators = weight_curves(read_metrics(make_run(size=20)))
    assert (generators.title, discriminators.title) == ("weights of the generators", "weights of the discriminators")
    assert len({(key.color, key.dashes) for key in generators.legend}) == 20
    assert [key.label.split()[0] for key in discriminators.legend] == [f"D{j}" for j in range(20)]


def test_one_gan_has_no_weights_to_show(make_run):
    assert weight_curves(read_metrics(make_run(size=1))) == []
