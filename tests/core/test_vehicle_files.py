"""The vehicles that come with roadcraft: where each number is from, and what their axles bear."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from roadcraft.core.driving.motion import linear_single_track
from roadcraft.core.vehicles import vehicle as vehicle_module
from roadcraft.core.vehicles.geometry import length_of, static_loads
from roadcraft.core.vehicles.vehicle import load_vehicle, vehicle_names

FOLDER = Path(vehicle_module.__file__).parent
TRUCKS = [n for n in vehicle_names() if n not in ("pacifica", "ford_fusion")]
WEIGHED = [n for n in TRUCKS if load_vehicle(n).loads]
SOURCES = (
    "23 CFR 658", "40 CFR 1037.520", "92/6/EEC", "96/53/EC annex I", "AASHTO 2004, ", "CommonRoad parameters_vehicle4 ",
    "FHWA grade severity rating", "IITS 0f5cd71", "NCHRP 505", "NCHRP 671", "NHVR: ", "OpenPBS ", "OpenPBS: ",
    "UMTRI, ", "105 km/h, typical of US fleets", "nuplan-devkit, ", "py123d 0.6.0", "engineering choice",
)  # fmt: skip
UNVERIFIED = ("23 CFR 658", "40 CFR 1037.520", "92/6/EEC", "FHWA grade severity rating", "UMTRI", "US fleets")


def unsourced(text: str) -> list[str]:
    """Lines of a vehicle file that give a number and no source, or one that is not marked as it must be."""
    found = []
    for line in text.splitlines():
        value, _, comment = line.partition("#")
        number = re.fullmatch(r"[\s-]*[\w]+:\s*\[?[-+.\d][-+.\deE, ]*\]?\s*", value)
        source = comment.strip()
        marked = "unverified" in source or not any(s in source for s in UNVERIFIED)
        if number and not (source.startswith(SOURCES) and marked):
            found.append(line.strip())
    return found


@pytest.mark.parametrize("name", vehicle_names())
def test_every_number_names_its_source(name: str) -> None:
    assert not unsourced((FOLDER / f"{name}.yaml").read_text())


def test_a_number_without_a_source_is_found() -> None:
    text = "name: x 53\nfront_m: 1\n  - rear_m: 2.0  # a guess\naxles_m: [1, -1]\nsrt_g: .3  # UMTRI, van\nrate: 1e3\n"
    assert len(unsourced(text)) == 5
    assert not unsourced("front_m: 1  # engineering choice\nsrt_g: 0.3  # UMTRI, van (unverified)\nkind: dolly\n")


def test_the_trucks_are_these() -> None:
    assert TRUCKS == [
        "artic_bus", "au_b_double", "cn_6x4_tridem", "commonroad_4", "eu_4x2_13m6", "eu_road_train", "nordic_25m25",
        "se_a_double", "us_city_bus", "us_daycab_53", "us_sleeper_53", "us_straight_26", "us_twins_28",
    ]  # fmt: skip
    assert sorted(set(TRUCKS) - set(WEIGHED)) == ["artic_bus", "commonroad_4", "eu_road_train"]


# tonnes on the steered axle, on the other axles of unit 0, and on those of each unit behind
LOADED_T = {
    "us_daycab_53": (5.2, 15.6, 15.4),
    "us_sleeper_53": (5.5, 15.4, 15.4),
    "eu_4x2_13m6": (7.1, 10.9, 22.0),
    "au_b_double": (6.0, 16.5, 20.0, 20.0),
    "se_a_double": (7.3, 16.8, 19.3, 16.1, 20.4),
    "us_twins_28": (4.1, 9.1, 7.0, 7.9, 7.0),
    "nordic_25m25": (8.0, 18.5, 16.1, 20.4),
    "us_straight_26": (4.3, 7.5),
    "us_city_bus": (5.8, 11.2),
}


def tonnes(name: str, load: str) -> list[float]:
    loads = static_loads(load_vehicle(name, load=load))
    return [loads.steered_N / 9810.0, *(loads.axles_N / 9810.0)]


@pytest.mark.parametrize("name", LOADED_T)
def test_axle_loads_are_those_of_the_table(name: str) -> None:
    assert tonnes(name, "loaded") == pytest.approx(LOADED_T[name], abs=0.051)
    assert tonnes(name, "cubed") == tonnes(name, "loaded")


@pytest.mark.parametrize("load", ["empty", "loaded", "cubed"])
@pytest.mark.parametrize(
    ("name", "gross", "limits"),
    [
        ("us_daycab_53", 36.287, (9.072, 15.422, 15.422)),
        ("us_sleeper_53", 36.287, (9.072, 15.422, 15.422)),
        ("us_twins_28", 36.287, (9.072,) * 5),
        ("us_straight_26", 36.287, (9.072, 9.072)),
        ("eu_4x2_13m6", 40.0, (10.0, 11.5, 24.0)),
    ],
)
def test_axle_loads_keep_the_limits_of_the_law(name: str, gross: float, limits: tuple[float, ...], load: str) -> None:
    found = tonnes(name, load)
    assert sum(found) <= gross + 0.001
    assert np.all(np.array(found) <= 1.015 * np.array(limits))


@pytest.mark.parametrize("name", WEIGHED)
def test_a_heavier_load_has_more_mass_and_tips_sooner(name: str) -> None:
    empty, loaded, cubed = (load_vehicle(name, load=load) for load in ("empty", "loaded", "cubed"))
    assert empty.has_masses
    masses = [sum(m.mass_kg for m in v.masses) for v in (empty, loaded, cubed)]
    assert masses[0] < masses[1] == masses[2]
    for a, b, c in zip(empty.masses, loaded.masses, cubed.masses, strict=True):
        assert a.mass_kg == b.mass_kg or a.cog_height_m < b.cog_height_m < c.cog_height_m
        assert (a.srt_g, b.srt_g, c.srt_g) == (None,) * 3 or a.srt_g >= b.srt_g > c.srt_g
    assert all(min(tonnes(name, load)) > 1.0 for load in empty.loads)


@pytest.mark.parametrize("name", WEIGHED)
def test_one_unit_of_each_roll_group_gives_the_threshold(name: str) -> None:
    vehicle = load_vehicle(name, load="loaded")
    group = np.cumsum([u.kind not in ("semitrailer",) for u in vehicle.units])
    given = np.array([m.srt_g is not None for m in vehicle.masses])
    assert [int(given[group == g].sum()) for g in np.unique(group)] == [1] * len(np.unique(group))


@pytest.mark.parametrize(
    ("name", "longest"),
    [
        ("eu_4x2_13m6", 16.5),
        ("cn_6x4_tridem", 16.5),
        ("eu_road_train", 18.75),
        ("au_b_double", 26.0),
        ("us_sleeper_53", 22.4),
        ("artic_bus", 18.3),
        ("commonroad_4", 16.5),
        ("us_city_bus", 12.2),
    ],
)
def test_lengths_keep_their_envelope(name: str, longest: float) -> None:
    assert 0.93 * longest < length_of(load_vehicle(name)) <= longest + 1e-9


@pytest.mark.parametrize(
    ("name", "damping"),
    [
        ("us_daycab_53", (0.76, 0.70, 0.63)),
        ("us_sleeper_53", (0.81, 0.75, 0.67)),
        ("eu_4x2_13m6", (0.30, 0.26, 0.22)),
        ("au_b_double", (0.50, 0.46, 0.40)),
        ("se_a_double", (0.32, 0.29, 0.25)),
        ("us_twins_28", (0.31, 0.28, 0.25)),
        ("nordic_25m25", (0.32, 0.29, 0.25)),
    ],
)
def test_loaded_trucks_damp_yaw_as_the_table_says(name: str, damping: tuple[float, ...]) -> None:
    """At 80, 88 and 100 km/h, by masses, inertias and places of the files."""
    vehicle = load_vehicle(name, load="loaded")
    models = [linear_single_track.linear_single_track(vehicle, v / 3.6) for v in (80.0, 88.0, 100.0)]
    assert [linear_single_track.least_damping(m) for m in models] == pytest.approx(damping, abs=0.0051)


@pytest.mark.parametrize("name", WEIGHED)
def test_every_load_drives_straight_and_stands_on_all_axles(name: str) -> None:
    for load in load_vehicle(name).loads:
        vehicle = load_vehicle(name, load=load)
        assert tonnes(name, load) == pytest.approx(linear_single_track.static_loads(vehicle) / 9810.0, rel=1e-12)
        model = linear_single_track.linear_single_track(vehicle, 25.0)
        assert linear_single_track.least_damping(model) > 0.2
