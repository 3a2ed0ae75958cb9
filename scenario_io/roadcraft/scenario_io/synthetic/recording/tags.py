"""Which of nuPlan's scenario tags hold at each step of a stage's motion, and where a log's window and anchors are
laid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, Mask
from roadcraft.core.data.map import LaneKind
from roadcraft.core.data.scenario import LightState, ObjectKind
from roadcraft.core.driving.geometry.angles import wrap_array
from roadcraft.core.driving.geometry.frames import to_frame
from roadcraft.scenario_io.synthetic.roads.junction import Control
from roadcraft.scenario_io.synthetic.roads.paths import STEP
from roadcraft.scenario_io.synthetic.situations.scene import SyntheticScene
from roadcraft.scenario_io.synthetic.traffic.drivers import DT
from roadcraft.scenario_io.synthetic.traffic.traffic import Motion

FRAMES = 690  # 34.5 s at 20 Hz
WARM_UP = 70  # steps before a log may begin
# Frames of a log that may carry tags: 3 s of past and the 2.2 s more that the reference's reader asks for ahead of it
# (nuplan-devkit e924167 fails
# where they are not there) and a little more, 12 s of scenario and 8 s of future beyond it.
FIRST_ANCHOR, LAST_ANCHOR = 110, 285
SCENE_STARTS = (0, 30, 60, 136, 212, 290, 490)


@dataclass(frozen=True)
class View:
    """What surrounds the ego, per step T: s, v, a (T,), front arc, lat_accel, segment number, lead kind (-1 none), gap,
    lead speed and length, and of all others: distance (T, N) from box to box center, along and across in the ego's
    frame, speed."""

    s: F64
    v: F64
    a: F64
    lat: F64
    seg: NDArray[np.int64]
    gap: F64
    lead: NDArray[np.int64]
    along: F64
    across: F64
    speed: F64
    there: Mask


def view_of(scene: SyntheticScene, m: Motion) -> View:
    """The ego's view of a motion."""
    path = scene.ego_path
    assert path is not None
    s, v = m.s[:, 0], m.speed[:, 0]
    k = np.clip((s / STEP).astype(int), 0, len(path.heading) - 2)
    curvature = (path.heading[k + 1] - path.heading[k]) / STEP
    seg = np.clip(np.searchsorted(path.starts, s + 1.5, side="right") - 1, 0, len(path.route.segments) - 1)
    dx, dy = m.box[:, :, 0] - m.box[:, :1, 0], m.box[:, :, 1] - m.box[:, :1, 1]
    h = m.box[:, :1, 2]
    return View(
        s, v, m.accel[:, 0], v * v * curvature, np.array(path.route.segments)[seg], m.gap, m.lead,
        np.cos(h) * dx + np.sin(h) * dy, np.cos(h) * dy - np.sin(h) * dx, m.speed, m.active,
    )  # fmt: skip


def conditions(scene: SyntheticScene, m: Motion) -> dict[str, Mask]:
    """Each tag's mask over the steps."""
    w = view_of(scene, m)
    out = _following(scene, w)
    out.update(_junctions(scene, w))
    out.update(_neighbors(scene, w))
    out.update(_people_and_things(scene, w, m))
    v = w.v
    out["high_magnitude_speed"], out["low_magnitude_speed"] = v > 11.0, (v > 0.3) & (v < 1.3)
    out["medium_magnitude_speed"] = (v > 4.0) & (v < 9.0)
    out["high_lateral_acceleration"] = np.abs(w.lat) > 1.6
    out["stationary"] = v < 0.05
    if scene.lane_change is not None:
        begin, end, side = scene.lane_change
        on = (w.s > begin + 0.2 * (end - begin)) & (w.s < begin + 0.8 * (end - begin)) & (v > 2)
        out["changing_lane"], out["changing_lane_to_left"], out["changing_lane_to_right"] = (
            on,
            on & (side > 0),
            on & (side < 0),
        )
    return out


