"""Public names of the rooms, loaded on first use."""

from __future__ import annotations

import importlib
import os
import pkgutil
import subprocess
import sys

import pytest

ROOMS = (
    "roadcraft.core", "roadcraft.core.testing", "roadcraft.scenario_io", "roadcraft.scenario_io.nuplan",
    "roadcraft.planners",
    "roadcraft.validation", "roadcraft.validation.metrics", "roadcraft.validation.devkit", "roadcraft.plugins",
)  # fmt: skip


@pytest.mark.parametrize("room", ROOMS)
def test_dir_shows_the_public_names(room: str) -> None:
    package = importlib.import_module(room)
    assert package.__all__ == dir(package)


@pytest.mark.parametrize("room", [r for r in ROOMS if not r.endswith(("devkit", "planners", "plugins"))])
def test_every_public_name_loads(room: str) -> None:
    package = importlib.import_module(room)
    assert all(getattr(package, name) is not None for name in package.__all__)


def test_a_name_of_the_version_before_loads_with_a_warning() -> None:
    package = importlib.import_module("roadcraft.scenario_io")
    with pytest.warns(
        FutureWarning, match=r"roadcraft.scenario_io.synthesise is called roadcraft.scenario_io.synthesize"
    ):
        assert package.synthesise is package.synthesize


@pytest.mark.parametrize("room", ROOMS)
def test_no_public_name_is_that_of_a_module(room: str) -> None:
    """Importing the module would put it in the place of the name."""
    package = importlib.import_module(room)
    modules = {m.name for m in pkgutil.iter_modules(package.__path__)}
    assert not modules & set(package.__all__)


def test_a_misspelt_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(
        AttributeError, match=r"module 'roadcraft.core' has no attribute 'Rollot'; did you mean 'Rollout'\?"
    ):
        importlib.import_module("roadcraft.core").Rollot  # noqa: B018


@pytest.mark.parametrize("name", ["Event", "Series", "Keys", "Forecast", "Objects", "Lights", "stack_plans",
"ScenarioRow", "PluginRef", "plugin_field",
                                  "path_field", "load_config", "load_planner", "check"])  # fmt: skip
def test_what_a_plugin_author_needs_is_public(name: str) -> None:
    assert name in importlib.import_module("roadcraft.core").__all__


def test_an_authors_conformance_tests_use_the_kernel_cache(tmp_path: object) -> None:
    code = "import os, roadcraft.core.testing; print(os.environ['NUMBA_CACHE_DIR'])"
    env = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"} | {"XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert done.stdout.startswith(f"{tmp_path}/roadcraft/kernels/")
