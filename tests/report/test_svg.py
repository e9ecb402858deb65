import re

from mixgan_lightning.report import palette
from mixgan_lightning.report.svg import figure, inline


def draw(name="name", alt="alt", label="x"):
    with figure() as drawn:
        axes = drawn.subplots()
        axes.plot([0, 0.0123456], [1, 2], color=palette.color(0))
        axes.set_xlabel(label)
        return inline(drawn, name, alt)


def test_text_stays_text_with_all_its_digits():
    svg = draw(label="cost in $ & <time> of $5")
    assert ">cost in $ &amp; &lt;time&gt; of $5</text>" in svg
    assert ">0.012</text>" in svg


def test_what_is_said_cannot_break_out():
    svg = draw(alt='"><script>\\1 & <!-- url(#x) -->')
    assert 'aria-label="&quot;&gt;&lt;script&gt;\\1 &amp; ' in svg
    assert "<script" not in svg


def test_two_figures_share_no_id():
    first, second = (set(re.findall(r' id="([^"]+)"', draw(name))) for name in ("one", "two"))
    assert first
    assert not first & second


def test_only_variables_colour_it():
    assert not re.search(r"#[0-9a-f]{6}\b", draw())
    assert "var(--series-0)" in draw()


def test_lines_have_colours_and_dashes_of_their_own():
    assert len({(palette.color(i), palette.dashes(i)) for i in range(21)}) == 21
