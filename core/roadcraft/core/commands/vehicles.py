"""The verb ``vehicles``."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from roadcraft.core.commands.completion import Found
from roadcraft.core.errors import ConfigError

if TYPE_CHECKING:
    from roadcraft.core.vehicles.vehicle import Vehicle


def _complete(incomplete: str) -> Found:
    from roadcraft.core.vehicles.vehicle import load_vehicle, vehicle_names

    files = sorted(p.name for p in Path().glob("*.y*ml"))
    return [*((n, load_vehicle(n).summary) for n in vehicle_names()), *((f, "") for f in files)]


def vehicles(
    name: Annotated[
        str, typer.Argument(metavar="[NAME | FILE.yaml]", help="One vehicle in full.", autocompletion=_complete)
    ] = "",
    svg: Annotated[
        Path | None,
        typer.Option(help="Write a picture of the vehicle: side, top, turning circle, swept path.", show_default=False),
    ] = None,
    copy: Annotated[
        Path | None,
        typer.Option(help="Write the vehicle's file there, to make one of your own of it.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """List the vehicles: units, length, mass by load; or one with axle loads, turning circle, swept path and roll
    thresholds.

    Examples: roadcraft vehicles

    roadcraft vehicles us_sleeper_53 --svg sleeper.svg

    roadcraft vehicles us_sleeper_53 --copy my_truck.yaml

    roadcraft vehicles my_truck.yaml
    """
    from roadcraft.core.vehicles.vehicle import load_vehicle, vehicle_file, vehicle_names

    if not name:
        for option, does in ((svg, "--svg draws"), (copy, "--copy writes")):
            if option is not None:
                word = does.partition(" ")[0]
                raise ConfigError(
                    f"{does} one vehicle: give its name before, as in roadcraft vehicles pacifica {word} ..."
                )
        rows = [_row(load_vehicle(n)) for n in vehicle_names()]
        print(json.dumps(rows, indent=2)) if as_json else _print_list(rows)
        return
    own = name.endswith((".yaml", ".yml"))
    vehicle = load_vehicle(file=name) if own else load_vehicle(name)
    row = {**_row(vehicle), **_details(vehicle)}
    print(json.dumps(row, indent=2)) if as_json else _print_vehicle(row)
    if svg is not None:
        from roadcraft.core.files import write_atomic
        from roadcraft.core.vehicles.drawing import draw_vehicle

        write_atomic(svg, draw_vehicle(vehicle))
        if not as_json:
            print(f"\nwrote {svg}")
    if copy is not None:
        from roadcraft.core.files import write_atomic

        if copy.exists():
            raise ConfigError(f"{copy} is there already; name a new file")
        write_atomic(copy, (Path(name) if own else vehicle_file(name)).read_text("utf-8"))
        if not as_json:
            print(f"\nwrote {copy}")


def _row(vehicle: Vehicle) -> dict[str, Any]:
    from roadcraft.core.vehicles.geometry import length_of

    return {
        "name": vehicle.name,
        "units": [u.kind for u in vehicle.units],
        "length_m": length_of(vehicle),
        "mass_kg": {load: sum(m.mass_kg for m in _loaded(vehicle, load).masses) for load in vehicle.loads},
        "summary": vehicle.summary,
    }


def _loaded(vehicle: Vehicle, load: str) -> Vehicle:
    from dataclasses import replace

    return replace(vehicle, load=load)


def _details(vehicle: Vehicle) -> dict[str, Any]:
    from roadcraft.core.vehicles.geometry import full_lock_m, least_circle, swept_path

    circle, turn = least_circle(vehicle), swept_path(vehicle)
    keys = ("length_m", "width_m", "height_m", "wheel_base_m", "hitch_m", "axles_m")
    units = [{"kind": u.kind, **{k: getattr(u, k) for k in keys}} for u in vehicle.units]
    for unit in units[-1:]:
        unit["hitch_m"] = None
    return {
        "parts": units,
        "loads": {load: _load(_loaded(vehicle, load)) for load in vehicle.loads},
        "full_lock_rad": vehicle.max_steering_rad,
        "folds_at_full_lock": circle is None or bool(circle.radii_m[0] > full_lock_m(vehicle)),
        "circle": circle
        and {
            "outer_m": circle.outer_m,
            "inner_m": circle.inner_m,
            "swept_m": circle.swept_m,
            "steered_m": circle.steered_m,
            "joints_rad": circle.joints_rad.tolist(),
        },
        "turn": {
            "radius_m": turn.radius_m,
            "swept_width_m": turn.swept_width_m,
            "offtracking_m": turn.offtracking_m,
            "tail_swing_m": turn.tail_swing_m.tolist(),
            "max_joint_rad": turn.max_joint_rad.tolist(),
        },
    }


def _load(vehicle: Vehicle) -> dict[str, Any]:
    from roadcraft.core.vehicles.geometry import static_loads
    from roadcraft.core.vehicles.vehicle import GRAVITY_MPS2

    loads, of_all = static_loads(vehicle), vehicle.loads[vehicle.load]
    return {
        "mass_kg": [m.mass_kg for m in vehicle.masses],
        "axles_kg": [loads.steered_N / GRAVITY_MPS2, *(loads.axles_N / GRAVITY_MPS2).tolist()],
        "srt_g": [m.srt_g for m in vehicle.masses],
        "brake_mps2": of_all.brake_mps2,
        "launch_mps2": of_all.launch_mps2,
        "at_80_kmh_mps2": _acceleration(vehicle, 80.0 / 3.6),
    }


def _acceleration(vehicle: Vehicle, speed: float) -> float | None:
    """What the engine has left on a level road, in m/s2; None where it is not known."""
    from roadcraft.core.vehicles.vehicle import GRAVITY_MPS2

    p = vehicle.powertrain
    if p is None:
        return None
    mass = sum(m.mass_kg for m in vehicle.masses)
    drive = min(p.driveline * p.power_W / speed, mass * vehicle.loads[vehicle.load].launch_mps2)
    resists = mass * GRAVITY_MPS2 * p.rolling + 0.6 * p.drag_area_m2 * speed**2  # air of 1.2 kg/m3
    return (drive - resists) / (p.rotating_mass_factor * mass)


def _print_list(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console

    table = _table("name", "units", "length, m", "mass, t", "summary")
    for r in rows:
        table.add_row(r["name"], str(len(r["units"])), f"{r['length_m']:.2f}", _masses(r["mass_kg"]), r["summary"])
    Console().print(table)
    print("\none in full: roadcraft vehicles NAME; one of your own: roadcraft vehicles FILE.yaml")


def _masses(mass_kg: dict[str, float]) -> str:
    """Loads of one mass stand together."""
    by_mass: dict[float, list[str]] = {}
    for load, mass in mass_kg.items():
        by_mass.setdefault(mass, []).append(load)
    return "\n".join(f"{mass / 1000:.1f} {', '.join(loads)}" for mass, loads in by_mass.items())


def _table(*columns: str) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        number = column not in ("name", "mass, t", "summary", "unit", "load", "axles")
        table.add_column(
            column, justify="right" if number else "left", no_wrap=column in ("name", "unit", "load", "axle loads, t")
        )
    return table


def _print_vehicle(row: dict[str, Any]) -> None:
    from rich.console import Console

    console = Console()
    console.print(": ".join(filter(None, (row["name"], row["summary"]))), markup=False, highlight=False)
    console.print(
        f"{row['length_m']:.2f} m long; lengths in m, axles and hitches ahead of the unit's reference\n",
        highlight=False,
    )
    table = _table("unit", "length", "width", "height", "wheel base", "next hitch", "axles")
    for u in row["parts"]:
        numbers = [_number(u[k]) for k in ("length_m", "width_m", "height_m", "wheel_base_m", "hitch_m")]
        table.add_row(u["kind"], *numbers, ", ".join(f"{a:g}" for a in u["axles_m"]))
    console.print(table, "")
    if row["loads"]:
        table = _table("load", "mass, t", "axle loads, t", "roll, g", "brake", "launch", "80 km/h")
        for load, v in row["loads"].items():
            axles, roll = _several(v["axles_kg"], 0.001, 1), _several([g for g in v["srt_g"] if g], 1.0, 2)
            last = [_number(v[k]) for k in ("brake_mps2", "launch_mps2", "at_80_kmh_mps2")]
            table.add_row(load, f"{sum(v['mass_kg']) / 1000:.1f}", axles, roll, *last)
        console.print(
            table,
            "axle loads: steered axle, then by unit; roll: thresholds of the units that roll together, in g; brakes "
            "and accelerations in m/s2, dry level road\n",
            highlight=False,
        )
    else:
        console.print("no masses: it moves by kinematics alone\n", highlight=False)
    print("\n".join(_turning(row)))


def _turning(row: dict[str, Any]) -> list[str]:
    lock, circle, turn = math.degrees(row["full_lock_rad"]), row["circle"], row["turn"]
    lines = [f"circle at full lock, {lock:.0f} degrees"]
    if row["folds_at_full_lock"]:
        lines = [f"at full lock, {lock:.0f} degrees, a trailer folds: there is no steady circle"]
        lines += ["tightest steady circle, the rear axle's radius in whole meters"] if circle else []
    if circle:
        lines += [f"  outer radius {circle['outer_m']:.2f} m, swept width {circle['swept_m']:.2f} m"]
    lines += [
        f"turn of 90 degrees, steered axle on R = {turn['radius_m']:g} m",
        f"  swept width {turn['swept_width_m']:.2f} m, off-tracking {turn['offtracking_m']:.2f} m, "
        f"tail swing {_several(turn['tail_swing_m'], 1.0, 2)} m",
    ]
    if turn["max_joint_rad"]:
        lines.append(f"  joints up to {_several(turn['max_joint_rad'], 180.0 / math.pi, 0)} degrees")
    return lines


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _several(values: list[float], scale: float, digits: int) -> str:
    return ", ".join(f"{scale * v:.{digits}f}" for v in values)
