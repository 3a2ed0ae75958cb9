"""Feature groups: ours keep the contract of anybody's; what a third party's does wrong is told with its name and
package; a package of its own adds one."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import environment, install, process
from numba import njit

from roadcraft.core.commands.features import features
from roadcraft.core.driving.features.build import allocate, build_features, layout_hash, merge_specs
from roadcraft.core.driving.features.columns import EgoColumn, FeatureColumn, LaneColumn
from roadcraft.core.driving.features.group import FeatureGroup, FeatureTensor, Mirror, TensorGroup
from roadcraft.core.driving.features.listing import feature_lines, feature_rows
from roadcraft.core.driving.features.mirror import check_mirror, mirror
from roadcraft.core.driving.features.scene import scenes_of
from roadcraft.core.driving.features.spec import KEYWORDS, OURS, FeatureSpec, flat_settings
from roadcraft.core.errors import ConfigError, PluginError
from roadcraft.core.plugins import registry as registry_module
from roadcraft.core.plugins.hookspecs import PluginSpec
from roadcraft.core.plugins.registry import Provided, Registry, registry
from roadcraft.core.testing import FeatureConformance
from roadcraft.core.testing.world import made_up_scenario, observe

EXAMPLE = Path(__file__).parents[2] / "examples" / "roadcraft-history"
CHECKPOINT = Path(__file__).parents[1] / "compatibility/fixtures/checkpoints/vector_transformer-multimodal"


class OfOurs(FeatureConformance):
    """Suites of our groups, with what is off by default switched on. Conditions are told by training itself, and a
    picture's cells may go either way."""


for _name, _params in {
    "scene": {},
    "agents": {"count": 4},
    "static": {"count": 2},
    "map": {"lanes": 6, "points": 8, "links": 2},
    "reference_lines": {"points": 20},
    "ego_units": {},
    "places": {},
}.items():
    _suite = f"Test{_name.title().replace('_', '')}"
    globals()[_suite] = type(_suite, (OfOurs,), {"name": _name, "params": _params, "__module__": __name__})


@dataclass(frozen=True)
class GapConfig:
    """Made up."""

    count: int = 3
    step_m: float = 1.0


class Gap(FeatureGroup):
    """Made up: the ego's distance from where it was, in the last frames."""

    capacities = ("count",)
    latest = ("count",)
    needs = ("agents",)

    def tensors(self) -> dict[str, FeatureTensor]:
        return {
            "gap": FeatureTensor("distances", ("gap.count",), None, mirror=Mirror()),
            "gap_agent": FeatureTensor(
                "rows of agents", ("gap.count",), None, "int64", "", Mirror(), rows_of="agents.count"
            ),
        }

    def write(self, scene: Any, out: Any, b: int, spec: FeatureSpec) -> None:
        past, known = scene.ego_past
        out["gap"][b] = (np.hypot(*(past - scene.ego)[:, :2].T) * known)[-self.config.count :]


class Unmirrored(Gap):
    def tensors(self) -> dict[str, FeatureTensor]:
        return {"gap": FeatureTensor("distances", ("gap.count",))}


class Clashing(Gap):
    def tensors(self) -> dict[str, FeatureTensor]:
        return {"lane": FeatureTensor("not ours", ("gap.count",), mirror=Mirror())}


class Needy(Gap):
    needs = ("nobody",)


class Unwritten(TensorGroup):
    def tensors(self) -> dict[str, FeatureTensor]:
        return {"gap": FeatureTensor("distances", ("gap.count",), mirror=Mirror())}


class Wider(Gap):
    def tensors(self) -> dict[str, FeatureTensor]:
        return super().tensors() | {"gap": FeatureTensor("distances", ("gap.count",), EgoColumn, mirror=Mirror())}


class Typeless(Gap):
    def tensors(self) -> dict[str, FeatureTensor]:
        return {"gap": FeatureTensor("distances", dtype="flout32", mirror=Mirror())}


