"""``report``: finished runs into one self-contained HTML file."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from roadcraft.core._version import __version__
from roadcraft.core.files import write_atomic
from roadcraft.validation.reporting.replay import replay
from roadcraft.validation.reporting.rows import choose, no_replay, scenario_rows
from roadcraft.validation.reporting.runs import differences, load_runs, mode_titles, modes_of, run_rows, warnings
from roadcraft.validation.reporting.scene import pack
from roadcraft.validation.reporting.tables import group_table, metric_table, pair_table, score_table

Progress = Callable[[int, int], None]
_STYLES = ("page.css", "replay.css")
_SCRIPTS = ("base.js", "tables.js", "unpack.js", "draw.js", "replay.js", "list.js")


def report(
    runs: Sequence[str | Path], out: str | Path, *, replays: int = 40, title: str = "", progress: Progress | None = None
) -> Path:
    """Write the report of one or more finished runs.

    replays: scenarios with a bird's-eye replay, the worst of any run first. Raises DataError when a run is not finished
    or damaged.
    """
    loaded = load_runs(runs)
    modes = modes_of(loaded)
    rows = scenario_rows(loaded)
    shown = choose(rows, replays)
    scenes = {}
    for done, key in enumerate(shown):
        if progress:
            progress(done, len(shown))
        scene = replay(loaded, *key)
        if scene is not None:
            scenes[key] = pack(scene)
    if progress:
        progress(len(shown), len(shown))
    data = {
        "title": title or "roadcraft report",
        "version": __version__,
        "planners": [r.label for r in loaded],
        "modes": modes,
        "mode_titles": mode_titles(loaded),
        "runs": run_rows(loaded),
        "differences": differences(loaded),
        "warnings": warnings(loaded),
        "scores": score_table(loaded),
        "pairs": {m: pair_table(loaded, m) for m in modes},
        "metrics": {m: metric_table(loaded, m) for m in modes},
        "types": {m: group_table(loaded, m, "type") for m in modes},
        "places": {m: group_table(loaded, m, "map") for m in modes},
        "scenarios": rows,
        "no_replay": no_replay(loaded, rows, shown, list(scenes)),
        "licences": sorted({i.row.licence for r in loaded for i in r.folder.items()}),
    }
    target = Path(out)
    write_atomic(target, _page(data, {"|".join(k): v for k, v in scenes.items()}))
    return target


def _page(data: dict[str, Any], scenes: dict[str, str]) -> str:
    """The template with style, script and data inlined. ``<`` is escaped in the data, so that no name can end the
    script element."""
    import jinja2

    page = files("roadcraft.validation.reporting") / "page"
    env = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = env.from_string((page / "report.html.j2").read_text(encoding="utf-8"))

    def inline(value: Any) -> str:
        return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")

    def joined(names: Sequence[str]) -> str:
        return "".join((page / n).read_text(encoding="utf-8") for n in names)

    return template.render(
        title=data["title"],
        style=joined(_STYLES),
        script=f'"use strict";\n(() => {{\n{joined(_SCRIPTS)}}})();',
        data=inline(data),
        scenes=inline(scenes),
    )
