"""Where there is no room for a checkpoint."""

import re

from mixgan_lightning import checkpoint_file


def test_the_one_before_stays_and_one_line_says_where_there_is_no_room(tiny_train, one_line, request):
    large = (
        "callbacks/quality=none",
        "callbacks.samples=null",
        "callbacks.payoff=null",
        "gan.generator.hidden=[512,512]",
    )
    assert tiny_train(*large).code == 0
    request.getfixturevalue("little_room")
    ran = tiny_train(*large, "trainer.max_epochs=2", "ckpt_path=last")
    said = r"mixgan-train: \S+/last.ckpt cannot be written: File too large \([\d,.]+ MB free there\); make room"
    assert re.match(said, one_line(ran))
    assert (ran.cwd / "run" / "failure.txt").exists()
    assert checkpoint_file.load(ran.cwd / "run" / "checkpoints" / "last.ckpt")["epoch"] == 0
    assert not list((ran.cwd / "run" / "checkpoints").glob(".part_*"))
