from mixgan_lightning.report import summarise
from mixgan_lightning.report.bands import bands, keys


def test_lines_end_where_the_runs_end(make_sweep):
    found = {of.title: of for of in bands(summarise(make_sweep()))}
    score = found["inception score"]
    assert "at the end: mixture.size=1 5.17; mixture.size=3 4.95" in score.svg  # 4.5 × the mean of 1.1 and 1.2; × 1.1
    assert [key.label for key in score.legend] == ["real data 9.48"]
    assert score.svg.count("fill-opacity: 0.18") == 1  # a band where there are two seeds


def test_long_runs_are_thinned_to_their_last_point(make_run, tmp_path):
    for seed in (1, 2):
        make_run(f"sweep/{seed}", n=450, seed=seed, overrides=(f"seed={seed}",))
    drawn = bands(summarise(tmp_path / "sweep"))[-1]
    assert drawn.title == "generators in use"
    assert "at the end: MIX+ of 3 2.99" in drawn.svg
    assert len(drawn.svg) < 30_000


def test_each_config_has_its_colour(make_sweep):
    one, three = keys(summarise(make_sweep()).rows)
    assert (one.label, three.label) == ("mixture.size=1", "mixture.size=3")
    assert one.color != three.color
