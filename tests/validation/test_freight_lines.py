"""Places on center lines: each against all segments asked."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings, strategies as st

from roadcraft.core.testing.world import ORIGIN
from roadcraft.validation.metrics.freight.common.lines import arcs_on, center_line, steps_at


def test_repeated_points_of_a_centerline_do_not_hide_its_places() -> None:
    line, points = np.array([[0.0, 0.0], [0.0, 0.0], [10.0, 0.0], [10.0, 5.0], [10.0, 5.0]]), np.array([[4.0, 1.0]])
    assert [float(v[0]) for v in arcs_on(center_line(line), points)] == [4.0, 1.0, 0.0]
    arc, off, heading = arcs_on(center_line(line), np.array([[-3.0, 0.0], [4.0, 1.0], [10.5, 2.0], [10.0, 89.0]]))
    np.testing.assert_array_equal(arc, [-3.0, 4.0, 12.0, 99.0])
    np.testing.assert_array_equal(off, [0.0, 1.0, 0.5, 0.0])
    np.testing.assert_array_equal(heading, [0.0, 0.0, np.pi / 2, np.pi / 2])
    assert [float(v[0]) for v in arcs_on(center_line(line[:2]), points)] == [0.0, np.hypot(4.0, 1.0), 0.0]


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_places_on_long_lines_are_those_of_every_segment_asked(seed: int) -> None:
    rng = np.random.default_rng(seed)
    turn = np.cumsum(rng.normal(0.0, 0.2, int(rng.integers(3, 200))))
    line = np.cumsum(np.stack([np.cos(turn), np.sin(turn)], 1) * rng.choice([0.0, 1.0, 3.0], (len(turn), 1)), axis=0)
    line += ORIGIN
    points = rng.uniform(line.min(axis=0) - 15.0, line.max(axis=0) + 15.0, (30, 2))
    vertex = np.argmin(((points[:, None] - line[None, :-1]) ** 2).sum(axis=-1), axis=1)
    np.testing.assert_array_equal(steps_at(line, points), (line[1:] - line[:-1])[vertex])
    step = np.diff(line, axis=0)
    length = np.hypot(*step.T)
    step, length, start = step[length > 0.0], length[length > 0.0], line[:-1][length > 0.0]
    if not len(step):
        return
    t = np.einsum("ijk,jk->ij", points[:, None] - start, step) / length
    low, high = np.zeros(len(length)), length.copy()
    low[0], high[-1] = -np.inf, np.inf
    t = np.clip(t, low, high)
    far = np.sqrt(((points[:, None] - start - (t / length)[..., None] * step) ** 2).sum(axis=-1))
    best, each = far.argmin(axis=1), np.arange(len(points))
    arc, off, _ = arcs_on(center_line(line), points)
    np.testing.assert_allclose(off, far[each, best], atol=1e-8)
    np.testing.assert_allclose(arc, (np.cumsum(length) - length)[best] + t[each, best], atol=1e-6)
