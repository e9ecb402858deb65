"""The page as Chromium shows it, where there is one."""

import re
import shutil
import subprocess

import pytest

from mixgan_lightning.report import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FRAME = """<!DOCTYPE html><meta charset="utf-8"><body style="margin: 0">
<iframe src="report.html" style="border: 0; width: {width}px; height: 4000px"></iframe>
<pre id="found"></pre>
<script>
document.querySelector("iframe").onload = ({{ target }}) => {{
  const of = target.contentDocument.documentElement, style = target.contentWindow.getComputedStyle(of)
  const images = [...of.querySelectorAll("img")].every((image) => image.naturalWidth > 0)
  const drawn = [...of.querySelectorAll("svg")].every((svg) => svg.getBoundingClientRect().height > 100)
  document.querySelector("#found").textContent = `width ${{of.scrollWidth}} images ${{images}} drawn ${{drawn}}`
}}
</script>"""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here")


def chromium(*arguments, profile):
    options = (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        "--v=0",
        "--hide-scrollbars",
    )
    apart = (f"--user-data-dir={profile}", "--allow-file-access-from-files", "--virtual-time-budget=5000")
    return subprocess.run(
        (CHROMIUM, *options, *apart, *arguments), capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture(params=["run", "sweep"])
def page(request, make_run, make_sweep):
    folder = (
        make_run(size=20, overrides=("a.rather.long.option=" + "x" * 120,)) if request.param == "run" else make_sweep()
    )
    return write_report(folder)


@pytest.mark.parametrize("width", [360, 1440])
def test_it_fits_and_all_of_it_is_drawn(width, page, tmp_path):
    frame = page.with_name("frame.html")
    frame.write_text(FRAME.format(width=width))
    ran = chromium("--dump-dom", frame.as_uri(), profile=tmp_path / "profile")
    (found,) = re.findall(r'<pre id="found">(.*?)</pre>', ran.stdout)
    assert found == f"width {width} images true drawn true"


def test_the_browser_complains_of_nothing(page, tmp_path):
    ran = chromium("--dump-dom", page.as_uri(), profile=tmp_path / "profile")
    assert "</html>" in ran.stdout
    assert [line for line in ran.stderr.splitlines() if "CONSOLE" in line] == []
