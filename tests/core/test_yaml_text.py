"""The one reader of YAML: text as it was written, and files that are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from roadcraft.core.config.yaml_text import DEEPEST, Plain, parse_yaml, read_yaml, resolved, to_yaml
from roadcraft.core.errors import DataError

WORDS = ("007", "1.10", "2026-11-29", "0x10", "1_000", "12:30", "yes", "off", "null", "~", "1e5", ".5", "+3", "1492e65")


@pytest.mark.parametrize("word", WORDS)
def test_scalars_are_the_text_that_was_written(word: str) -> None:
    assert parse_yaml(f"{{a: {word}, b: [{word}], c: '{word}'}}") == {"a": word, "b": [word], "c": word}


@pytest.mark.parametrize(
    "word", [*WORDS, "a # b", "a: b", "- a", "[a]", "", " a", "über", "1.0", "12", "true", "x" * 300]
)
def test_text_survives_writing_and_reading_with_and_without_a_schema(word: str) -> None:
    read = parse_yaml(to_yaml({"a": word}))
    assert read == {"a": word}
    assert resolved(read) == {"a": word}


@pytest.mark.parametrize("value", [0, -7, 1.5, 1e-5, 1e22, float("inf"), True, False, None, [1, "1", 1.0], {"b": {}}])
def test_other_values_survive_writing_and_reading(value: object) -> None:
    again = resolved(parse_yaml(to_yaml({"a": value})))["a"]
    assert again == value
    assert type(again) is type(value)


def test_without_a_schema_numbers_are_what_json_calls_numbers() -> None:
    read = resolved(parse_yaml("[12, -3, 1.10, 1e-4, .inf, true, ~, 007, 0x10, yes, 1_000, '12', 2026-11-29]"))
    assert read == [12, -3, 1.1, 1e-4, float("inf"), True, None, "007", "0x10", "yes", "1_000", "12", "2026-11-29"]


def test_aliases_and_merge_keys_are_written_out() -> None:
    read = parse_yaml("base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\na: {<<: *b, x: 5}\nc: {<<: [*b, *m]}\nd: *b\n")
    assert read["a"] == {"x": "5", "y": "2"}
    assert read["c"] == {"x": "1", "y": "2", "z": "4"}
    assert read["d"] == {"x": "1", "y": "2"}


LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join(['*' + a] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("planner: idm\nseed: 1\nplanner: pdm\n",
        "line 3: the key planner stands twice, first in line 1 (take one out)"),
        ("a:\n  b: {c: 1, d: 2,\n      c: 3}\n", "line 3: the key a.b.c stands twice, first in line 2 (take one out)"),
        ("a: [{b: 1, b: 2}]", "line 1: the key a.b stands twice, first in line 1 (take one out)"),
        ("007: a\n'007': b", "line 2: the key 007 stands twice, first in line 1 (take one out)"),
        ("<<: 3\n", "line 1: '<<' takes a map or a list of maps (such as <<: *name)"),
        ("a: *b\n", "line 1: *b stands for itself or for nothing (anchor it with & before)"),
        ("a: &a [*a]\n", "line 1: *a stands for itself or for nothing (anchor it with & before)"),
        (LAUGHS, "line 6: its aliases stand for too many values (write them out)"),
        ("a: !!python/object/apply:os.system [ls]\n",
        "line 1: the tag 'tag:yaml.org,2002:python/object/apply:os.system' is refused"),
        ("a: !x 1\n", "line 1: the tag '!x' is refused (a file holds maps, lists and plain values only)"),
        ("a: 1\n---\nb: 1\n", "line 2: a second document begins (one document per file: take the line '---' out)"),
        ("? [a]\n: 1\n", "line 1: a list or a map cannot be a key (keys are text)"),
        ("[" * (DEEPEST + 1), f"line 1: nested more than {DEEPEST} deep (no setting is that deep)"),
        ("[" * 100_000, "is not valid YAML: line 1"),
        ("a: [1\n", "is not valid YAML: line 2, column 1: did not find expected ',' or ']'"),
        ("a: b: c\n", "is not valid YAML: line 1, column 5: mapping values are not allowed in this context"),
        ("a: \x01\n", "is not valid YAML: unacceptable character"),
    ],
)  # fmt: skip
def test_what_is_refused_is_told_with_file_and_line(text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_yaml(text, "conf.yaml")
    assert str(caught.value).startswith(f"conf.yaml: {message}")


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path, "cannot be read: Is a directory"),
        (tmp_path / "none.yaml", "cannot be read: No such file or directory"),
        (tmp_path / "latin.yaml", "is not valid YAML: byte 3 is not UTF-8 text"),
    ):
        (tmp_path / "latin.yaml").write_bytes("a: \xfc".encode("latin-1"))
        with pytest.raises(DataError) as caught:
            read_yaml(path)
        assert str(caught.value) == f"{path}: {message}"
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbfa: 1")
    assert read_yaml(tmp_path / "bom.yaml") == {"a": "1"}
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert read_yaml(tmp_path / "empty.yaml") == Plain("")
