"""The two hooks of the plugin system, and the light specs they return.

A distribution takes part by an entry point in the group ``roadcraft`` that names a module with one or both hooks::

    # my_package/plugin.py                                [project.entry-points.roadcraft]
    from roadcraft.core import PluginSpec, hookimpl       my_package = "my_package.plugin"

    @hookimpl
    def roadcraft_plugins():
        return [PluginSpec(kind="planner", name="cautious", summary="Half the speed limit, always",
                           config="my_package.config:CautiousConfig", target="my_package.planner:Cautious")]

That module must import nothing heavy: ``config`` and ``target`` are strings that are loaded when the plugin is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Literal

import pluggy

GROUP = "roadcraft"
API_VERSION = 1
"""Version of the interfaces that plugins implement; a spec of another version is left out."""
KINDS = {
    "source": "reads a log format into scenarios (ScenarioSource)",
    "feature": "writes tensors that networks read of a scene (FeatureGroup)",
    "encoder": "turns features into scene tokens (SceneEncoder)",
    "model": "predicts trajectories from a scene encoding (BehaviorModel)",
    "recipe": "defines how a network is trained (Recipe)",
    "planner": "drives the ego vehicle (Planner)",
    "agents": "drives the other road users in simulation (AgentPolicy)",
    "tracker": "turns a plan into controls (Tracker)",
    "vehicle_model": "turns controls into motion (VehicleModel)",
    "metric": "evaluates a finished rollout (Metric)",
}
"""Kinds of plugins, with what each does and the interface that it implements."""

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)
"""Decorator that marks a function of a package as one of roadcraft's hooks."""


@dataclass(frozen=True)
class PluginSpec:
    """One plugin. ``target`` is called with an instance of the dataclass ``config``; both are ``"package.module:Name"``
    strings."""

    kind: str
    """One of ``KINDS``."""
    name: str
    """What users write in a config."""
    summary: str
    """One line for listings."""
    config: str
    """The dataclass of its settings."""
    target: str
    """The class or function that makes it."""
    api_version: int = API_VERSION
    """Of the interface it was written for."""


@dataclass(frozen=True)
class CommandSpec:
    """One ``roadcraft`` subcommand. ``target``, ``config`` and ``preflight`` are ``"package.module:Name"`` strings."""

    name: str
    """What users type after ``roadcraft``."""
    help: str
    """One line for the list of commands."""
    target: str
    """``"package.module:function"`` that typer can turn into a command. ``--help`` loads the module, so it must import
    nothing heavy at the top."""
    config: str = ""
    """The dataclass that the command's ``key=value`` words fill, '' for none: ``--help`` lists its settings,
    ``roadcraft config`` checks files for it, and ``commands.completion`` completes the words."""
    api_version: int = API_VERSION
    """Version of the interface that the command was written for."""
    preflight: str = ""
    """A function that is called with the configuration and raises ConfigError or DataError for everything that would
    stop the command; '' for none."""


@dataclass(frozen=True)
class PluginRef:
    """A reference to a plugin inside a config dataclass: ``{name, params}``, or its bare name. Declare the field with
    ``plugin_field("planner", "idm")`` so that the name and the params are checked with the rest of the configuration.
    """

    name: str
    """The plugin's name."""
    params: dict[str, Any] = field(default_factory=dict)
    """Its settings, as its config dataclass names them."""


@dataclass(frozen=True)
class MetricRef(PluginRef):
    """A reference to a metric that may also say how its score counts: ``{name, params, role, weight}``.

    A setting of the metric's own that is called role or weight goes under ``params``.
    """

    role: Literal["", "multiplier", "weighted", "report"] = ""
    """How the score counts ('': as the metric itself says)."""
    weight: float | None = None
    """Weight of a weighted one (null: as the metric itself says)."""

    def __post_init__(self) -> None:
        if self.weight is not None and not 0.0 <= self.weight < float("inf"):
            raise ValueError(f"weight must be a finite number not below 0, is {self.weight}")
        if self.weight is not None and self.role in ("multiplier", "report"):
            raise ValueError(f"weight = {self.weight:g} has no meaning with role = {self.role}: leave it out")


REFS: dict[str, type[PluginRef]] = {"metric": MetricRef}  # kinds whose references say more than name and params


def extras_of(ref: PluginRef) -> dict[str, Any]:
    """What a reference says beside name and params, where it is not the default."""
    return {f.name: v for f in fields(ref)[2:] if (v := getattr(ref, f.name)) != f.default}


def plugin_field(kind: str, name: str | None, **params: Any) -> Any:
    """A dataclass field that holds a PluginRef of the given kind, by default ``name`` with ``params``; None for a
    plugin that need not be there (annotated ``PluginRef | None``)."""
    if name is None:
        return field(default=None, metadata={"kind": kind})
    return field(default_factory=lambda: PluginRef(name, dict(params)), metadata={"kind": kind})


class Hooks:
    """Hook specifications, api version 1."""

    @hookspec
    def roadcraft_plugins(self) -> list[PluginSpec]:  # type: ignore[empty-body]
        """The plugins this distribution provides.

        Example::

            @hookimpl
            def roadcraft_plugins():
                return [PluginSpec("metric", "braking", "Hard braking per minute", "pkg.config:BrakingConfig",
                "pkg.braking:Braking")]

        .. versionadded:: 0.1
        """

    @hookspec
    def roadcraft_commands(self) -> list[CommandSpec]:  # type: ignore[empty-body]
        """The ``roadcraft`` subcommands this distribution provides.

        Example::

            @hookimpl
            def roadcraft_commands():
                return [CommandSpec("mine", "Find scenarios by a query", "pkg.commands:mine")]

        .. versionadded:: 0.1
        """