class Untensored(Gap):
    def tensors(self) -> dict[str, FeatureTensor]:
        return {"gap": 3}  # type: ignore[dict-item]


class Crooked(Gap):
    def tensors(self) -> dict[str, FeatureTensor]:
        return {"gap": FeatureTensor("distances", ("gap.count",), EgoColumn, mirror=Mirror(negate=(99,)))}


class Infinite(Gap):
    def write(self, scene: Any, out: Any, b: int, spec: FeatureSpec) -> None:
        out["gap"][b, -1] = -np.inf


class Replacing(Gap):
    def write(self, scene: Any, out: Any, b: int, spec: FeatureSpec) -> None:
        out["gap"] = np.zeros_like(out["gap"])


class Meddling(Gap):
    def write(self, scene: Any, out: Any, b: int, spec: FeatureSpec) -> None:
        out["ego"] = out["ego"] + 1


class WronglyMirrored(Gap):
    def tensors(self) -> dict[str, FeatureTensor]:
        return {"gap": FeatureTensor("distances", ("gap.count",), mirror=lambda part: part * np.nan)}


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Registers a class of this module as the group ``gap`` of the package ``acme``."""

    def register(cls: type) -> None:
        monkeypatch.setitem(sys.modules, "acme_gap", sys.modules[__name__])
        spec = PluginSpec("feature", "gap", "Made up", "acme_gap:GapConfig", f"acme_gap:{cls.__name__}")
        ours = [p for p in registry().plugins() if p.spec.name != "gap"]
        found = Registry([*ours, Provided(spec, "acme", "1.0", False)], [], [])
        monkeypatch.setattr(registry_module, "_discovered", lambda third_party: found)

    return register


def test_settings_by_group_and_by_short_name() -> None:
    spec = FeatureSpec({"agents": {"count": 5}}, lanes=7)
    assert (spec.agents, spec.groups["agents"].count, spec.lanes, spec.groups["map"].lanes) == (5, 5, 7, 7)
    assert replace(spec, agents=6) == FeatureSpec(agents=6, lanes=7) == spec.with_groups(agents={"count": 6})
    assert hash(replace(spec)) == hash(spec)
    assert {group for group, _ in KEYWORDS.values()} == set(OURS)
    assert flat_settings(spec.tree())["map.lanes"] == flat_settings({"lanes": 7})["map.lanes"] == 7
    with pytest.raises(TypeError, match=r"no setting 'agent'; did you mean 'agents'"):
        FeatureSpec(agent=3)
    with pytest.raises(ConfigError, match="count must be"):
        FeatureSpec(agents=-1)
    with pytest.raises(PluginError, match="no feature named 'mapp'; did you mean 'map'"):
        FeatureSpec({"mapp": {}})
    with pytest.raises(ConfigError, match=r"points must be at least 2 for 3 lines"):
        FeatureSpec(reference_points=0)


def test_a_group_of_a_third_party(offer: Any) -> None:
    offer(Gap)
    spec = FeatureSpec({"gap": {"count": 2}}, agents=4)
    assert allocate(spec, 3)["gap"].shape == (3, 2)
    assert {row["tensor"]: row["provider"] for row in feature_rows(spec)}["gap"] == "acme"
    assert "gap: Made up (acme, version 1)" in feature_lines(feature_rows())
    plain = replace(spec, groups={k: v for k, v in spec.groups.items() if k != "gap"})
    assert layout_hash(plain) == layout_hash(FeatureSpec(agents=4))
    assert len({layout_hash(s) for s in (plain, spec, spec.with_groups(gap={"count": 3}))}) == 3
    merged = merge_specs(spec, FeatureSpec({"gap": {"count": 5}}))
    assert merged.size("gap.count") == 5
    assert merge_specs(plain, spec).size("gap.count") == 2
    with pytest.raises(PluginError, match=r"different grids: gap: step_m is 1\.0 and 2\.0"):
        merge_specs(spec, FeatureSpec({"gap": {"step_m": 2.0}}))


def test_other_tensors_of_a_third_party_are_another_layout(offer: Any) -> None:
    offer(Gap)
    one = layout_hash(FeatureSpec({"gap": {}}))
    offer(Wider)
    assert layout_hash(FeatureSpec({"gap": {}})) != one


def test_every_setting_of_our_groups_is_in_the_hash() -> None:
    """``schema_hash`` covers the short names alone."""
    ours = {(group, f.name) for group, settings in OURS.items() for f in fields(settings)}
    assert ours == set(KEYWORDS.values())


@dataclass(frozen=True)
class TableConfig:
    """Made up."""

    weights: dict[str, float] = field(default_factory=dict)


def test_specs_with_maps_in_their_settings_have_a_hash() -> None:
    one, two = ({**FeatureSpec().groups, "table": TableConfig(w)} for w in ({"a": 1, "b": 2.0}, {"b": 2, "a": 1.0}))
    assert FeatureSpec(one) == FeatureSpec(two)
    assert hash(FeatureSpec(one)) == hash(FeatureSpec(two)) != hash(FeatureSpec())


def test_an_encoder_sees_the_last_ones_of_what_is_shared(offer: Any) -> None:
    torch = pytest.importorskip("torch")
    from roadcraft.core.driving.features.views import FeatureView

    offer(Gap)
    own, merged = FeatureSpec({"gap": {"count": 2}}, agents=3), FeatureSpec({"gap": {"count": 4}}, agents=5)
    batch = {"gap": torch.arange(4.0)[None], "gap_agent": torch.tensor([[0, 2, 3, 4]])}
    seen = FeatureView(own, merged)(batch)
    assert seen["gap"].tolist() == [[2.0, 3.0]]
    assert seen["gap_agent"].tolist() == [[-1, -1]]  # agents 3 and 4 are beyond the three it asked for


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (Unmirrored, r"feature group 'gap' of acme does not say how to mirror 'gap': .*augment\.mirror=0"),
        (Clashing, r"'map' of roadcraft and feature group 'gap' of acme both have a tensor 'lane'"),
        (Needy, r"'gap' of acme needs the group 'nobody'"),
        (Unwritten, r"'gap' of acme is a TensorGroup without write.* derive it from FeatureGroup"),
        (Typeless, r"'gap' of acme: tensor 'gap': dtype 'flout32' is not a type of NumPy, such as float32"),
        (Untensored, r"'gap' of acme: tensor 'gap': 3 is not a FeatureTensor"),
        (Crooked, r"'gap' of acme: tensor 'gap': mirror names column 99, the columns are 0 to "),
        (GapConfig, r"'gap' of acme is a GapConfig, not a FeatureGroup"),
    ],
)
def test_mistakes_name_group_and_package(offer: Any, cls: type, message: str) -> None:
    offer(cls)
    with pytest.raises(PluginError, match=message):
        check_mirror(FeatureSpec({"gap": {}}))


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (Infinite, r"^feature group 'gap' of acme: the tensor 'gap' holds -inf; every value must be finite$"),
        (Replacing, r"^feature group 'gap' of acme: write puts an array of its own in the place of the tensor 'gap'; "
        r"it must fill row b of the one that is there: out\['gap'\]\[b\] = \.\.\.$"),
        (Meddling, r"'gap' of acme: write puts an array of its own in the place of the tensor 'ego'"),
    ],
)  # fmt: skip
def test_what_a_third_party_writes_is_checked(offer: Any, cls: type, message: str) -> None:
    offer(cls)
    spec = FeatureSpec({"gap": {}}, agents=4)
    with pytest.raises(PluginError, match=message):
        build_features(spec, scenes_of(observe([made_up_scenario("1" * 16, speed_mps=4.0)], 30), spec))


def test_what_a_third_party_mirrors_is_checked(offer: Any) -> None:
    offer(WronglyMirrored)
    spec = FeatureSpec({"gap": {}}, agents=4)
    features = build_features(spec, scenes_of(observe([made_up_scenario("1" * 16, speed_mps=4.0)], 30), spec))
    with pytest.raises(PluginError, match=r"'gap' of acme: the tensor 'gap' holds nan; every value must be finite"):
        mirror(spec, features, np.arange(1))


def test_columns_are_integers_inside_kernels_too() -> None:
    @njit
    def yaw(ego: np.ndarray) -> float:
        return ego[EgoColumn.YAW_RATE] + ego[EgoColumn.VX]

    assert yaw(np.arange(7.0)) == 5.0
    assert [c.name for c in LaneColumn] == ["X", "Y", "LEFT_X", "LEFT_Y", "RIGHT_X", "RIGHT_Y"]
    described = [c for cls in FeatureColumn.__subclasses__() for c in cls]
    assert all(c.meaning for c in described)


def test_every_tensor_is_described() -> None:
    for row in feature_rows():
        if row["provider"] == "roadcraft":
            assert row["meaning"], row["tensor"]
            assert row["mirror"], row["tensor"]
            assert not row["columns"] or row["axes"][-1] == str(len(row["columns"])), row["tensor"]


def test_the_command_lists_what_two_networks_read(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    features(["vector_transformer", "multimodal"], as_json=True)
    rows = {row["tensor"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["ego"]["columns"][6] == {
        "index": 6,
        "name": "STOPPED_TIME_S",
        "unit": "s",
        "meaning": EgoColumn.STOPPED_TIME_S.meaning,
    }
    assert rows["agent"]["shape"] == [16, 21, 6]
    assert rows["ego_future"]["target"]
    assert "raster" not in rows
    features(["bev_raster"], as_json=False)
    assert "  raster  (27, " in capsys.readouterr().out


def test_the_command_takes_settings_and_checkpoints(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")

    def shapes(*words: str) -> dict[str, list[int]]:
        features(list(words), as_json=True)
        return {row["tensor"]: row["shape"] for row in json.loads(capsys.readouterr().out)}

    assert shapes("vector_transformer")["lane"][0] != 7
    assert shapes("vector_transformer", "encoder.lanes=7")["lane"][0] == 7
    assert shapes("encoder=vector_transformer", "encoder.lanes=7", "model=multimodal")["lane"][0] == 7
    from roadcraft.planners import load_checkpoint

    network, _ = load_checkpoint(CHECKPOINT)
    assert shapes(str(CHECKPOINT)) == {k: list(shape) for k, (shape, _) in network.features.arrays.items()}
    assert shapes(f"checkpoint={CHECKPOINT}") == shapes(str(CHECKPOINT))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["vector_transformer", "multimodal", "diffusion"], "'diffusion' is one name too many"),
        (["model=multimodal"], "model: needs an encoder beside it"),
        ([str(CHECKPOINT), "encoder=vector_transformer"], "checkpoint: has an encoder and a model of its own"),
        (["vector_transformer", "encoder.lains=7"], "did you mean.*lanes"),
    ],
)
def test_the_command_refuses_what_contradicts(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        features(words)


def test_a_package_adds_a_feature_and_an_encoder_that_reads_it(tmp_path: Path) -> None:
    """The example's own tests, with its entry point visible as an installed distribution's would be."""
    pytest.importorskip("torch")
    install(tmp_path, "roadcraft-history", {"roadcraft_history": "roadcraft_history.plugin"})
    words = ("-q", "-p", "no:cacheprovider", "--rootdir", EXAMPLE, EXAMPLE / "tests")
    code = "import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))"
    done = process(*words, code=code, cwd=tmp_path, env=environment(tmp_path, EXAMPLE))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout  # not skipped for want of the package
