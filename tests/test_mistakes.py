"""Plain mistakes on the command line: one line, exit code 2 or 4, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import roadcraft

COMMANDS = (
    "show BAD", "show BAD abc", "compare BAD BAD", "rescore BAD --out o", "report BAD --out o.html",
    "ingest nuplan BAD --out st",
    "ingest auto BAD --out st", "ingest womd BAD --out st", "score planner=idm data=BAD out=o",
    "score --resume --out BAD",
    "score planner=learned planner.checkpoint=BAD data=none", "score planner=idm vehicle=./BAD data=none",
    "score planner=idm suite.filter.tokens_file=BAD "
    "data=none", "config check BAD", "config show BAD", "config diff BAD", "config check BAD.yaml",
    "score BAD.yaml", "synth w BAD.yaml",
)  # fmt: skip
NETWORK_COMMANDS = (
    "train data=BAD out=o",
    "train --resume BAD",
    "train start=BAD data=none",
    "train BAD.yaml",
    "card BAD BAD",
)


def ends_in_a_line(words: list[str], tmp_path: Path) -> None:
    before = sorted(p.name for p in tmp_path.iterdir())
    done = roadcraft(*words)
    err = done.stderr
    assert done.returncode in (2, 4), err
    assert err.strip()
    assert not {"Traceback", "__init__", "<class", "tuple["} & set(err.replace("(", " ").split())
    left = {p.name for p in tmp_path.iterdir()} - {*before, "st"}
    assert not left, "nothing is left behind"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One of each that is wrong: a file, an empty file, an empty folder, a folder of something else, a link to itself;
    and the same as ``.yaml``."""
    for name in ("file", "file.yaml"):
        (tmp_path / name).write_text("x")
    for name in ("empty", "empty.yaml"):
        (tmp_path / name).touch()
    for name in ("folder", "folder.yaml"):
        (tmp_path / name).mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("x")
    (tmp_path / "other.yaml").write_bytes(b"\xff\xfe\x00")
    for name in ("loop", "loop.yaml"):
        (tmp_path / name).symlink_to(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("bad", ["file", "empty", "folder", "other", "loop", "missing", "a" * 300])
def test_a_wrong_path_is_answered_in_a_line(folder: Path, bad: str) -> None:
    for command in COMMANDS:
        if (bad, command) == ("empty", "synth w BAD.yaml"):
            continue  # nothing given is every default
        ends_in_a_line(command.replace("BAD", bad).split(), folder)


@pytest.mark.parametrize("bad", ["file", "folder", "other", "loop", "missing"])
def test_a_wrong_path_to_a_network_is_answered_in_a_line(folder: Path, bad: str) -> None:
    pytest.importorskip("torch")
    for command in NETWORK_COMMANDS:
        ends_in_a_line(command.replace("BAD", bad).split(), folder)


@pytest.mark.parametrize(
    "words",
    ["--nonsense", "score --nonsense", "nope", "plugins planner idm extra", "config nope",
    "train --overfit -1 data=none", "train --overfit x",
     "score workers=x", "score seed=1.5", "synth w worlds=0", "synth w situations=[nix]", "synth w split=a/b",
     "synth w seed=-1",
     "score out=~nosuchuser/x data=none", "ingest nuplan file", "compare a", "score =3",
     "score planner=idm data=none metrics=[{name:3}]",
     "score metrics=[[a]]", "new planner class", "new planner 1x", "new nope x", "score suite=[1]",
     "rescore folder --out o --metric nix",
     "show folder --limit -1", "config diff a.yaml b.yaml c.yaml", "config diff -- --",
     "score planner=idm data=none out=file"],
)  # fmt: skip
def test_wrong_words_are_answered_in_a_line(folder: Path, words: str) -> None:
    ends_in_a_line(words.split(), folder)
