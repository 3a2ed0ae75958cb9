"""Every ``python`` and ``console`` block of the documentation and of README.md runs, on one store that is made once.

How a page is read:

- ``python``: runs in the namespace of its page; a block ``text title="prints"`` after it is what it printed.
- ``console``: lines that begin with ``$ `` are commands (``> `` goes on with one), the others what they print. Each
  must end with exit code 0, and the lines shown must appear in this order. ``...`` stands for what is left out,
  within a line or between lines. A line runs in a process of its own; a plain ``roadcraft`` line whose verb has run
  that way before, on its page or in the quickstart, runs in the process of the tests, but not on a page that installs
  something.
- any block with ``title="PATH"``: a file that is written for the blocks after it.
- ``yaml`` and ``toml``: are read, whether they have a title or not.
- ``text``: what cannot run here, and pictures made of letters; ``TEXT`` counts them page by page.

The quickstart comes first, and every other page goes on where it ends: its stores and runs are there.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import re
import shlex
import subprocess
import sys
import tomllib
import traceback
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import Done, roadcraft
from sybil import Document, Example, Region, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

ROOT = Path(__file__).resolve().parents[2]
DOCS = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
PAGES = {str(p.relative_to(ROOT)): p for p in DOCS}
FIRST = "docs/quickstart.md"
INFO = re.compile(r' *(?P<language>\w*)(?:[^\n]*?title="(?P<title>[^"]*)")?[^\n]*\n')
TEXT = {
    "CONTRIBUTING.md": 2, "README.md": 2, "docs/guides/distributed.md": 3, "docs/guides/training.md": 1,
    "docs/freight_score.md": 1, "docs/guides/trucks.md": 1, "docs/index.md": 1, "docs/install.md": 6,
    "docs/models/diffusion.md": 1,
    "docs/models/tokens.md": 1, "docs/planners/docking.md": 1, "docs/planners/freight_pdm.md": 1,
    "docs/results/exactness.md": 1, "docs/results/reinforcement.md": 1,
}  # fmt: skip
PRINTS = "prints"
COLUMNS = "100"
LANGUAGES = ("python", "console", "text", "yaml", "toml")


class Blocks:
    """A parser of sybil: every fenced block of a page, with its language and title."""

    def __call__(self, document: Document) -> Iterator[Region]:
        for region in RawFencedCodeBlockLexer(INFO)(document):
            region.parsed, region.evaluator = region.lexemes["source"], lambda example: None
            yield region


def blocks_of(page: Path) -> list[Example]:
    return list(Sybil(parsers=[Blocks()]).parse(page).examples())


@dataclass
class Runner:
    """Runs the blocks of one page in ``folder``; the verbs ``here`` of the command line, to which others are added when
    they have run, in this process, or none where it is None."""

    folder: Path
    env: dict[str, str]
    here: set[str] | None = None
    printed: str = ""

    def run(self, example: Example) -> None:
        language, title = example.region.lexemes["language"], example.region.lexemes["title"]
        if title == PRINTS:
            self.prints(example)
        elif title:
            target = self.folder / title
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(str(example.parsed), encoding="utf-8")
        elif language == "python":
            out = io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.chdir(self.folder):
                PythonEvaluator()(example)
            self.printed += out.getvalue()
        elif language == "console":
            self.console(example)
        if language == "yaml":
            yaml.safe_load(example.parsed)
        elif language == "toml":
            tomllib.loads(example.parsed)

    def prints(self, example: Example) -> None:
        problem = missing(str(example.parsed).splitlines(), self.printed)
        assert not problem, f"{example.path}:{example.line}: {problem}\nprinted was:\n{self.printed}"
        self.printed = ""

    def console(self, example: Example) -> None:
        for command, shown in commands_of(str(example.parsed)):
            done = self.command(command)
            where = f"{example.path}:{example.line}: $ {command}\n"
            assert done.returncode == 0, f"{where}exit code {done.returncode}\n{done.stdout}"
            problem = missing(shown, done.stdout) or ("an old name is used" if "since roadcraft" in done.stdout else "")
            assert not problem, f"{where}{problem}\nprinted was:\n{done.stdout}"

    def command(self, line: str) -> Done:
        verb = plain_verb(line)
        if self.here and verb in self.here:
            return roadcraft(*shlex.split(line)[1:], cwd=self.folder, together=True, COLUMNS=COLUMNS)
        pipe, both = subprocess.PIPE, subprocess.STDOUT
        stop = ["-e"] if "=$(" in line else []  # where a value is lost
        words = ["bash", "-o", "pipefail", *stop, "-c", line]
        done = subprocess.run(words, cwd=self.folder, env=self.env, stdout=pipe, stderr=both, text=True, timeout=900)
        if self.here is not None and verb:
            self.here.add(verb)
        return done


def plain_verb(line: str) -> str:
    """The verb of a line in which a shell has nothing to do but to take quotes off; '' of any other."""
    words, unquoted = line.split(), re.sub(r"'[^']*'", "", line)
    plain = words[0] == "roadcraft" and len(words) > 1 and not set(';|&<>$`\n\\*?~{}()"#') & set(unquoted)
    return words[1] if plain else ""


def verbs_here(page: str) -> set[str] | None:
    """The verbs that run in this process on a page from its beginning; None where everything has a process of its
    own."""
    if any(line.startswith("pip ") for line in console_lines(page)):
        return None
    return set() if page == FIRST else set(map(plain_verb, console_lines(FIRST))) - {""}


def console_lines(page: str) -> list[str]:
    blocks = (e for e in blocks_of(PAGES[page]) if e.region.lexemes["language"] == "console")
    return [command for block in blocks for command, _ in commands_of(str(block.parsed))]


def commands_of(text: str) -> list[tuple[str, list[str]]]:
    """Commands of a console block, each with the lines shown after it."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line.startswith("> "):
            found[-1] = (f"{found[-1][0]}\n{line[2:]}", [])
        else:
            found[-1][1].append(line)
    return found


