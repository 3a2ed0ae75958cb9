"""The interfaces that plugins implement. All are batch first; state and randomness are explicit.

A plugin's target is called with its config (and, where the class says so, a keyword context) and returns an object that keeps one of these
contracts. Shapes: B scenarios, K candidates or modes, T times, A agents, N tokens, D features; ego states have the 10 columns of ``Ego``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64
from roadcraft.core.errors import PluginError
from roadcraft.core.rollout import Forecast, Objects, ObservationBatch, Plan, Rollout
from roadcraft.core.scenario import Drive, Scenario
from roadcraft.core.vehicle import Vehicle

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from roadcraft.core.errors import DataError

Keys = NDArray[np.uint64]


# ---- planners -------------------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PlannerNeeds:
    """What a planner asks of the simulator. object_past: frames of object history, the current one included (0: none);
    log: the logged scenario itself (oracles only)."""

    object_past: int = 0
    log: bool = False


class Planner(ABC):
    """Drives the ego vehicle of many scenarios at once.

    ``start`` is called once per batch with the first observation, ``plan`` once per step with the scenarios that still run. ``state`` is a list with
    one entry per scenario, in the observation's order: returned, never mutated, so that a call that raised can be repeated scenario by scenario.
    The arrays of an observation are read-only (copy one before writing into it); those of a returned plan are the planner's own to use again.
    """

    def needs(self) -> PlannerNeeds:
        return PlannerNeeds()

    def start(self, obs: ObservationBatch, keys: Keys) -> list[Any]:
        """States of the scenarios before their first step."""
        return [None] * len(obs)

    @abstractmethod
    def plan(self, obs: ObservationBatch, state: list[Any], keys: Keys) -> tuple[Plan, list[Any]]:
        """Plans for all scenarios of ``obs``, and their next states. ``keys`` (B,) uint64 derive from (seed, token, step)."""


class SinglePlanner(Planner):
    """Helper for planners that think of one scenario at a time: implement ``plan_one``; ``obs`` then holds one scenario."""

    def start_one(self, obs: ObservationBatch, key: int) -> Any:
        return None

    @abstractmethod
    def plan_one(self, obs: ObservationBatch, state: Any, key: int) -> tuple[Plan, Any]:
        """A Plan with B = 1 and the next state."""

    def start(self, obs: ObservationBatch, keys: Keys) -> list[Any]:
        return [self.start_one(obs.select([b]), int(keys[b])) for b in range(len(obs))]

    def plan(self, obs: ObservationBatch, state: list[Any], keys: Keys) -> tuple[Plan, list[Any]]:
        answers = [self.plan_one(obs.select([b]), state[b], int(keys[b])) for b in range(len(obs))]
        return stack_plans([plan for plan, _ in answers]), [s for _, s in answers]


def stack_plans(plans: Sequence[Plan]) -> Plan:
    """One Plan of B scenarios from B plans of one; shorter ones are padded and carry their ``length``, fewer candidates score -inf; debug values that not all
    have in one shape are left out. Raises PluginError where some plans carry controls and others none."""
    k = max(p.states.shape[1] for p in plans)
    t = max(p.states.shape[2] for p in plans)
    b = len(plans)
    time_us, states = np.zeros((b, t), np.int64), np.zeros((b, k, t, plans[0].states.shape[3]))
    scores, length = np.full((b, k), -np.inf), np.zeros(b, np.int64)
    for i, p in enumerate(plans):
        kk, tt = p.states.shape[1:3]
        time_us[i, :tt], states[i, :kk, :tt], scores[i, :kk] = p.time_us[0], p.states[0], p.scores[0]
        length[i] = tt if p.length is None else p.length[0]
    controls = [p.controls for p in plans if p.controls is not None]
    if len(controls) not in (0, b):
        raise PluginError(
            f"{len(controls)} of {b} plans carry controls: a planner gives them for all scenarios or for none"
        )
    shapes = [{(key, np.shape(value)[1:]) for key, value in p.debug.items()} for p in plans]
    keys = {key for key, _ in set.intersection(*shapes)}
    return Plan(
        time_us,
        states,
        scores,
        length,
        np.concatenate(controls) if controls else None,
        {key: np.concatenate([p.debug[key] for p in plans]) for key in sorted(keys)},
        Forecast.stack([p.forecast for p in plans]),
    )


# ---- simulation -----------------------------------------------------------------------------------------------------------------------------------


class AgentPolicy(ABC):
    """Drives everybody but the ego. Positions it returns are what planners and metrics see; boxes are finite, ids of one moment differ. The arrays of
    scenarios and observations are read-only."""

    @abstractmethod
    def start(self, scenarios: Sequence[Scenario], vehicle: Vehicle, keys: Keys) -> tuple[list[Any], Objects]:
        """Per-scenario states and the objects at iteration 0."""

    @abstractmethod
    def step(
        self, scenarios: Sequence[Scenario], obs: ObservationBatch, state: list[Any], keys: Keys
    ) -> tuple[list[Any], Objects]:
        """Next states and the objects at iteration ``obs.iteration + 1``; ``obs`` is what the planner saw (the ego before its own step)."""


class Tracker(ABC):
    """Turns the driven trajectory of a plan into controls."""

    @abstractmethod
    def track(self, ego: F64, time_us: I64, plan_time_us: I64, plan_states: F64, length: I64, vehicle: Vehicle) -> F64:
        """Controls (B, 2): acceleration m/s2, steering rate rad/s. ego (B, 10); time_us (B,); plan_time_us (B, T); plan_states (B, T, 10);
        length (B,)."""


class VehicleModel(ABC):
    """Turns controls into motion."""

    @abstractmethod
    def step(self, ego: F64, joints: F64, controls: F64, dt_s: F64, vehicle: Vehicle) -> tuple[F64, F64]:
        """Ego states (B, 10) and joint angles (B, J) after dt_s (B,)."""


# ---- metrics --------------------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Series:
    """A metric over time. time_us (n,) int64, values (n,) or (n, C) float64."""

    time_us: I64
    values: F64
    unit: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Event:
    """What cost a scenario its score: the step, in words what happened, and the object (track id) if one is involved."""

    step: int
    what: str
    object_id: int | None = None


@dataclass(frozen=True)
class MetricResult:
    """One metric of one rollout. name: the metric's own; score in [0, 1] or None (none at this rollout; a metric that is only reported may give any finite
    number); stats: named values, each a finite number, true, false, or None where there is no such value (nobody to collide with, say);
    events: what cost the score, each at a step of the rollout."""

    name: str
    score: float | None
    stats: Mapping[str, float | int | bool | None] = field(default_factory=dict)
    series: Series | None = None
    events: tuple[Event, ...] = ()


class MetricContext(Protocol):
    """What a metric gets: the rollout, and a memo by which metrics share intermediate results."""

    @property
    def rollout(self) -> Rollout: ...

    def shared(self, key: str, compute: Callable[[], Any]) -> Any:
        """The value stored under ``key``, computed on first use; its arrays are read-only, as the rollout's are."""


