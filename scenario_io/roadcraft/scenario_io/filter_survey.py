"""What a filter names that the data lack, and which of its fields takes how many scenarios away."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from roadcraft.core.data.scenario import ScenarioRow
from roadcraft.core.interfaces import ScenarioSource
from roadcraft.scenario_io.filter_config import FIELDS, ScenarioFilter
from roadcraft.scenario_io.filters import listed_tokens, resolve, select, type_windows

NAMED = {
    "scenario_tokens": "token",
    "log_names": "log",
    "map_names": "map_name",
    "splits": "split",
    "scenario_types": "tags",
}
_SHOWN = 10


@dataclass(frozen=True)
class Missing:
    """Names of one field of a filter that no scenario of the data bears. names: as they were listed; of: how many were;
    near: the nearest name of each."""

    key: str
    names: tuple[str, ...]
    of: int
    near: Mapping[str, str]

    def __str__(self) -> str:
        shown = [f"{n} (did you mean {self.near[n]}?)" if n in self.near else n for n in self.names[:_SHOWN]]
        more = f" and {len(self.names) - _SHOWN} more" if len(self.names) > _SHOWN else ""
        verb = "is" if len(self.names) == 1 else "are"
        return (
            f"suite.filter.{self.key}: {len(self.names)} of {self.of} {verb} not in the data: {', '.join(shown)}{more}"
        )


def names_of(source: ScenarioSource, key: str) -> set[str]:
    """Every name that a field of NAMED could find in the data: a store looks them up in its index, others read their
    rows."""
    ask: Callable[[str], set[str]] | None = getattr(source, "names", None)
    if ask is not None:
        return ask(NAMED[key])
    return _known(key, list(source.iter_rows()))


def missing_names(source: ScenarioSource, filter: ScenarioFilter) -> list[Missing]:
    """What the filter names and the data lack, field by field. A preset's own lists say what may be there, not what
    must be: they are not asked."""
    wanted_filter = replace(filter, scenario_tokens=listed_tokens(filter))
    found = []
    for key in NAMED:
        listed = tuple(dict.fromkeys(getattr(wanted_filter, key) or ()))
        known = names_of(source, key) if listed else set()
        if absent := tuple(n for n in listed if n not in known):
            found.append(Missing(key, absent, len(listed), _near(key, absent, known)))
    return found


def _near(key: str, names: Sequence[str], known: set[str]) -> dict[str, str]:
    """The nearest name there is, of as many as are shown. A token is near only as one that begins so: any two of them
    look alike."""
    types = set(type_windows().types) if key == "scenario_types" else set()
    near = {}
    for name in (
        n for n in names[:_SHOWN] if n not in types
    ):  # a type of nuPlan's is spelled right, the data have none
        if key == "scenario_tokens":
            found = [k for k in known if k.startswith(name)]
        else:
            found = get_close_matches(name, sorted(known | types), 1, 0.5)
        if len(found) == 1:
            near[name] = found[0]
    return near


def why_none(source: ScenarioSource, filter: ScenarioFilter) -> str:
    """``690 scenarios; log_names leaves 120; scenario_types leaves 0: ...``: how many scenarios each field in turn
    leaves, up to the one that takes the last, and what would be right there."""
    rows = list(source.iter_rows())
    wanted_filter = resolve(filter)
    wanted_filter = replace(wanted_filter, scenario_tokens=listed_tokens(wanted_filter), tokens_file=None)
    lines, partial = [f"{len(rows)} scenarios"], ScenarioFilter()
    ordered = [*NAMED, *(k for k in FIELDS if k not in NAMED and k not in ("preset", "tokens_file", "seed", "shuffle"))]
    before = rows
    for key in (k for k in ordered if getattr(wanted_filter, k) is not None):
        partial = replace(partial, **{key: getattr(wanted_filter, key)})
        left = [s.row for s in select(rows, partial, source)]
        preset = filter.preset if getattr(filter, key) is None else None
        lines.append(f"{key}{f' of preset {preset!r}' if preset else ''} leaves {len(left)}")
        if not left:
            return "; ".join(lines) + _hint(key, getattr(wanted_filter, key), rows, before, preset)
        before = left
    return "; ".join(lines)


def _hint(
    key: str, wanted: object, rows: Sequence[ScenarioRow], before: Sequence[ScenarioRow], preset: str | None
) -> str:
    """What would be right. before: the scenarios that the fields before this one left."""
    if key == "remove_invalid_goals":
        return ": none of them has a mission goal"
    if key not in NAMED or key == "scenario_tokens" or not isinstance(wanted, tuple):
        return ""
    there, known = _known(key, before), _known(key, rows)
    if key == "scenario_types" and not there:
        who = f"preset {preset!r} asks for nuPlan's types" if preset else "types are asked for"
        return f": {who}, and these have none (no tags, as Waymo's): leave {'the preset' if preset else key} out"
    near = {} if preset else _near(key, [n for n in wanted if n not in known], known)
    if near:
        return ": " + ", ".join(f"{n} is not in the data, did you mean {k}?" for n, k in near.items())
    some = sorted(there)
    return f": they have {', '.join(some[:_SHOWN])}{', ...' if len(some) > _SHOWN else ''}"


def _known(key: str, rows: Sequence[ScenarioRow]) -> set[str]:
    return {n for r in rows for n in (r.tags if key == "scenario_types" else (getattr(r, NAMED[key]),))}
