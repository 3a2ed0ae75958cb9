"""The interfaces that plugins implement. All are batch first; state and randomness are explicit.

A plugin's target is called with its config (and, where the class says so, a keyword context) and returns an object that
keeps one of these contracts. Shapes: B scenarios, K candidates or modes, T times, A agents, N tokens, D features; ego
states have the 10 columns of ``Ego``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.config.renamed import moved_names
from roadcraft.core.data.plan import Forecast, Plan
from roadcraft.core.data.rollout import Objects, ObservationBatch, Rollout
from roadcraft.core.data.scenario import Drive, Scenario, ScenarioRow
from roadcraft.core.data.windows import cut
from roadcraft.core.errors import PluginError
from roadcraft.core.types import (
    FeatureSpec,
    Keys,
    Losses,
    MetricResult,
    PlannerNeeds,
    Prediction,
    SceneEncoding,
)
from roadcraft.core.vehicles.state import RoadState, VehicleState
from roadcraft.core.vehicles.vehicle import Vehicle

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor
    from torch.nn import Parameter
    from torch.optim import Optimizer

    from roadcraft.core.errors import DataError
else:
    __getattr__ = moved_names(__name__)

# ---- planners ------------------------------------------------------------------------


class Planner(ABC):
    """Drives the ego vehicle of many scenarios at once.

    ``start`` is called once per batch with the first observation, ``plan`` once per step with the scenarios that still
    run. ``state`` is a list with one entry per scenario, in the observation's order: returned, never mutated, so that a
    call that raised can be repeated scenario by scenario. The arrays of an observation are read-only (copy one before
    writing into it); those of a returned plan are the planner's own to use again.
    """

    def needs(self) -> PlannerNeeds:
        """What the planner needs of the simulator in addition to the observation; by default nothing."""
        return PlannerNeeds()

    def start(self, obs: ObservationBatch, keys: Keys) -> list[Any]:
        """States of the scenarios before their first step."""
        return [None] * len(obs)

    @abstractmethod
    def plan(self, obs: ObservationBatch, state: list[Any], keys: Keys) -> tuple[Plan, list[Any]]:
        """Plans for all scenarios of ``obs``, and their next states. ``keys`` (B,) uint64 derive from (seed, token,
        step)."""


class SinglePlanner(Planner):
    """Helper for planners that think of one scenario at a time: implement ``plan_one``; ``obs`` then holds one
    scenario."""

    def start_one(self, obs: ObservationBatch, key: int) -> Any:
        """State of one scenario before its first step; ``obs`` holds that scenario."""
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
    """One Plan of B scenarios from B plans of one; shorter ones are padded and carry their ``length``, fewer candidates
    score -inf; debug values that not all have in one shape are left out. Raises PluginError where some plans carry
    controls and others none."""
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


# ---- simulation ----------------------------------------------------------------------


class AgentPolicy(ABC):
    """Drives everybody but the ego. Positions it returns are what planners and metrics see; boxes are finite, ids of
    one moment differ. The arrays of scenarios and observations are read-only."""

    @abstractmethod
    def start(self, scenarios: Sequence[Scenario], vehicle: Vehicle, keys: Keys) -> tuple[list[Any], Objects]:
        """Per-scenario states and the objects at iteration 0."""

    @abstractmethod
    def step(
        self, scenarios: Sequence[Scenario], obs: ObservationBatch, state: list[Any], keys: Keys
    ) -> tuple[list[Any], Objects]:
        """Next states and the objects at iteration ``obs.iteration + 1``; ``obs`` is what the planner saw (the ego
        before its own step)."""


class Tracker(ABC):
    """Turns the driven trajectory of a plan into controls."""

    @abstractmethod
    def track(self, ego: F64, time_us: I64, plan_time_us: I64, plan_states: F64, length: I64, vehicle: Vehicle) -> F64:
        """Controls (B, 2): acceleration m/s2, steering rate rad/s. ego (B, 10); time_us (B,); plan_time_us (B, T);
        plan_states (B, T, 10); length (B,)."""

    def follow(
        self, now: VehicleState, time_us: I64, plan_time_us: I64, plan_states: F64, length: I64, vehicle: Vehicle
    ) -> F64:
        """Controls (B, 2) as ``track`` gives them, by default from it. A tracker of articulated vehicles overrides this
        one: it sees the joints, and in ``now.motion`` their rates in the first J columns where M >= J."""
        return self.track(now.ego, time_us, plan_time_us, plan_states, length, vehicle)


class VehicleModel(ABC):
    """Turns controls into motion."""

    @abstractmethod
    def step(self, ego: F64, joints: F64, controls: F64, dt_s: F64, vehicle: Vehicle) -> tuple[F64, F64]:
        """Ego states (B, 10) and joint angles (B, J) after dt_s (B,)."""

    def columns(self, vehicle: Vehicle) -> tuple[str, ...]:
        """Names of the further state (M) that the model keeps of a vehicle: by default none. The simulator records it
        as channels ``vehicle.NAME``. A model that has joint rates puts them first."""
        return ()

    def start(self, ego: F64, joints: F64, vehicle: Vehicle) -> F64:
        """The further state (B, M) at the beginning, by default zeros."""
        return np.zeros((len(ego), len(self.columns(vehicle))))

    def advance(self, now: VehicleState, controls: F64, dt_s: F64, road: RoadState, vehicle: Vehicle) -> VehicleState:
        """The state after dt_s (B,), by default by ``step``. A model with further state, or one that feels the road,
        overrides this one."""
        ego, joints = self.step(now.ego, now.joints, controls, dt_s, vehicle)
        return VehicleState(ego, joints, now.motion)


# ---- metrics -------------------------------------------------------------------------


class MetricContext(Protocol):
    """What a metric gets: the rollout, and a memo by which metrics share intermediate results."""

    @property
    def rollout(self) -> Rollout:
        """The rollout that is evaluated; its arrays are read-only."""

    def shared(self, key: str, compute: Callable[[], Any]) -> Any:
        """The value stored under ``key``, computed on first use; its arrays are read-only, as the rollout's are."""


