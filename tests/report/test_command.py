import subprocess
import sys

import pytest

from mixgan_lightning.cli import report


def call(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["mixgan-report", *map(str, arguments)])
    code = 0
    try:
        report.main()
    except SystemExit as stop:
        code = stop.code
    return code, *capsys.readouterr()


def test_the_last_line_is_the_page(make_run, monkeypatch, capsys):
    folder = make_run()
    code, out, err = call(monkeypatch, capsys, folder)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == str(folder / "report.html")
    assert (folder / "report.html").read_text().startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("name", ["none", "."])
def test_a_wrong_folder_ends_in_one_line(name, tmp_path, monkeypatch, capsys):
    code, out, err = call(monkeypatch, capsys, tmp_path / name)
    assert (code, out) == (1, "")
    assert err.startswith("mixgan-report: ")
    assert err.count("\n") == 1


def test_help_shows_examples(monkeypatch, capsys):
    code, out, _ = call(monkeypatch, capsys, "--help")
    assert code == 0
    assert out.count("  mixgan-report ") >= 2


def test_as_a_module(make_run):
    folder = make_run(n=3)
    command = (sys.executable, "-m", "mixgan_lightning.cli.report", str(folder))
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (ran.returncode, ran.stdout) == (0, f"{folder / 'report.html'}\n")
