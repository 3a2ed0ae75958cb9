"""How often each sample is trained on: balance by the pattern of the trajectory, and weights from the index.

Logs are mostly steady driving and waiting. FlowDrive found that balancing by clusters of trajectories helps a planner,
and that balancing by scenario type hurts. Here a pattern is a cell of a small table: how much the ego turns and how
much its speed changes over the next seconds.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.scenario import Ego
from roadcraft.core.errors import DataError
from roadcraft.core.interfaces import ScenarioSource
from roadcraft.plugins.training.config import BalanceConfig
from roadcraft.plugins.training.data.samples import SampleSet

CHANGE_S = 5.0
TURN_RAD = np.array([-0.8, -0.25, -0.05, 0.05, 0.25, 0.8])
FASTER_MPS = np.array([-4.0, -1.5, -0.5, 0.5, 1.5, 4.0])
STANDING_MPS = 0.3
PATTERNS = (len(TURN_RAD) + 1) * (len(FASTER_MPS) + 1) + 1
MOST = 20.0  # times as often as a sample of the commonest pattern, at most


def weigher(config: BalanceConfig, source: ScenarioSource, samples: SampleSet) -> Callable[[float], F64] | None:
    """The function from progress in [0, 1] to the samples' weights (N,); None where all weigh the same."""
    fixed = scenario_weights(config, source, samples) if config.tags or config.scenarios else None
    if not config.pattern:
        return None if fixed is None else lambda progress: fixed
    kind = patterns(source, samples)
    share = np.bincount(kind, minlength=PATTERNS) / max(len(kind), 1)
    rarity = np.minimum(share.max() / np.maximum(share, 1e-12), MOST)[kind]

    def weights(progress: float) -> F64:
        power = config.pattern * (1.0 - config.curriculum * (1.0 - progress))
        out: F64 = rarity**power
        return out if fixed is None else out * fixed

    return weights


def patterns(source: ScenarioSource, samples: SampleSet) -> I64:
    """The pattern of each sample (N,): standing throughout, or by turn and change of speed over CHANGE_S (less where
    the log ends)."""
    out = np.empty(len(samples), np.int64)
    bounds = np.searchsorted(samples.log, np.arange(len(samples.logs) + 1))
    for i, log in enumerate(samples.logs):
        rows = slice(bounds[i], bounds[i + 1])
        if rows.start == rows.stop:
            continue
        drive = source.drive(log)
        now = samples.frame[rows]
        then = np.minimum(now + round(CHANGE_S * 1e6 / drive.interval_us), len(drive) - 1)
        heading = np.unwrap(drive.ego[:, Ego.HEADING])
        speed = drive.ego[:, Ego.VX]
        turn, faster = heading[then] - heading[now], speed[then] - speed[now]
        cell = np.searchsorted(TURN_RAD, turn) * (len(FASTER_MPS) + 1) + np.searchsorted(FASTER_MPS, faster)
        out[rows] = np.where(np.maximum(speed[now], speed[then]) < STANDING_MPS, PATTERNS - 1, cell)
    return out


def scenario_weights(config: BalanceConfig, source: ScenarioSource, samples: SampleSet) -> F64:
    """Weights (N,) of the scenarios in the index: a sample has that of the scenario whose anchor frame lies nearest to
    it, 1 where a log has none.

    A scenario's weight is the product of what ``config.tags`` gives its tags and of what the file ``config.scenarios``
    gives its token.
    """
    by_token = read_weights(config.scenarios) if config.scenarios else {}
    out = np.ones(len(samples))
    bounds = np.searchsorted(samples.log, np.arange(len(samples.logs) + 1))
    for i, log in enumerate(samples.logs):
        rows = source.rows(log) if bounds[i] < bounds[i + 1] else []
        if not rows:
            continue
        value = np.array([by_token.get(r.token, 1.0) for r in rows])
        for tag, factor in config.tags.items():
            value *= np.where([tag in r.tags for r in rows], factor, 1.0)
        anchor = np.array([r.anchor_us for r in rows], np.int64)
        at = source.drive(log).time_us[samples.frame[bounds[i] : bounds[i + 1]]]
        after = np.searchsorted(anchor, at).clip(0, len(anchor) - 1)
        before = (after - 1).clip(0)
        nearer = np.abs(at - anchor[before]) <= np.abs(anchor[after] - at)
        out[bounds[i] : bounds[i + 1]] = value[np.where(nearer, before, after)]
    if not (out > 0.0).any():
        raise DataError("every sample has weight 0", where="balance")
    return out


def read_weights(path: str) -> dict[str, float]:
    """Weights by token from a Parquet file with the columns ``token`` and ``weight``. Raises DataError naming the
    file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, columns=["token", "weight"])
        weights = np.asarray(table.column("weight").to_numpy(), np.float64)
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as e:
        raise DataError(
            f"scenario weights cannot be read: {e}",
            where=path,
            remedy="a Parquet file with the columns token and weight",
        ) from e
    if not np.isfinite(weights).all() or (weights < 0.0).any():
        raise DataError("a weight is negative or not finite", where=path)
    return dict(zip(table.column("token").to_pylist(), weights.tolist(), strict=True))
