"""What had another name in an earlier version, in one place: settings, texts that settings hold, weights of networks,
modules.

To rename something that users, their files or their packages name, rename it in the code and add the old name to a
table below; nothing else is needed: ``walk`` takes an old key with a RenamedWarning, ``planners`` reads old
checkpoints without a word, old modules import with a RenamedWarning, and ``docs_page`` lists all of it. A new name that
is renamed again before a release replaces the old one's entry. Standard library only.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import is_dataclass
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from roadcraft.core.config.hints import hints_of
from roadcraft.core.errors import ConfigError

if TYPE_CHECKING:
    from roadcraft.core.plugins.registry import Registry

SINCE, UNTIL = "0.2.0", "0.3.0"  # the version in which these were renamed, and the one in which the old names go

_DECODER = {
    "lines": "reference_lines",
    "line_points": "reference_points",
    "line_interval_m": "reference_interval_m",
}
_IMITATION = {
    "slow_mps": "min_knot_speed_mps",
    "regression": "regression_weight",
    "heading": "heading_weight",
    "speed": "speed_weight",
    "choice": "classification_weight",
    "agent": "agent_weight",
    "near_s": "time_discount_s",
}
SETTINGS: dict[str, dict[str, str]] = {
    "AugmentConfig": {
        "probability": "perturbation",
        "late_s": "late_start_s",
        "drop_agents": "agent_dropout",
        "keep_m": "agent_dropout_distance_m",
    },
    "BevRasterConfig": {"surface": "raster_layers"},
    "DiffusionConfig": {
        **_DECODER,
        **_IMITATION,
        "emphasis": "guidance_scale",
        "draws": "noise_levels",
        "order": "solver_order",
        "words": "max_words",
        "value": "coefficient_weight",
    },
    "GuardConfig": {
        "slower": "speed_fractions",
        "most_slowed": "max_slowed_proposals",
        "most_judged": "max_proposals",
        "keep_to_centre": "follow_centerline",
        "learned_weight": "planner_score_weight",
        "edge_slack_m": "drivable_area_tolerance_m",
        "foresee": "use_forecast",
    },
    "HeteroGnnConfig": {
        "lane_links": "lane_successors",
        "lane_lanes": "lane_neighbors",
        "near_m": "map_radius_m",
        "reach_m": "agent_radius_m",
    },
    "MultimodalConfig": {**_DECODER, **_IMITATION},
    "NuplanConfig": {"licence": "license"},
    "PolicyGradientConfig": {
        "group": "group_size",
        "trace": "gae_lambda",
        "clip": "clip_range",
        "entropy": "entropy_coef",
        "value": "value_coef",
        "scale": "advantage_scale",
        "reference": "kl_coef",
        "normalize": "normalize_advantage",
        "filter": "advantage_filter",
    },
    "ScoreConfig": {"call_limit_s": "call_timeout_s"},
    "SceneFeatureConfig": {"kept_channels": "undropped_channels"},
    "SimulationConfig": {"plan_every": "record_plan_every"},
    "TimeToCollisionConfig": {"least_s": "min_ttc_s"},
    "TokensConfig": {
        **_DECODER,
        "relation": "relation_dim",
        "taught_tokens": "training_tokens",
        "label_spread": "label_smoothing",
        "closed_loop": "closed_loop_fraction",
        "closest_of": "cat_k",
        "ego": "ego_weight",
        "agent": "agent_weight",
        "blend_m": "blend_radius_m",
        "score_s": "score_horizon_s",
        "smooth_s": "smoothing_s",
    },
    "TrainConfig": {
        "warmup": "warmup_fraction",
        "clip": "max_gradient_norm",
        "ema": "ema_decay",
        "every_s": "sample_interval_s",
        "validation": "validation_fraction",
        "drives": "cached_drives",
    },
    "WomdConfig": {"kerb_m": "curb_m"},
}
"""Config dataclass that declares the field (those that inherit it are found): old key to new key."""

_CHANNELS = {"stood": "stopped_time_s"}
VALUES: dict[str, dict[str, dict[str, str]]] = {
    "SceneFeatureConfig": {"ego_channels": _CHANNELS, "undropped_channels": _CHANNELS},
}
"""Config dataclass, key: old text to new text."""

WEIGHTS: dict[str, dict[str, str]] = {
    "model diffusion": {"told.": "condition_encoder.", "lines.beside.": "lines.objects.", "wish": "line_query"},
    "model multimodal": {"lines.beside.": "lines.objects."},
    "model tokens": {
        "way.likely.": "route_encoder.logit.",
        "way.lines.beside.": "route_encoder.lines.objects.",
        "way.": "route_encoder.",
        "answer.": "output.",
        "moment.": "step_embedding.",
        "seen.": "scene_input.",
        "decoder.layers.*.ago": "decoder.layers.*.age_bias",
        "decoder.layers.*.think.": "decoder.layers.*.feed_forward.",
    },
}
"""``"KIND NAME"`` of an encoder or model: beginning of a weight's old name to that of its new name, dots included;
``*`` stands for one part."""

MODULES: dict[str, str] = {
    f"roadcraft.core.{name}": "roadcraft.core"
    for name in ("hookspecs", "kernel_cache", "layers", "map", "registry", "rollout", "scenario", "vehicle")
} | {
    "roadcraft.core.driving.reference_lines": "roadcraft.core.driving.features.reference_lines",
    "roadcraft.planners.checkpoint": "roadcraft.planners",
}
"""Module that packages made for an earlier version import, and where its names are now."""

NAMES: dict[str, str] = {
    f"roadcraft.core.interfaces.{name}": f"roadcraft.core.{name}"
    for name in (
        "Event",
        "FeatureSpec",
        "MetricResult",
        "PlannerNeeds",
        "Prediction",
        "ScenarioRow",
        "SceneEncoding",
        "Series",
    )
} | {
    "roadcraft.core.config.load_config": "roadcraft.core.load_config",
    "roadcraft.core.config.path_field": "roadcraft.core.path_field",
    "roadcraft.plugins.errors": "roadcraft.plugins.displacement_errors",
    "roadcraft.scenario_io.synthesise": "roadcraft.scenario_io.synthesize",
}
"""Name that packages made for an earlier version import from a module, and where it is now."""


class RenamedWarning(FutureWarning):
    """An old name was used. It works until the version that the warning names."""


def current(schema: type, given: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """The values of one config dataclass: each key as given, the same under today's name, and its value in today's
    texts."""
    keys, texts = _of(SETTINGS, schema), _of(VALUES, schema)
    for key, value in given.items():
        new = keys.get(key, key)
        yield key, new, _with(texts[new], value) if new in texts else value


def _with(texts: Mapping[str, str], value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_with(texts, v) for v in value]
    return texts.get(str(value), value) if isinstance(value, str) else value


def _of(table: Mapping[str, Mapping[str, Any]], schema: type) -> dict[str, Any]:
    """What a table says of a config dataclass of ours, and of those that it inherits from."""
    ours = [c for c in reversed(schema.__mro__) if c.__module__.startswith("roadcraft.")]
    return {old: new for c in ours for old, new in table.get(c.__qualname__, {}).items()}


def current_tree(schema: type, given: Mapping[str, Any], origin: str = "") -> dict[str, Any]:
    """The same at any depth. Old names are told where an origin is named, and an old and a new name together refused
    (ConfigError); what an earlier version wrote is read without a word."""
    out: dict[str, Any] = {}
    names: dict[str, str] = {}
    for old, new, value in current(schema, given):
        if origin and names.setdefault(new, old) != old:
            raise ConfigError(f"{new} ({origin}): {given_twice(old, names[new])}")
        out[new] = value
        if origin:
            warn_key("", old, new, given[old], value, origin)
    return out | {k: current_tree(s, out[k], origin) for k, s in _parts(schema) if isinstance(out.get(k), Mapping)}


def given_twice(one: str, other: str) -> str:
    """What is wrong with a key that is given under its old and its new name."""
    return f"is given twice, as {one} and as {other}, its old and new name"


def _parts(schema: type) -> list[tuple[str, type]]:
    """The fields of a config dataclass that are config dataclasses themselves."""
    return [(k, h) for k, h in hints_of(schema).items() if isinstance(h, type) and is_dataclass(h)]


def warn_key(at: str, old: str, new: str, before: Any, value: Any, origin: str) -> None:
    """A RenamedWarning where a key (``old`` to ``new``) or the texts of its value (``before`` to ``value``) had another
    name; at: what the key is part of."""
    if old != new:
        warn(f"{at}{old} ({origin})", f"{at}{new}")
    if before != value:
        warn(f"{at}{new}: {before} ({origin})", str(value))


def warn(old: str, new: str, stacklevel: int = 2) -> None:
    """The RenamedWarning for what was called ``old``."""
    text = f"{old} is called {new} since roadcraft {SINCE}; the old name goes in {UNTIL}"
    warnings.warn(text, RenamedWarning, stacklevel=stacklevel)


@contextmanager
def without_warnings() -> Iterator[None]:
    """Read what an earlier version wrote, old names in it included, without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RenamedWarning)
        yield