def _following(scene: SyntheticScene, w: View) -> dict[str, Mask]:
    n = len(scene.kinds)
    kind = np.array([int(k) for k in scene.kinds] + [int(ObjectKind.PEDESTRIAN)] * len(scene.pedestrians) + [-1])
    length = np.array([c[0] for c in scene.consts] + [0.6] * len(scene.pedestrians) + [0.0])
    lead_kind, lead_length = kind[w.lead], length[w.lead]
    row = np.clip(w.lead, 0, n - 1)
    lead_v = np.where((w.lead >= 0) & (w.lead < n), w.speed[np.arange(len(w.v)), row], 0.0)
    car = (lead_kind == ObjectKind.VEHICLE) & (w.lead >= 0)
    near = car & (w.gap < np.maximum(12.0, 3.0 * w.v))
    v = w.v
    bike = np.array([k == ObjectKind.BICYCLE for k in scene.kinds])
    queue = near & (w.gap < 9.0) & (v < 0.1)
    return {
        "following_lane_with_lead": near & (v > 3.0) & (lead_v > 2.0),
        "following_lane_with_slow_lead": near & (v > 1.5) & (lead_v > 1.0) & (lead_v < 6.5),
        "following_lane_without_lead": (v > 4.0) & (w.gap > 60.0),
        "stationary_in_traffic": queue & (((np.abs(w.along) < 25) & w.there).sum(1) >= 3),
        "stopping_with_lead": car & (w.gap < 16.0) & (v > 0.4) & (v < 4.0) & (w.a < -0.5) & (lead_v < 1.2),
        "behind_long_vehicle": near & (lead_length > 8.0) & (v > 2.0) & (w.gap < 25.0),
        "near_long_vehicle": near & (lead_length > 8.0) & (w.gap < 10.0),
        "behind_bike": (w.there & bike & (w.along > 3.5) & (w.along < 24.0) & (np.abs(w.across) < 2.6)).any(1)
        & (v > 1.5),
    }


def _turn_of(scene: SyntheticScene, seg: int) -> str:
    """'left', 'right' or 'straight' of a connector."""
    c = scene.sketch.segments[seg].center
    angle = wrap_array(np.arctan2(*(c[-1] - c[-2])[::-1]) - np.arctan2(*(c[1] - c[0])[::-1]))
    return "left" if angle > 0.6 else ("right" if angle < -0.6 else "straight")


def _junctions(scene: SyntheticScene, w: View) -> dict[str, Mask]:
    path, sketch = scene.ego_path, scene.sketch
    assert path is not None
    out: dict[str, Mask] = {}
    body = scene.consts[0][2]
    for seg, start in zip(path.route.segments, path.starts, strict=False):
        x = sketch.segments[seg]
        if x.kind != LaneKind.CONNECTOR or x.priority == 0:
            continue
        d, v = start - (w.s + body), w.v
        entering = (d < 0.5) & (d > -5.0) & (v > 0.4)
        inside = (d < -2.0) & (d > -x.length)
        near = (d > 0.5) & (d < 22.0)
        alone = w.gap > d + 12.0
        turn, light = _turn_of(scene, seg), x.control == Control.LIGHT
        out["on_intersection"] = out["traversing_intersection"] = inside & (v > 0.5)
        red = np.zeros(len(v), bool)
        if light and scene.lights is not None:
            red = scene.lights[: len(v), x.light] == int(LightState.RED)
            out["traversing_traffic_light_intersection"] = out["on_traffic_light_intersection"] = inside & (v > 0.5)
            out["stopping_at_traffic_light_without_lead"] = near & alone & (w.a < -0.4) & (v > 0.5) & (v < 7) & red
            out["stopping_at_traffic_light_with_lead"] = (
                (d > 5) & (d < 45) & ~alone & (w.gap < 20) & (w.a < -0.4) & (v > 0.5) & (v < 7) & red
            )
            out["stationary_at_traffic_light_without_lead"] = near & alone & (v < 0.1) & red
            out["stationary_at_traffic_light_with_lead"] = (d > 5) & (d < 45) & (w.gap < 10) & (v < 0.1) & red
        if turn != "straight":
            out[f"starting_{turn}_turn"] = entering
            yields = x.priority == 1 or not light
            cross = "cross" if turn == "left" else "noncross"
            out[f"starting_{'unprotected' if yields else 'protected'}_{cross}_turn"] = entering
        elif light:
            out["starting_straight_traffic_light_intersection_traversal"] = entering
        elif x.control == Control.STOP:
            out["starting_straight_stop_sign_intersection_traversal"] = entering
        if x.control in (Control.STOP, Control.ALL_WAY):
            out["stopping_at_stop_sign_without_lead"] = near & (d < 18) & alone & (w.a < -0.4) & (v > 0.5) & (v < 7)
            out["on_stopline_stop_sign"] = (d > -0.5) & (d < 2.5) & (v < 0.5)
        if x.control == Control.ALL_WAY:
            out["on_all_way_stop_intersection"] = inside & (v > 0.5)
    return out


