"""Writes a plugin package to start from (``roadcraft new``): complete, installable, tested."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from roadcraft.core.errors import ConfigError
from roadcraft.core.files import write_atomic
from roadcraft.core.plugins.registry import registry

_ENTRY_POINTS = "[project.entry-points.roadcraft]"
_TEMPLATES = Path(__file__).parent / "templates"


class _Kind(NamedTuple):
    """What the files of a kind's package hold beside ``templates/KIND/KIND.py``: the line of its listing, the fields of
    its config dataclass, its conformance suite, how it is used. A folder that has a ``plugin.py`` or ``test.py`` of its
    own needs no such texts."""

    use: str
    summary: str = ""
    fields: str = ""
    suite: str = ""


_KINDS = {
    "feature": _Kind(
        "roadcraft features",
        "The nearest object ahead",
        '''
    corridor_m: Annotated[float, Range("> 0")] = 1.5
    """Largest offset of an object that is ahead."""
''',
        "FeatureConformance",
    ),
    "source": _Kind(
        "roadcraft ingest __NAME__ PATH/TO/LOGS --out STORE",
        "Tables of objects, one CSV file per log",
        '''
    path: str = path_field()
    """Folder of the logs and the map."""
    length_s: Annotated[float, Range("> 0")] = 15.0
    """Length of a scenario."""
    vehicle: str = "pacifica"
    """Vehicle file of the ego."""
''',
    ),
    "planner": _Kind(
        "roadcraft score planner=__NAME__ data=PATH/TO/STORE",
        "Keeps its direction and brakes gently",
        '''
    deceleration_mps2: Annotated[float, Range("> 0")] = 1.0
    """Deceleration, positive; a larger one brakes harder."""
''',
        "PlannerConformance",
    ),
    "metric": _Kind(
        "roadcraft score planner=idm metrics=__NAME__ data=PATH/TO/STORE",
        "Share of time below a speed",
        '''
    bound_mps: Annotated[float, Range("> 0")] = 20.0
    """Speed below which time counts."""
''',
        "MetricConformance",
    ),
    "encoder": _Kind(
        "roadcraft train encoder=__NAME__ model=multimodal data=PATH/TO/STORE",
        "A token per thing seen, two attention layers",
        '''
    dim: Annotated[int, Range(">= 4")] = 64
    """Width of the scene tokens."""
''',
        "EncoderConformance",
    ),
    "model": _Kind(
        "roadcraft train encoder=vector_transformer model=__NAME__ data=PATH/TO/STORE",
        "Speeds and offsets along the lines ahead",
        '''
    modes: Annotated[int, Range(">= 1")] = 3
    """Trajectories per reference line."""
''',
        "ModelConformance",
    ),
    "recipe": _Kind(
        "roadcraft train recipe=__NAME__ data=PATH/TO/STORE",
        "AdamW with a linear decay, noise on other road users",
        '''
    noise_m: Annotated[float, Range(">= 0")] = 0.1
    """Standard deviation of the noise on the positions of other road users."""
''',
        "RecipeConformance",
    ),
    "agents": _Kind(
        "roadcraft score planner=idm agents=__NAME__ modes=reactive data=PATH/TO/STORE",
        "Everybody keeps direction and speed",
        '''
    speed_factor: Annotated[float, Range(">= 0")] = 1.0
    """Share of the speed in the log that everybody keeps."""
''',
        "AgentsConformance",
    ),
    "tracker": _Kind(
        "roadcraft score planner=idm tracker=__NAME__ data=PATH/TO/STORE",
        "Pure pursuit of a point ahead on the plan",
        '''
    look_ahead_s: Annotated[float, Range("> 0")] = 0.8
    """How far ahead the point lies; a longer time steers more gently."""
''',
        "TrackerConformance",
    ),
    "vehicle_model": _Kind(
        "roadcraft score planner=idm vehicle_model=__NAME__ data=PATH/TO/STORE",
        "Kinematic bicycle without actuator lag",
        '''
    max_acceleration_mps2: Annotated[float, Range("> 0")] = 8.0
    """Largest acceleration and deceleration."""
''',
        "VehicleModelConformance",
    ),
    "command": _Kind("roadcraft __NAME__ PATH/TO/STORE", suite="CommandConformance"),
}


def write_package(kind: str, name: str, folder: Path) -> Path:
    """Write the package of a plugin into ``folder``, or add the plugin to the package of ``roadcraft new`` that is
    there. Raises ConfigError for a bad kind, name or folder."""
    if kind not in _KINDS:
        near = get_close_matches(kind, _KINDS, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigError(f"cannot write a {kind!r}; {hint}kinds: {', '.join(_KINDS)}")
    plugin = name.replace("-", "_")
    if keyword.iskeyword(plugin):
        raise ConfigError(f"{name!r} is a word of Python; choose another name")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", plugin):
        raise ConfigError(f"{name!r} is not a usable name: lower-case letters, digits and _ , a letter first")
    offered = registry().commands() if kind == "command" else registry().plugins(kind)
    if taken := next((p for p in offered if p.ours and p.spec.name == plugin), None):
        raise ConfigError(f"there is a {taken} already; choose another name")
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; choose another with --out")
    if folder.is_dir() and any(folder.iterdir()):
        return _add(kind, plugin, folder)
    home = f"roadcraft_{plugin}"
    texts = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        "plugin.py": f"{home}/plugin.py",
        f"{kind}.py": f"{home}/{kind}.py",
        "test.py": f"tests/test_{plugin}.py",
    }
    _write(folder, {target: _rendered(source, kind, plugin, home) for source, target in texts.items()})
    _write(folder, {f"{home}/__init__.py": f'"""The roadcraft {kind} {plugin!r}."""\n'})
    return folder


def _add(kind: str, plugin: str, folder: Path) -> Path:
    """Add a plugin to a package: modules of its own, a line in pyproject.toml, and a paragraph in README.md."""
    project = folder / "pyproject.toml"
    text = project.read_text(encoding="utf-8") if project.is_file() else ""
    entry = re.search(rf'^{re.escape(_ENTRY_POINTS)}\s*\n\w+ = "(\w+)\.\w+"', text, re.MULTILINE)
    if entry is None:
        raise ConfigError(
            f"{folder} is there already, not empty, and no package of `roadcraft new` (its pyproject.toml has no "
            f"{_ENTRY_POINTS}); "
            "choose another with --out"
        )
    home = entry.group(1)
    place = next((p for p in (home, f"src/{home}") if (folder / p / "__init__.py").is_file()), None)
    if place is None:
        raise ConfigError(
            f"{project}: {_ENTRY_POINTS} names {home}, but neither {home}/__init__.py nor "
            f"src/{home}/__init__.py is there"
        )
    new = {
        f"{place}/{plugin}_plugin.py": _rendered("plugin.py", kind, plugin, home),
        f"{place}/{plugin}.py": _rendered(f"{kind}.py", kind, plugin, home),
        f"tests/test_{plugin}.py": _rendered("test.py", kind, plugin, home),
    }
    for target in new:
        if (folder / target).exists():
            raise ConfigError(f"{folder / target} is there already; choose another name")
        new[target] = new[target].replace(f"{home}.plugin", f"{home}.{plugin}_plugin")
        new[target] = new[target].replace(f"{home}.{kind}:", f"{home}.{plugin}:")
    if (readme := folder / "README.md").is_file():
        about = _rendered("README.md", kind, plugin, home).partition("\n")[2]  # without the package's name
        for module, own in (("plugin", f"{plugin}_plugin"), (kind, plugin)):
            about = about.replace(f"`{home}/{module}.py`", f"`{place}/{own}.py`")
        new["README.md"] = readme.read_text(encoding="utf-8").rstrip("\n") + f"\n{about}"
    line = f'{home}_{plugin} = "{home}.{plugin}_plugin"\n'
    new["pyproject.toml"] = text.replace(f"{_ENTRY_POINTS}\n", f"{_ENTRY_POINTS}\n{line}", 1)
    _write(folder, new)
    return folder


def _rendered(source: str, kind: str, plugin: str, home: str) -> str:
    """A template of the kind, or the common one of that name, with this plugin's names."""
    row = _KINDS[kind]
    more = ["path_field"] if "path_field" in row.fields else []
    words = {
        "__IMPORTS__": ", ".join(["PluginSpec", "Range", "hookimpl", *more]),
        "__FIELDS__": row.fields.strip("\n"),
        "__SUMMARY__": row.summary,
        "__SUITE__": row.suite,
        "__USE__": row.use,
        "__KIND__": kind,
        "__CLASS__": "".join(part.capitalize() for part in plugin.split("_")),
        "__DIST__": f"roadcraft-{plugin.replace('_', '-')}",
        "__PACKAGE__": home,
        "__NAME__": plugin,
    }
    own = _TEMPLATES / kind / source
    text = (own if own.is_file() else _TEMPLATES / "common" / source).read_text(encoding="utf-8")
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    for target, text in texts.items():
        write_atomic(folder / target, text)
