"""Rows as markdown: the table, paired differences, the real scenes, and which bars are met."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from comparing.recipe import MODES

Row = Mapping[str, Any]
MAIN = (
    "model", "scenarios", "parameters", "trained", "samples/s", "open loop ADE / minADE, m", "raw NR", "raw R",
    "guarded NR", "guarded R",
    "guard changed / braked NR, %", "batch 1, ms", "batch 64, ms each", "network / floor", "GPU 1 / 64, ms",
    "files (lines)",
)  # fmt: skip
PAIRS = (("raw", "log_replay"), ("raw", "pdm_closed"), ("guarded", "pdm_closed"))
REAL = ("planner", "scenes", "ADE, m", "FDE, m", "minADE, m", "minFDE, m")
AHEAD = ("forecasts", "vehicles", "after 1 s, m", "2 s", "4 s", "constant velocity, 1 s", "2 s", "4 s")
LATENCY_MS = {"multimodal": 12.0, "diffusion": 40.0}  # of one plan on one core, by model


def markdown(rows: Sequence[Row]) -> str:
    """All tables of the given rows, in their order. What is not measured yet is left blank."""
    blocks = [
        _table(MAIN, [_main_cells(r) for r in rows]),
        "NR and R: non-reactive and reactive closed-loop score with its 95 % interval over worlds. Guarded: without "
        "fallback. Batch 1 and 64: CPU time of a "
        "whole plan on one core; network / floor: the network alone for 64 scenarios over its own matrix products "
        "alone. constant_velocity slows down to nuPlan's "
        "5 m/s when it drives, not in its open-loop errors.",
    ]
    if pairs := [r for r in rows if _paired(r, "raw", "pdm_closed", "nonreactive")]:
        title = ("paired difference", *(f"{part} - {other} {m}" for part, other in PAIRS for m in ("NR", "R")))
        blocks.append(_table(title, [_pair_cells(r) for r in pairs]))
    if real := [r for r in rows if "scenes" in _part(r, "open_loop").get("womd", {})]:
        blocks += ["Real Waymo scenes, open loop, one plan each:", _table(REAL, [_real_cells(r) for r in real])]
    if seen := [r for r in rows if _part(r, "open_loop").get("held_out", {}).get("forecasts")]:
        blocks += ["Where moving vehicles went, as predicted:", _table(AHEAD, [_ahead_cells(r) for r in seen])]
    if made := _made(p["made_by"] for r in rows for p in r["parts"].values()):
        blocks.append(f"Measured on: {made}.")
    return "\n\n".join(blocks) + "\n"


@dataclass(frozen=True)
class Bar:
    """A bar and how it stands: met is None where it cannot be told yet."""

    what: str
    value: str
    met: bool | None

    def __str__(self) -> str:
        return f"{ {True: 'met', False: 'MISSED', None: 'open'}[self.met]:7}{self.what}: {self.value}"


def bars(rows: Sequence[Row]) -> list[Bar]:
    """The bars of quality, from the rows that are scored on all scenarios, and of latency, from every row."""
    models = [r for r in rows if "encoder" in r["recipe"] and "raw" in r["parts"]]
    models = [r for r in models if r["recipe"]["scenarios"] == max(m["recipe"]["scenarios"] for m in models)]
    latency = [bar for r in rows for bar in _latency_bars(r)]
    if not models:
        return [Bar("quality", "no model is scored yet", None), *latency]
    best = max(models, key=lambda r: _score(r, "raw", "nonreactive") or 0.0)
    found = [
        _each("raw NR >= 0.80, every model", models, lambda r: _score(r, "raw", "nonreactive"), lambda v: v >= 0.80)
    ]
    found.append(_one("raw NR >= 0.90, the best", best, _score(best, "raw", "nonreactive"), lambda v: v >= 0.90))
    oracle = _paired(best, "raw", "log_replay", "nonreactive")
    found.append(_one("raw NR within 0.02 of log_replay", best, oracle and oracle["difference"], lambda v: v >= -0.02))
    found.append(_each("reactive at most 0.05 below non-reactive, raw", models, _drop, lambda v: v >= -0.05))
    guarded = [r for r in models if "guarded" in r["parts"]]
    if guarded:
        first = max(guarded, key=lambda r: _score(r, "guarded", "nonreactive") or 0.0)
        for mode in MODES:
            pair = _paired(first, "guarded", "pdm_closed", mode)
            value = f"{first['name']} {_difference(pair)}" if pair else "not compared yet"
            what = f"guarded above pdm_closed beyond chance, {mode}"
            found.append(Bar(what, value, bool(pair["better"]) if pair else None))
    return [*found, *latency]


def _latency_bars(row: Row) -> list[Bar]:
    part = _part(row, "latency")
    if not part:
        return []
    one, many = part["plan"]["batch_1_micro_1"]["ms"], _batched(part)
    most = LATENCY_MS.get(row["recipe"]["model"]["name"])
    found = [] if most is None else [_one(f"batch 1 <= {most:g} ms", row, one, lambda v: v <= most)]
    found.append(_one("batch 64 <= 6 ms each", row, many, lambda v: v <= 6.0))
    return [
        *found,
        _one("network within 1.5 times of its floor", row, part["network"]["times_floor"], lambda v: v <= 1.5),
    ]


def _one(what: str, row: Row, value: float | None, holds: Callable[[float], bool]) -> Bar:
    if value is None:
        return Bar(what, f"{row['name']} not measured yet", None)
    return Bar(what, f"{row['name']} {value:.3f}", holds(value))


def _each(what: str, rows: Sequence[Row], value: Callable[[Row], float | None], holds: Callable[[float], bool]) -> Bar:
    values = {r["name"]: v for r in rows if (v := value(r)) is not None}
    return Bar(what, ", ".join(f"{n} {v:.3f}" for n, v in values.items()), all(map(holds, values.values())))


def _drop(row: Row) -> float | None:
    nonreactive, reactive = (_score(row, "raw", m) for m in MODES)
    return None if nonreactive is None or reactive is None else reactive - nonreactive


def _part(row: Row, part: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = row["parts"].get(part, {})
    return found


def _score(row: Row, part: str, mode: str) -> float | None:
    return _part(row, part).get("modes", {}).get(mode, {}).get("score")


def _paired(row: Row, part: str, other: str, mode: str) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = _part(row, part).get("paired", {}).get(other, {}).get(mode)
    return found


def _batched(latency: Mapping[str, Any]) -> float:
    """Milliseconds per scenario of 64 at the better of the two larger group sizes."""
    return float(min(latency["plan"][f"batch_64_micro_{m}"]["ms"] for m in (32, 64)))


def _main_cells(row: Row) -> list[str]:
    train, latency, guarded = (_part(row, p) for p in ("train", "latency", "guarded"))
    held, shares = (
        _part(row, "open_loop").get("held_out", {}),
        guarded.get("modes", {}).get("nonreactive", {}).get("shares", {}),
    )
    changed, braked = (shares.get(n) for n in ("guard_changed", "guard_braked"))
    gpu, network = latency.get("gpu", {}), latency.get("network", {})
    return [
        row["name"],
        str(_part(row, "raw").get("modes", {}).get("nonreactive", {}).get("scenarios", "")),
        f"{train['parameters']:,}" if train else "",
        f"{train['minutes']:.1f} min, {train['device']}" if train else "",
        f"{train['samples_per_s']:.0f}" if train else "",
        f"{held['ade_m']:.2f} / {held['min_ade_m']:.2f}" if "ade_m" in held else "",
        *(_score_cell(row, part, mode) for part in ("raw", "guarded") for mode in MODES),
        f"{100 * changed:.1f} / {100 * braked:.1f}" if changed is not None and braked is not None else "",
        f"{latency['plan']['batch_1_micro_1']['ms']:.1f}" if latency else "",
        f"{_batched(latency):.2f}" if latency else "",
        f"{network['times_floor']:.1f} ({network['network_ms']:.2f} / {network['floor_ms']:.2f} "
        "ms)" if network.get("times_floor") else "",
        f"{gpu['batch_1_ms']:.1f} / {gpu['batch_64_ms']:.2f}" if "batch_1_ms" in gpu else "",
        "{files} ({lines})".format(**train["added"]) if train.get("added") else "",
    ]  # fmt: skip


def _score_cell(row: Row, part: str, mode: str) -> str:
    c = _part(row, part).get("modes", {}).get(mode)
    if c is None:
        return ""
    span = "" if c["ci"] is None else " ({:.2f} to {:.2f})".format(*c["ci"])
    return f"{c['score']:.3f}{span}" + (f", {c['failed']} failed" if c["failed"] else "")


def _pair_cells(row: Row) -> list[str]:
    found = [_paired(row, part, other, mode) for part, other in PAIRS for mode in MODES]
    return [row["name"], *("" if p is None else _difference(p) for p in found)]


def _difference(pair: Mapping[str, Any]) -> str:
    span = "" if pair["ci"] is None else " ({:+.3f} to {:+.3f})".format(*pair["ci"])
    return f"{pair['difference']:+.3f}{span}"


def _real_cells(row: Row) -> list[str]:
    found = _part(row, "open_loop")["womd"]
    return [
        row["name"], str(found["scenes"]), *(f"{found[k]:.2f}" for k in ("ade_m", "fde_m", "min_ade_m", "min_fde_m")),
    ]  # fmt: skip


def _ahead_cells(row: Row) -> list[str]:
    found = _part(row, "open_loop")["held_out"]["forecasts"]
    errors = [f"{f[k]:.2f}" for k in ("error_m", "drifting_m") for f in found]
    return [row["name"], str(found[0]["vehicles"]), *errors]


def _made(parts: Iterable[Mapping[str, Any]]) -> str:
    """The machines, each with the commits that were measured on it."""
    commits: dict[str, set[str]] = {}
    for by in parts:
        about = by["machine"]
        card = f", {by['gpu']}" if by["gpu"] else ""
        name = f"{about['cpu']}, {about['cores']} cores{card}, Python {about['python']}"
        commits.setdefault(name, set()).add(by["commit"][:9] + by["commit"][40:] or "unknown")
    return "; ".join(f"{name}, commit {', '.join(sorted(found))}" for name, found in sorted(commits.items()))


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