class Metric(ABC):
    """Judges a finished rollout. ``role``: 'multiplier' (the scenario score is multiplied by it), 'weighted' (by ``weight``), or 'report'."""

    role: ClassVar[str] = "report"
    weight: ClassVar[float] = 1.0

    @abstractmethod
    def compute(self, context: MetricContext) -> MetricResult:
        """The result for ``context.rollout``."""


# ---- logs -----------------------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ScenarioRow:
    """One row of a scenario index: enough to filter by, without opening the log.

    token: of the anchor frame; tags: of the anchor frame, sorted; log, split, map_name, source, licence; anchor_us: time of the anchor frame;
    first_us, last_us: the window if the source fixes it (else None: it follows from the type, nuPlan's rule); has_goal; interval_us: of the log;
    stride: log frames per iteration.
    """

    token: str
    tags: tuple[str, ...]
    log: str
    split: str
    map_name: str
    source: str
    licence: str
    anchor_us: int
    interval_us: int
    stride: int
    has_goal: bool
    first_us: int | None = None
    last_us: int | None = None


class ScenarioSource(ABC):
    """Reads one log format. A log is one continuous drive with one map; rows are its scenarios."""

    name: ClassVar[str]

    @abstractmethod
    def logs(self) -> list[str]:
        """Keys of the logs found, sorted (cheap: nothing is opened)."""

    @abstractmethod
    def rows(self, log: str) -> list[ScenarioRow]:
        """The scenarios of a log, by anchor time. Raises DataError naming file and place."""

    @abstractmethod
    def drive(self, log: str) -> Drive:
        """The whole drive."""

    @abstractmethod
    def map(self, log: str) -> Any:
        """The MapData of the log's location, loaded once per location."""

    def left_out(self, log: str) -> Sequence[DataError]:
        """Why parts of a log are missing from its rows or its drive; ingest reports them."""
        return ()

    def warnings(self, log: str) -> Sequence[DataError]:
        """What is odd about a log or its map though nothing is missing; ingest reports it."""
        return ()

    def scenario(self, row: ScenarioRow, type: str, window_us: tuple[int, int]) -> Scenario:
        """One scenario; sources that can read a window alone override this."""
        from roadcraft.core.windows import cut

        return cut(self.drive(row.log), self.map(row.log), row, type, window_us)

    def iter_rows(self) -> Iterator[ScenarioRow]:
        for log in self.logs():
            yield from self.rows(log)