def _neighbors(scene: SyntheticScene, w: View) -> dict[str, Mask]:
    others = w.there.copy()
    others[:, 0] = False
    distance = np.hypot(w.along, w.across)
    moving = others & (w.speed > 0.5)
    trail = others & (w.along < -4) & (w.along > -30) & (np.abs(w.across) < 5.5)
    return {
        "near_multiple_vehicles": ((moving & (distance < 20.0)).sum(1) >= 4) & (w.v > 2.0),
        "near_high_speed_vehicle": ((others & (distance < 22.0) & (w.speed > 11.0)).sum(1) >= 1) & (w.v > 3.0),
        "changing_lane_with_trail": trail.any(1) & (w.v > 2.0) & (scene.merge_lane >= 0),
    }


def _people_and_things(scene: SyntheticScene, w: View, m: Motion) -> dict[str, Mask]:
    out: dict[str, Mask] = {}
    x, y, h = m.box[:, 0, 0], m.box[:, 0, 1], m.box[:, 0, 2]

    def relative(px: F64, py: F64) -> tuple[F64, F64]:
        dx, dy = px - x[:, None], py - y[:, None]
        c, s = np.cos(h)[:, None], np.sin(h)[:, None]
        return to_frame(dx, dy, c, s)

    crossing = [q for q, pedestrian in enumerate(scene.pedestrians) if pedestrian["walk"] >= 0]
    if crossing:
        legs = np.array([scene.pedestrians[q]["curb"] for q in crossing])
        pace = np.array([scene.pedestrians[q]["speed"] for q in crossing])
        start = np.array([scene.pedestrians[q]["start"] for q in crossing])
        done = start + np.cumsum(m.walker_speed[:, crossing], 0) * DT
        on = (done > legs[:, 0] - 0.3) & (done < legs[:, 1]) & (m.walker_speed[:, crossing] > 0.3 * pace)
        ahead, aside = relative(m.walker[:, crossing, 0], m.walker[:, crossing, 1])
        close = on & (ahead > 2) & (ahead < 18) & (np.abs(aside) < 8)
        out["waiting_for_pedestrian_to_cross"] = np.asarray(close.any(1)) & (w.v < 1.5)
        near = on & (ahead > -2) & (ahead < 20) & (np.abs(aside) < 10)
        out["near_pedestrian_on_crosswalk"] = np.asarray(near.any(1))
    for tag, kind, low, high, wide in (
        ("near_trafficcone_on_driveable", ObjectKind.TRAFFIC_CONE, 0.0, 14.0, 5.0),
        ("traversing_pickup_dropoff", ObjectKind.VEHICLE, -2.0, 14.0, 5.0),
    ):
        rows = np.array([box for k, box, _ in scene.statics if k == kind])
        if len(rows) and (tag != "traversing_pickup_dropoff" or scene.tag == tag):
            ahead, aside = relative(rows[None, :, 0], rows[None, :, 1])
            close = (ahead > low) & (ahead < high) & (np.abs(aside) < wide)
            out[tag] = np.asarray(close.any(1)) & (w.v > 1.0)
    return out