def missing(shown: list[str], printed: str) -> str:
    """What is wrong where a shown line does not come, in this order, among the printed ones; else ''."""
    rest = iter(" ".join(line.split()) for line in printed.splitlines())
    for line in shown:
        want = " ".join(line.split())
        pattern = re.compile(".*".join(re.escape(part.strip()) for part in want.split("...")))
        if want.strip(" .") and not any(pattern.fullmatch(got) for got in rest):
            return f"is not printed: {line!r}"
    return ""


def environment(folder: Path) -> dict[str, str]:
    """Of a page's commands: a virtual environment of its own over that of the tests, in which pip asks nobody else."""
    home = folder / ".venv"
    venv.EnvBuilder(symlinks=True, with_pip=False).create(home)
    site = home / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    outer = [p for p in sys.path if p.endswith("site-packages")]
    (site / "outer.pth").write_text("".join(f"import site; site.addsitedir({p!r})\n" for p in outer))
    for name, module in {"pip": "pip", "pytest": "pytest", "roadcraft": "roadcraft.core.cli"}.items():
        script = home / "bin" / name
        script.write_text(f'#!/bin/sh\nexec "{home}/bin/python" -m {module} "$@"\n')
        script.chmod(0o755)
    path = f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return {
        **os.environ, "PATH": path, "COLUMNS": COLUMNS, "PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore",
    }  # fmt: skip


def run_page(page: str, folder: Path) -> None:
    (folder / "examples").symlink_to(ROOT / "examples")
    runner = Runner(folder, environment(folder), verbs_here(page))
    for example in blocks_of(PAGES[page]):
        runner.run(example)


@pytest.fixture(scope="session")
def finished_quickstart(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The folder in which the quickstart ran, once per test run. What went wrong there is told to every page."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "quickstart"
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wrong = folder / "wrong"
        if not folder.exists():
            folder.mkdir()
            try:
                run_page(FIRST, folder)
            except Exception:
                wrong.write_text(traceback.format_exc())
    if wrong.exists():
        pytest.fail(f"{FIRST}:\n{wrong.read_text()}", pytrace=False)
    return folder


def runs(example: Example) -> bool:
    return example.region.lexemes["language"] in ("python", "console") and example.region.lexemes["title"] is None


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("page", [p for p, path in PAGES.items() if any(map(runs, blocks_of(path))) and p != FIRST])
def test_every_block_of_the_page_runs(page: str, finished_quickstart: Path, tmp_path: Path) -> None:
    for name in ("stores", "logs"):
        (tmp_path / name).symlink_to(finished_quickstart / name)
    (tmp_path / "runs").mkdir()
    for run in (finished_quickstart / "runs").iterdir():
        (tmp_path / "runs" / run.name).symlink_to(run)
    run_page(page, tmp_path)


def test_the_quickstart_runs(finished_quickstart: Path) -> None:
    assert (finished_quickstart / "report.html").is_file()


def kinds_of(page: Path) -> dict[str, int]:
    """How many blocks of a page run, are files or data that is read, or are text."""
    count = {"run": 0, "read": 0, "text": 0}
    for example in blocks_of(page):
        language, title = example.region.lexemes["language"], example.region.lexemes["title"]
        assert language in LANGUAGES, f"{page}:{example.line}: tag the block: {language!r}"
        count["run" if runs(example) else "text" if language == "text" and title is None else "read"] += 1
    return count


def test_blocks_that_do_not_run_are_counted(record_property: Any) -> None:
    counts = {page: kinds_of(path) for page, path in PAGES.items()}
    sums = {kind: sum(c[kind] for c in counts.values()) for kind in ("run", "read", "text")}
    for kind, n in sums.items():
        record_property(f"blocks_{kind}", n)
    for page, c in [*counts.items(), ("all", sums)]:
        print(f"{page}: {c['run']} run, {c['read']} read, {c['text']} text")
    assert {page: c["text"] for page, c in counts.items() if c["text"]} == TEXT


def test_a_line_that_is_not_printed_is_found() -> None:
    assert missing(["a 1", "...", "c ... 3"], "a   1\nb\nc 2 3\n") == ""
    assert missing(["c", "a"], "a\nc\n") == "is not printed: 'a'"
    assert missing(["score 0.9"], "score 0.91\n") == "is not printed: 'score 0.9'"


def test_a_line_that_needs_a_shell_is_told_from_one_that_does_not() -> None:
    plain = ["roadcraft score a=b", "roadcraft score 'filter={sample: 1}' modes=[reactive]"]
    shell = ["roadcraft show a > b", "roadcraft show a; ls", "roadcraft show a*", "roadcraft score f={a,b}", "ls a"]
    assert [plain_verb(line) for line in [*plain, *shell]] == ["score", "score", *[""] * len(shell)]


def test_the_readme_is_short() -> None:
    """At most 120 lines, and 40 numbers outside code and the table of planners."""
    text = PAGES["README.md"].read_text(encoding="utf-8")
    prose = re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)
    prose = "\n".join(line for line in prose.splitlines() if not re.search(r"\(0\.\d+ to ", line))
    assert len(text.splitlines()) <= 120
    assert len(re.findall(r"(?<!\w)\d[\d.,]*", prose)) <= 40