# ---- learned behaviour (torch is imported by implementations only) ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class FeatureSpec:
    """Fixed capacities of the features a network reads; never the batch's maximum, so that a result cannot depend on its neighbours.

    agents: nearest moving objects; past_steps: frames of their history, the current one included, ``past_interval_s`` apart; static: nearest static
    objects; lanes: nearest lanes and connectors, each of ``lane_points`` points; route_lanes: lanes of the route, by distance; crosswalks;
    reference_lines: centrelines along the route from the ego onward (its own lane, left, right), each of ``reference_points`` points
    ``reference_interval_m`` apart; radius_m: around the ego; future_steps: of the targets, ``future_interval_s`` apart; future_agents: agents with
    targets; lane_links: successors kept per piece of lane (0: no lane graph); raster_cells: rows and columns of a bird's-eye raster (0: none) with
    cells of ``raster_cell_m``; instruction_words: words of a text command (0: neither commands nor other conditions are read).
    """

    agents: int = 32
    past_steps: int = 21
    past_interval_s: float = 0.1
    static: int = 8
    lanes: int = 70
    lane_points: int = 20
    route_lanes: int = 20
    crosswalks: int = 8
    reference_lines: int = 3
    reference_points: int = 80
    reference_interval_m: float = 2.0
    radius_m: float = 100.0
    future_steps: int = 80
    future_interval_s: float = 0.1
    future_agents: int = 10
    lane_links: int = 0
    raster_cells: int = 0
    raster_cell_m: float = 0.5
    instruction_words: int = 0

    def schema_hash(self) -> str:
        """Identifies the layout of the features; stored in checkpoints and compared when they are loaded."""
        return blake2b(repr(sorted(asdict(self).items())).encode(), digest_size=8).hexdigest()


class TokenKind(IntEnum):
    """Codes of ``SceneEncoding.kind``, by which a model knows what a token stands for."""

    EGO = 0
    AGENT = 1
    STATIC = 2
    LANE = 3
    CROSSWALK = 4
    GRID = 5


@dataclass
class SceneEncoding:
    """What an encoder makes of B scenes: tokens (B, N, D), finite where real; mask (B, N) bool, true where a token is real; pose (B, N, 3) x, y, heading in the
    ego frame; kind (B, N) int64, codes of ``TokenKind``, the same in every scene; ego (B,) int64 index of the ego's token, which is real and of kind EGO.
    Tokens of kind AGENT stand together, row by row those of the feature ``agent`` from its first on; an encoder without such tokens has none."""

    tokens: Tensor
    mask: Tensor
    pose: Tensor
    kind: Tensor
    ego: Tensor


@dataclass
class Prediction:
    """What a model foresees, ego frame. ego (B, K, T, S): S >= 4 columns x, y, cos, sin of the rear axle (a unit vector), then speed; logits (B, K), finite: a
    candidate that is none has the lowest number of its type; agents (B, A, K', T, S) of the first A = ``future_agents`` rows of the feature ``agent``, or None:
    K' = K where each candidate goes with futures of its own (joint modes), else 1; time_s (T,) from now, rising, T = ``future_steps`` in ``sample``.
    A model may return a subclass that holds more for its own ``loss``."""

    ego: Tensor
    logits: Tensor
    agents: Tensor | None
    time_s: Tensor


class SceneEncoder(Protocol):
    """A ``torch.nn.Module`` that encodes features. Constructed as ``Target(config)``. Its arrays have the capacities that ``features()`` asks for, whatever the
    model beside it asks for; their names, shapes and columns are listed in ``roadcraft.core.driving.features.build``."""

    dim: int

    def features(self) -> FeatureSpec: ...

    def encode(self, features: Mapping[str, Tensor], cache: Any = None) -> tuple[SceneEncoding, Any]:
        """``cache`` keeps the static map part across the steps of a closed loop: None, or named tensors with leading dimension B, as returned one step
        earlier. A planner keeps its rows scene by scene and stacks them anew as scenes come and go; a row of zeros means that nothing is known yet.
        An encoder without a cache returns None."""


class BehaviorModel(Protocol):
    """A ``torch.nn.Module`` that turns an encoding into behaviour. Constructed as ``Target(config, dim=encoder.dim, features=encoder.features())``. Its arrays have
    the capacities that its own ``features()`` asks for, usually the encoder's and some more. A class attribute ``learning_rate`` is the peak it is trained with
    where the configuration gives none."""

    def features(self) -> FeatureSpec: ...

    def forward(self, encoding: SceneEncoding, features: Mapping[str, Tensor]) -> Prediction: ...

    def loss(self, prediction: Prediction, targets: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Named terms, each already weighted; training minimises their sum. ``targets`` holds the features, and ego_future (B, T, 5) x, y, cos, sin,
        speed in the ego frame, ego_future_valid (B, T), agent_future (B, A, T, 4), agent_future_valid (B, A, T)."""

    def sample(self, encoding: SceneEncoding, features: Mapping[str, Tensor], keys: Keys) -> Prediction: ...


@runtime_checkable
class Prepared(Protocol):
    """What a BehaviorModel may offer besides: ``prepare`` is called once, before the first step of a fresh run and never when one is resumed, with the
    batches of that run from its beginning on. What it learns from them belongs into buffers, so that a checkpoint holds it."""

    def prepare(self, batches: Iterable[Mapping[str, Tensor]]) -> None: ...


def load_planner(path: str | Path, **params: Any) -> Planner:
    """A planner from a checkpoint folder, ready to ``plan``: ``load_planner("runs/a/best")``. Extra params go to the ``learned`` planner."""
    from roadcraft.core.registry import create

    planner: Planner = create("planner", "learned", {"checkpoint": str(path), **params})
    return planner