def current_weights(part: str, names: Iterable[str]) -> dict[str, str]:
    """Old to new name of those of a network's weights (``model.*``) that had another name in its part ``"model
    diffusion"``."""
    prefix = f"{part.partition(' ')[0]}."
    found = {}
    for name in names:
        now = name
        for old, new in WEIGHTS.get(part, {}).items():
            pattern = re.escape(prefix + old).replace(r"\*", "([^.]+)")
            if match := re.match(pattern, now):
                stars = iter(match.groups())
                now = prefix + "".join(next(stars) if c == "*" else c for c in new) + now[match.end() :]
        if now != name:
            found[name] = now
    return found


class _Moved(MetaPathFinder, Loader):
    """Imports modules of MODULES: an empty module that looks its names up where they are now."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname in MODULES else None

    def exec_module(self, module: ModuleType) -> None:
        new = MODULES[module.__name__]
        warn(f"module {module.__name__}", new, stacklevel=3)
        module.__dict__["__getattr__"] = lambda name: getattr(import_module(new), name)


def find_moved_modules() -> None:
    """Let old modules be imported, after all other ways to find a module."""
    if not any(isinstance(f, _Moved) for f in sys.meta_path):
        sys.meta_path.append(_Moved())


def moved_names(module: str) -> Callable[[str], Any]:
    """``__getattr__`` of a module that some names have left for another."""

    def load(name: str) -> Any:
        new = NAMES.get(f"{module}.{name}")
        if new is None:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warn(f"{module}.{name}", new, stacklevel=3)
        home, _, name = new.rpartition(".")
        return getattr(import_module(home), name)

    return load


def docs_page(plugins: Registry | None = None) -> str:
    """The page "Coming from 0.1" in Markdown, from the tables above."""
    from roadcraft.core.plugins.registry import load_object, registry

    plugins = plugins or registry()
    owners = [(f"{p.spec.kind} {p.spec.name}", p.spec.config) for p in plugins.plugins() if p.ours]
    owners = [(c.spec.name, c.spec.config) for c in plugins.commands() if c.ours and c.spec.config] + owners
    settings = [(where, *r) for where, config in owners for r in _renamed_in(load_object(config, where))]
    weights = [(part, old, new) for part, names in WEIGHTS.items() for old, new in names.items()]
    parts = [
        _PAGE.format(since=SINCE, until=UNTIL),
        _table("## Settings", ("of", "until then", f"since {SINCE}"), settings),
        _table("## Weights in checkpoints", ("of", "until then", f"since {SINCE}"), weights),
        _table("## Modules and names", ("until then", f"since {SINCE}"), list((MODULES | NAMES).items())),
    ]
    return "\n".join(p for p in parts if p)


_PAGE = """# Coming from 0.1

What version 0.1 wrote opens in {since}: stores, runs (`show`, `report`, `compare`, `rescore`) and checkpoints, which
drive as they did, to the last bit. An unfinished run is the exception: `score --resume` and `train --resume` refuse
what another version began, and name both versions.

Some settings have other names since {since}. The old ones still work: each is taken, with one warning that names the
file (or the command line), the old key and the new one. They go in {until}, and checkpoints with old names then open
no more. Python code that builds a config dataclass uses the new names.
"""


def _table(heading: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    lines += [f"| {' | '.join(f'`{cell}`' for cell in row)} |" for row in rows]
    return "\n".join([heading, "", *lines, ""])


def _renamed_in(schema: type, at: str = "") -> Iterator[tuple[str, str]]:
    """Old and new keys of a config dataclass, and of those within it."""
    for old, new in _of(SETTINGS, schema).items():
        yield f"{at}{old}", f"{at}{new}"
    for key, texts in _of(VALUES, schema).items():
        yield from ((f"{at}{key}: {old}", f"{at}{key}: {new}") for old, new in texts.items())
    for key, part in _parts(schema):
        yield from _renamed_in(part, f"{at}{key}.")