class Metric(ABC):
    """Judges a finished rollout. ``role``: 'multiplier' (the scenario score is multiplied by it), 'weighted' (by
    ``weight``), or 'report'."""

    role: ClassVar[str] = "report"
    """How its score counts: 'multiplier', 'weighted' or 'report'."""
    weight: ClassVar[float] = 1.0
    """Weight of its score among those that are 'weighted'."""

    @abstractmethod
    def compute(self, context: MetricContext) -> MetricResult:
        """The result for ``context.rollout``."""


# ---- logs ----------------------------------------------------------------------------


class ScenarioSource(ABC):
    """Reads one log format. A log is one continuous drive with one map; rows are its scenarios."""

    name: ClassVar[str]
    """The name under which the format is registered."""

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
        return cut(self.drive(row.log), self.map(row.log), row, type, window_us)

    def release(self) -> None:  # noqa: B027 (a source that keeps nothing lets go of nothing)
        """Let go of the drives kept so far, which are read anew when they are asked for; those in use stay whole. A
        source that keeps drives overrides this: a run that has scored some scenarios needs theirs no more."""

    def iter_rows(self) -> Iterator[ScenarioRow]:
        """The scenarios of all logs, log by log."""
        for log in self.logs():
            yield from self.rows(log)


# ---- learned behavior (torch is imported by implementations only) -------------------


def accepts(function: Callable[..., Any], name: str) -> bool:
    """Whether a function has a parameter of that name: the one rule by which ``forward`` gets ``targets``, and
    ``loss`` gets ``encoding``."""
    return name in signature(function).parameters


class SceneEncoder(Protocol):
    """A ``torch.nn.Module`` that encodes features. Constructed as ``Target(config)``. Its arrays have the capacities
    that ``features()`` asks for, whatever the model beside it asks for; their names, shapes and columns are listed by
    ``roadcraft features``."""

    dim: int
    """Width D of its tokens."""

    def features(self) -> FeatureSpec:
        """The feature groups that the encoder reads, and their capacities."""

    def encode(self, features: Mapping[str, Tensor], cache: Any = None) -> tuple[SceneEncoding, Any]:
        """``cache`` keeps the static map part across the steps of a closed loop: None, or named tensors with leading
        dimension B, as returned one step earlier. A planner keeps its rows scene by scene and stacks them anew as
        scenes come and go; a row of zeros means that nothing is known yet. An encoder without a cache returns None."""


