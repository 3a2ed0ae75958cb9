"""Writes a plugin package to start from (``roadcraft new``): complete, installable, tested."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

from roadcraft.core.errors import ConfigError
from roadcraft.core.files import write_atomic

_ENTRY_POINTS = "[project.entry-points.roadcraft]"
_TEMPLATES = Path(__file__).parent / "templates"
_KINDS = {
    "planner": (
        "Keeps its direction and brakes gently",
        '    deceleration_mps2: Annotated[float, Range("> 0")] = 1.0\n    """Deceleration, positive; a larger one brakes harder."""',
        "PlannerConformance",
        "roadcraft score planner=__NAME__ data=PATH/TO/STORE",
    ),
    "metric": (
        "Share of time below a speed",
        '    bound_mps: Annotated[float, Range("> 0")] = 20.0\n    """Speed below which time counts."""',
        "MetricConformance",
        "roadcraft score planner=idm metrics=[__NAME__] data=PATH/TO/STORE",
    ),
    "encoder": (
        "A token per thing seen, two attention layers",
        '    dim: Annotated[int, Range(">= 4")] = 64\n    """Width of the scene tokens."""',
        "EncoderConformance",
        "roadcraft train encoder=__NAME__ model=multimodal data=PATH/TO/STORE",
    ),
    "model": (
        "Speed profiles along the lines ahead",
        '    modes: Annotated[int, Range(">= 1")] = 3\n    """Speed profiles per reference line."""',
        "ModelConformance",
        "roadcraft train encoder=vector_transformer model=__NAME__ data=PATH/TO/STORE",
    ),
}


def write_package(kind: str, name: str, folder: Path) -> Path:
    """Write the package of a plugin into ``folder``, or add the plugin to the package of ``roadcraft new`` that is there. Raises ConfigError for a bad kind,
    name or folder."""
    if kind not in _KINDS:
        near = get_close_matches(kind, _KINDS, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigError(f"cannot write a {kind!r}; {hint}kinds: {', '.join(_KINDS)}")
    plugin = name.replace("-", "_")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", plugin) or keyword.iskeyword(plugin):
        raise ConfigError(f"{name!r} is not a usable name: lower-case letters, digits and _ , a letter first")
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; choose another with --out")
    if folder.is_dir() and any(folder.iterdir()):
        return _add(kind, plugin, folder)
    home = f"roadcraft_{plugin}"
    texts = {
        "common/pyproject.toml": "pyproject.toml",
        "common/README.md": "README.md",
        "common/plugin.py": f"{home}/plugin.py",
        f"{kind}/{kind}.py": f"{home}/{kind}.py",
        "common/test.py": f"tests/test_{plugin}.py",
    }
    _write(folder, {target: _rendered(source, kind, plugin, home) for source, target in texts.items()})
    _write(folder, {f"{home}/__init__.py": f'"""The roadcraft {kind} {plugin!r}."""\n'})
    return folder


def _add(kind: str, plugin: str, folder: Path) -> Path:
    """Add a plugin to a package: modules of its own, and a line in pyproject.toml."""
    project = folder / "pyproject.toml"
    text = project.read_text(encoding="utf-8") if project.is_file() else ""
    entry = re.search(rf'^{re.escape(_ENTRY_POINTS)}\s*\n\w+ = "(\w+)\.\w+"', text, re.MULTILINE)
    if entry is None:
        raise ConfigError(
            f"{folder} is there already, not empty, and no package of `roadcraft new` (its pyproject.toml has no {_ENTRY_POINTS}); "
            "choose another with --out"
        )
    home = entry.group(1)
    new = {
        f"{home}/{plugin}_plugin.py": _rendered("common/plugin.py", kind, plugin, home),
        f"{home}/{plugin}.py": _rendered(f"{kind}/{kind}.py", kind, plugin, home),
        f"tests/test_{plugin}.py": _rendered("common/test.py", kind, plugin, home),
    }
    for target in new:
        if (folder / target).exists():
            raise ConfigError(f"{folder / target} is there already; choose another name")
        new[target] = new[target].replace(f"{home}.plugin", f"{home}.{plugin}_plugin")
        new[target] = new[target].replace(f"{home}.{kind}:", f"{home}.{plugin}:")
    line = f'{home}_{plugin} = "{home}.{plugin}_plugin"\n'
    new["pyproject.toml"] = text.replace(f"{_ENTRY_POINTS}\n", f"{_ENTRY_POINTS}\n{line}", 1)
    _write(folder, new)
    return folder


def _rendered(source: str, kind: str, plugin: str, home: str) -> str:
    summary, config_fields, suite, use = _KINDS[kind]
    words = {
        "__FIELDS__": config_fields + "\n",
        "__SUMMARY__": summary,
        "__SUITE__": suite,
        "__USE__": use,
        "__KIND__": kind,
        "__CLASS__": "".join(part.capitalize() for part in plugin.split("_")),
        "__DIST__": f"roadcraft-{plugin.replace('_', '-')}",
        "__PACKAGE__": home,
        "__NAME__": plugin,
    }
    text = (_TEMPLATES / source).read_text(encoding="utf-8")
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    for target, text in texts.items():
        write_atomic(folder / target, text)
