from mixgan_lightning.report.run import read_run
from mixgan_lightning.report.run_page import run_page


def drawings(folder):
    return run_page(read_run(folder))


def test_every_measured_value_has_a_figure_with_real_data(make_run):
    found = drawings(make_run())["quality"]
    assert [of.title for of in found] == ["inception score", "Fréchet distance", "quality/my_measure"]
    assert [[key.label for key in of.legend] for of in found] == [["real data 9.48"], ["real data 2.50"], []]
    assert "from 1.50 to 4.50; real data 9.48" in found[0].svg


def test_the_game(make_run):
    assert [of.title for of in drawings(make_run())["game"]] == [
        "payoff value",
        "gap of the payoff matrix",
        "losses",
        "mean scores",
        "gradient norms",
        "components in use, exp H(w)",
        "images a second",
    ]


def test_a_gan_without_scores_has_no_such_figures(make_run):
    folder = make_run()
    head, *body = (folder / "metrics.csv").read_text().splitlines()
    kept = [k for k, name in enumerate(head.split(",")) if not name.startswith(("score/", "payoff/"))]
    lines = [",".join(line.split(",")[k] for k in kept) for line in (head, *body)]
    (folder / "metrics.csv").write_text("\n".join(lines))
    titles = [of.title for of in drawings(folder)["game"]]
    assert "losses" in titles
    assert not {"mean scores", "payoff value", "gap of the payoff matrix"} & set(titles)


def test_components_beside_the_mixture(make_run, page_of):
    found = drawings(make_run(size=2))
    assert found["score_names"] == ["inception score", "Fréchet distance", "quality/my_measure"]
    assert [(row.name, row.weight) for row in found["scores"]] == [
        ("component 0", "0.50"),
        ("component 1", "0.50"),
        ("mixture", ""),
        ("real data", ""),
    ]
    assert [row.values[1] for row in found["scores"]] == ["56", "37.3", "112", "2.50"]
    assert found["scores"][-1].values[2] == "–"