class BehaviorModel(Protocol):
    """A ``torch.nn.Module`` that turns an encoding into behavior. Constructed as ``Target(config, dim=encoder.dim,
    features=encoder.features())``. Its arrays have the capacities that its own ``features()`` asks for, usually the
    encoder's and some more. A class attribute ``learning_rate`` is the peak it is trained with where the configuration
    gives none."""

    def features(self) -> FeatureSpec:
        """The feature groups that the model reads, and their capacities."""

    def forward(self, encoding: SceneEncoding, features: Mapping[str, Tensor]) -> Prediction:
        """The prediction that ``loss`` judges. A model that declares a further parameter ``targets=None`` gets there
        what ``loss`` gets as ``targets``, in training steps alone (teacher forcing); in validation and in driving it is
        None, and ``features`` never holds the future."""

    def loss(self, prediction: Prediction, targets: Mapping[str, Tensor]) -> Losses | Mapping[str, Tensor]:
        """Named terms, each already weighted; training minimizes their sum. ``Losses`` adds numbers that are only
        logged.

        Args:
            prediction: what ``forward`` gave.
            targets: the features, and ego_future (B, T, 5) x, y, cos, sin, speed in the ego frame, ego_future_valid
                (B, T), agent_future (B, A, T, 4), agent_future_valid (B, A, T).

        A model that declares a further parameter ``encoding`` gets what ``forward`` got.
        """

    def sample(self, encoding: SceneEncoding, features: Mapping[str, Tensor], keys: Keys) -> Prediction:
        """The prediction that is driven: candidates (B, K) with logits. ``keys`` (B,) uint64 are its only source of
        randomness, one per scene, so that a result does not depend on the batch."""


@runtime_checkable
class Prepared(Protocol):
    """What a BehaviorModel may offer besides: ``prepare`` is called once, before the first step of a fresh run and
    never when one is resumed, with the batches of that run from its beginning on. What it learns from them belongs into
    buffers, so that a checkpoint holds it."""

    def prepare(self, batches: Iterable[Mapping[str, Tensor]]) -> None:
        """Learn from the batches of the run, from its first one on; an iterator of feature and target tensors by
        name."""


class Recipe(ABC):
    """How a network is trained: which parameters at which rate by which optimizer, what is done to a batch, what is
    added to the loss, which callbacks take part. Constructed as ``Target(config, settings=...)``.

    Name, params and source are stored in the checkpoint; a run goes on with the recipe it was begun with. Torch's
    random state is set from seed and step before each batch, so that what ``augment`` and ``losses`` draw is drawn
    again by a resumed run. To change one part of the built-in recipe, subclass ``roadcraft.plugins.AdamWCosine``.
    """

    def __init__(self, config: Any, *, settings: Any) -> None:
        """
        Args:
            config: the recipe's own params.
            settings: those of the run (``roadcraft.plugins.TrainConfig``); its ``learning_rate`` is a number.
        """
        self.config, self.settings = config, settings

    @abstractmethod
    def groups(self, parameters: Mapping[str, Parameter]) -> list[dict[str, Any]]:
        """Parameter groups for ``optimizer``, from the parameters that are not frozen, by name (``encoder.*``,
        ``model.*``). One with an ``lr`` has a peak rate of its own."""

    @abstractmethod
    def optimizer(self, groups: list[dict[str, Any]]) -> Optimizer:
        """The optimizer of ``groups``, at the peak rate. What it keeps of a parameter must be tensors or None, what it
        keeps in ``param_groups`` numbers, bools, strings, None or tuples of them."""

    @abstractmethod
    def schedule(self, step: int, steps: int, progress: float) -> float:
        """Factor of every group's peak rate in the step after ``step`` of ``steps``. progress: share of the run that is
        done, by steps or by the clock where that is further."""

    def augment(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """What is trained on: a batch of features and ``TARGETS`` on the training device, once for each of the
        ``accumulate`` parts of a step; not called in validation."""
        return batch

    def losses(
        self, prediction: Prediction, targets: Mapping[str, Tensor], encoding: SceneEncoding
    ) -> Losses | Mapping[str, Tensor]:
        """Terms and diagnostics beside the model's own, under other names; also in validation."""
        return {}

    def callbacks(self) -> Sequence[Any]:
        """Lightning callbacks, which run before the module's ``done`` counts the step. What their ``state_dict`` holds,
        which must fit into JSON, is stored and restored."""
        return ()


def load_planner(path: str | Path, **params: Any) -> Planner:
    """A planner from a checkpoint folder, ready to ``plan``: ``load_planner("runs/a/best")``. Extra params go to the
    ``learned`` planner."""
    from roadcraft.core.config.factory import create

    planner: Planner = create("planner", "learned", {"checkpoint": str(path), **params})
    return planner
