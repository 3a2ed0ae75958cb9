"""A hook of mkdocs: draws the vehicles and writes the tables of their page, when the site is built.

The page asks for them by comments on lines of their own: ``<!-- vehicles list -->``, ``turns``, ``pictures``,
``unverified``.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from markdown_parts import code, table
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from roadcraft import core
from roadcraft.core import Vehicle, load_vehicle, static_loads, swept_path, turning_circle, vehicle_names
from roadcraft.core.vehicles.drawing import draw_vehicle
from roadcraft.core.vehicles.geometry import length_of

FOLDER = Path(str(core.__file__)).parent / "vehicles"
RADII_M = (25.0, 50.0, 100.0)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for name in vehicle_names():
        files.append(File.generated(config, f"assets/vehicles/{name}.svg", content=draw_vehicle(load_vehicle(name))))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    return re.sub(r"^<!-- vehicles (\w+) -->$", lambda asked: WRITERS[asked[1]](), markdown, flags=re.MULTILINE)


def listing() -> str:
    return table(("vehicle", "units", "length, m", "load", "axle loads, t", "roll threshold, g"), map(_row, ours()))


def ours() -> list[Vehicle]:
    return [load_vehicle(name) for name in vehicle_names()]


def _row(vehicle: Vehicle) -> tuple[str, ...]:
    loaded = [load_vehicle(vehicle.name, load=load) for load in vehicle.loads]
    tonnes = [[t / 9810.0 for t in (s.steered_N, *s.axles_N)] for s in map(static_loads, loaded)]
    axles = ", ".join(f"{t:.1f}" for t in tonnes[1]) if loaded else ""
    masses = ", ".join(f"{v.load} {sum(t):.1f} t" for v, t in zip(loaded, tonnes, strict=True))
    roll = [", ".join(f"{m.srt_g:.2f}" for m in v.masses if m.srt_g) for v in loaded]
    kinds = " + ".join(u.kind for u in vehicle.units)
    text = f"[{code(vehicle.name)}](#{vehicle.name}): {vehicle.summary}"
    return text, kinds, f"{length_of(vehicle):.2f}", masses or "none: kinematics alone", axles, "; ".join(roll)


def turns() -> str:
    rows = []
    for vehicle in ours():
        path, circles = swept_path(vehicle), [turning_circle(vehicle, r) for r in RADII_M]
        steady = [f"{c.swept_m:.2f}" if c else "folds" for c in circles]
        turn = [f"{v:.2f}" for v in (path.swept_width_m, path.offtracking_m, path.tail_swing_m.max())]
        rows.append((code(vehicle.name), *turn, *steady))
    head = ("vehicle", "90 degrees: swept width", "off-tracking", "tail swing")
    return table((*head, *(f"circle R = {r:g}" for r in RADII_M)), rows)


def pictures() -> str:
    return "\n\n".join(f"### `{n}` {{#{n}}}\n\n![{n}](assets/vehicles/{n}.svg)" for n in vehicle_names())


def unverified() -> str:
    """The sources marked so, with the keys and vehicles that they stand at."""
    keys, names = defaultdict(set), defaultdict(set)
    for name in vehicle_names():
        for key, source in re.findall(r"(\w+):[^#\n]*# (.*unverified.*)", (FOLDER / f"{name}.yaml").read_text()):
            keys[source].add(key)
            names[source].add(name)
    rows = [(source, ", ".join(map(code, sorted(keys[source]))), str(len(names[source]))) for source in sorted(keys)]
    return table(("source, as the files say it", "keys", "vehicles"), rows)


WRITERS: dict[str, Callable[[], str]] = {
    "list": listing, "turns": turns, "pictures": pictures, "unverified": unverified,
}  # fmt: skip
