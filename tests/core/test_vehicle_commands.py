"""``roadcraft vehicles``, and the picture of a vehicle."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from command_line import process, roadcraft

from roadcraft.core.commands.vehicles import vehicles
from roadcraft.core.errors import ConfigError
from roadcraft.core.vehicles.drawing import draw_vehicle
from roadcraft.core.vehicles.geometry import length_of, swept_path
from roadcraft.core.vehicles.vehicle import load_vehicle, vehicle_names

SVG = "{http://www.w3.org/2000/svg}"


def test_the_list_names_every_vehicle(capsys: pytest.CaptureFixture[str]) -> None:
    vehicles(as_json=True)
    rows = json.loads(capsys.readouterr().out)
    assert [r["name"] for r in rows] == vehicle_names()
    twins = next(r for r in rows if r["name"] == "us_twins_28")
    assert twins["units"] == ["tractor", "semitrailer", "dolly", "semitrailer"]
    assert twins["mass_kg"] == {"empty": 16_900, "loaded": 35_100, "cubed": 35_100}
    vehicles()
    out = capsys.readouterr().out
    assert re.search(r"us_twins_28 +4 +22\.00 +16\.9 empty", out)
    assert "35.1 loaded, cubed" in out


def test_one_vehicle_is_shown_with_loads_circle_and_turn(capsys: pytest.CaptureFixture[str]) -> None:
    vehicles("us_sleeper_53", as_json=True)
    row = json.loads(capsys.readouterr().out)
    assert row["loads"]["loaded"]["axles_kg"] == pytest.approx([5490.0, 15381.0, 15416.0], abs=1.0)
    assert row["loads"]["loaded"]["srt_g"] == [None, 0.34]
    assert row["loads"]["loaded"]["at_80_kmh_mps2"] == pytest.approx(0.23, abs=0.005)
    assert row["turn"]["swept_width_m"] == pytest.approx(8.708, abs=0.003)
    assert row["folds_at_full_lock"]
    vehicles("us_sleeper_53")
    out = capsys.readouterr().out
    assert "at full lock, 40 degrees, a trailer folds: there is no steady circle" in out
    assert "swept width 8.71 m, off-tracking 5.79 m, tail swing 0.02, 0.03 m" in out
    assert re.search(r"ltl +36\.3 +5\.5, 15\.4, 15\.4 +0\.28 +4\.50 +1\.00 +0\.23", out)


@pytest.mark.parametrize("name", vehicle_names())
def test_every_vehicle_is_shown(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    vehicles(name)
    out = capsys.readouterr().out
    assert ("no masses" in out) == (not load_vehicle(name).loads)
    assert ("folds" in out) != ("circle at full lock" in out)


def test_a_file_of_ones_own_is_shown_and_drawn(tmp_path: Path) -> None:
    file, picture = tmp_path / "van.yaml", tmp_path / "pictures" / "van.svg"
    file.write_text(
        "units: [{front_m: 4, rear_m: 1, width_m: 2, height_m: 2, wheel_base_m: 3}]\n"
        "max_steering_rad: 0.6\naccel_lag_s: 0.2\nsteering_lag_s: 0.1\n"
    )
    done = roadcraft("vehicles", file, "--svg", picture)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("van\n")
    assert f"wrote {picture}" in done.stdout
    assert ElementTree.fromstring(picture.read_text()).tag == f"{SVG}svg"


def test_a_vehicle_s_file_is_copied_and_read_again(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    done = roadcraft("vehicles", "us_sleeper_53", "--copy", own)
    assert (done.returncode, f"wrote {own}" in done.stdout) == (0, True), done.stderr
    assert load_vehicle(file=str(own)) == load_vehicle("us_sleeper_53")


def test_a_vehicle_without_any_steady_circle_is_told(tmp_path: Path) -> None:
    trailer = "  - {front_m: 99, rear_m: 9, width_m: 2, height_m: 3, wheel_base_m: 98, kind: semitrailer}\n"
    file, picture = tmp_path / "long.yaml", tmp_path / "long.svg"
    file.write_text(
        "units:\n  - {front_m: 5, rear_m: 1, width_m: 2, height_m: 3, wheel_base_m: 4}\n" + 5 * trailer +
        "max_steering_rad: 0.6\naccel_lag_s: 0.2\nsteering_lag_s: 0.1\n"
    )  # fmt: skip
    done = roadcraft("vehicles", file, "--svg", picture)
    assert done.returncode == 0, done.stderr
    assert "a trailer folds: there is no steady circle" in done.stdout
    assert "outer radius" not in done.stdout + picture.read_text()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["us_sleper_53"], 2, "there is no vehicle 'us_sleper_53'; did you mean 'us_sleeper_53'?"),
        (["nothing.yaml"], 4, "nothing.yaml: cannot be read"),
        (["--svg", "a.svg"], 2, "--svg draws one vehicle"),
        (["--copy", "a.yaml"], 2, "--copy writes one vehicle"),
        (["pacifica", "--copy", "/dev/null"], 2, "/dev/null is there already"),
        (["pacifica", "--svg", "/dev/null/a.svg"], 4, "/dev/null/a.svg: cannot be written"),
    ],
)
def test_what_cannot_be_shown_is_told(words: list[str], code: int, message: str) -> None:
    done = roadcraft("vehicles", *words)
    assert (done.returncode, message in done.stderr) == (code, True), done.stderr


def test_a_picture_of_no_vehicle_is_refused() -> None:
    with pytest.raises(ConfigError, match="give its name"):
        vehicles(svg=Path("a.svg"))


def test_neither_listing_nor_picture_loads_numba(tmp_path: Path) -> None:
    code = "import sys\nfrom roadcraft.core.commands.vehicles import vehicles\nfrom pathlib import Path\n"
    code += "vehicles()\nvehicles('au_b_double', Path(sys.argv[1]))\nprint('MODULES', *sys.modules)"
    done = process(tmp_path / "a.svg", code=code)
    assert done.returncode == 0, done.stderr
    assert not {"numba", "scipy", "torch", "pyarrow"} & set(done.stdout.rsplit("MODULES", 1)[1].split())


@pytest.mark.parametrize("name", vehicle_names())
def test_the_picture_is_to_scale_and_within_its_frame(name: str) -> None:
    vehicle = load_vehicle(name)
    text = draw_vehicle(vehicle)
    assert len(text) < 60_000
    root = ElementTree.fromstring(text)
    width, height = (float(v) for v in root.attrib["viewBox"].split()[2:])
    points = [
        np.array([p.split(",") for p in e.attrib["points"].split()], float) for e in root.iter() if "points" in e.attrib
    ]
    every = np.concatenate(points)
    assert every.min() >= 0.0
    assert np.all(every.max(0) <= (width, height))
    texts = [e.text for e in root.iter(f"{SVG}text")]
    assert f"{length_of(vehicle):.2f}" in texts
    assert f"swept width {swept_path(vehicle).swept_width_m:.2f}" in texts
    ground = next(p for e, p in zip((e for e in root.iter() if "points" in e.attrib), points, strict=True)
                  if e.tag == f"{SVG}polyline" and len(p) == 2)  # fmt: skip
    scale = np.ptp(ground[:, 0]) / length_of(vehicle)
    axles = [float(c.attrib["cx"]) for c in root.iter(f"{SVG}circle")][: len(vehicle.body.axles_m) + 1]
    assert (axles[-1] - np.mean(axles[:-1])) / scale == pytest.approx(vehicle.body.wheel_base_m, abs=0.01)
