"""mixgan-dashboard, in a process of its own as a user would, and against a server that stands for W&B's."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hydra import compose, initialize_config_module

from mixgan_lightning.cli.dashboard import dashboard, hydra_words
from mixgan_lightning.errors import ConfigurationError


@pytest.fixture
def mixgan_dashboard(tmp_path):
    """``mixgan_dashboard(*words, **environment)``: what came of it; nothing but this process can be reached."""

    here = tmp_path / "here"
    here.mkdir()
    nobody = {"NETRC": "/nowhere", "WANDB_CONFIG_DIR": str(tmp_path / "config")}  # is logged in
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    proxy = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9") | {"no_proxy": "127.0.0.1"}

    def run(*words, **environment):
        ran = subprocess.run(
            [sys.executable, "-m", "mixgan_lightning.cli.dashboard", *words],
            cwd=here,
            env=clean | nobody | proxy | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert not list(here.iterdir())
        return ran

    return run


@pytest.fixture
def config():
    """``config(*words)``: the command's config."""

    def composed(*words):
        with initialize_config_module("mixgan_lightning.conf", version_base="1.3"):
            return compose("dashboard", overrides=hydra_words(words))

    return composed


@pytest.fixture
def server():
    """W&B's address for this test, and what was sent to be kept."""
    kept = []

    class Answers(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = {"viewer": {"id": "1", "username": "me", "entity": "me", "flags": "{}", "teams": {"edges": []}}}
            if b"UpsertView2" in body:
                kept.append(json.loads(body)["variables"])
                answer = {"upsertView": {"view": {"id": "2", "name": kept[-1]["name"]}, "inserted": True}}
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps({"data": answer}).encode())

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{listening.server_port}", kept
    listening.shutdown()


def test_a_dry_run_shows_the_specification_and_the_json_without_login_or_network(mixgan_dashboard):
    pytest.importorskip("wandb_workspaces")
    ran = mixgan_dashboard("entity=me", "project=digits", "size=3", "--dry-run")
    assert (ran.returncode, ran.stderr) == (0, "")
    text, brace, rest = ran.stdout.partition("\n{\n")
    assert text.startswith("Mixtures of GANs, a workspace of me/digits; curves over images_seen\n")
    assert "\nQuality (open)\n  inception score (lines): quality/inception_score/mean\n" in text
    assert "\n  samples of component 2 (pictures): samples/component/2\n" in text
    assert "samples/component/3" not in text
    assert "section" in json.loads(brace + rest)


def test_it_is_sent_as_the_dry_run_shows_it_and_the_address_is_all_that_is_printed(
    mixgan_dashboard, server, config, capsys
):
    pytest.importorskip("wandb_workspaces")
    address, kept = server
    ran = mixgan_dashboard(
        "entity=me", "project=digits", WANDB_BASE_URL=address, WANDB_API_KEY="a" * 40, WANDB_MODE="offline"
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    (sent,) = kept
    assert (sent["entityName"], sent["projectName"], sent["displayName"]) == ("me", "digits", "Mixtures of GANs")
    name = sent["name"].removeprefix("nw-").removesuffix("-v")
    assert ran.stdout == f"{address}/me/digits?nw={name}\n"
    dashboard(config("entity=me", "project=digits", "--dry-run"))
    shown = capsys.readouterr().out
    assert json.loads(shown[shown.index("\n{\n") :]) == json.loads(sent["spec"])


def test_without_a_login_one_line_says_how(mixgan_dashboard):
    pytest.importorskip("wandb_workspaces")
    ran = mixgan_dashboard("entity=me")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == (
        "mixgan-dashboard: not logged in to W&B: run `wandb login`, or set WANDB_API_KEY; --dry-run needs neither\n"
    )


def test_a_slip_is_one_line_with_the_nearest_option(mixgan_dashboard):
    ran = mixgan_dashboard("entty=me")
    assert ran.returncode == 1
    assert ran.stderr.startswith("mixgan-dashboard: there is no option 'entty'; did you mean 'entity'?")
    assert len(ran.stderr.splitlines()) == 1


def test_an_entity_is_asked_for(config):
    with pytest.raises(ConfigurationError, match=r"^entity=… is needed: your user or team name at W&B"):
        dashboard(config())


@pytest.mark.parametrize("size", ["0", "1.5", "many"])
def test_a_number_of_components_is_asked_for(size, config):
    with pytest.raises(ConfigurationError, match=r"^size: expected a whole number of at least 1"):
        dashboard(config(f"size={size}", "--dry-run"))


@pytest.mark.parametrize("word", ["--dry-run", "dry_run=true"])
def test_a_dry_run_needs_neither_entity_nor_library(word, config, capsys, monkeypatch):
    for name in ["wandb_workspaces", *(name for name in sys.modules if name.startswith("wandb_workspaces"))]:
        monkeypatch.setitem(sys.modules, name, None)
    dashboard(config(word))
    shown = capsys.readouterr().out
    assert "a workspace of ENTITY/mixgan_lightning" in shown
    assert shown.splitlines()[-1] == (
        "no JSON: dashboards need the package wandb-workspaces: pip install '.[dashboard]'"
    )
