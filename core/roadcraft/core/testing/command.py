"""Conformance of commands."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import is_dataclass
from typing import ClassVar

import pytest

from roadcraft.core.plugins.hookspecs import CommandSpec
from roadcraft.core.plugins.registry import load_object, registry

HEAVY = ("numpy", "omegaconf", "numba", "pyarrow", "torch")


class CommandConformance:
    """Subclass it, set ``name``: the command is found, its help explains every argument and option and imports nothing
    heavy, and wrong usage is refused."""

    name: ClassVar[str]
    """Name of the command under test."""

    @pytest.fixture
    def spec(self) -> CommandSpec:
        """The command's spec, as its distribution provides it."""
        found = registry().command(self.name)
        assert found is not None, f"no distribution provides the command {self.name!r}"
        spec: CommandSpec = found.spec
        return spec

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        """``roadcraft NAME WORDS``, whose last line of output names the modules that were imported."""
        code = (
            "import atexit, sys; from roadcraft.core.cli import main; "
            "atexit.register(lambda: print('\\nMODULES', *sys.modules)); main(sys.argv[1:])"
        )
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "COLUMNS": "200"}
        done = [sys.executable, "-c", code, self.name, *words]
        return subprocess.run(done, capture_output=True, text=True, env=env)

    def test_what_it_names_loads(self, spec: CommandSpec) -> None:
        assert callable(load_object(spec.target, f"command {self.name}"))
        assert spec.help.strip(), "the listing of commands shows help"
        if spec.config:
            assert is_dataclass(load_object(spec.config, f"the configuration of {self.name}"))
        if spec.preflight:
            assert callable(load_object(spec.preflight, f"the checks of {self.name}"))

    def test_help_is_light_and_complete(self, spec: CommandSpec) -> None:
        import inspect

        done = self.call("--help")
        assert done.returncode == 0, done.stderr
        text, _, modules = done.stdout.rpartition("\nMODULES")
        heavy = {m.partition(".")[0] for m in modules.split()} & set(HEAVY)
        assert not heavy, f"--help imports {', '.join(sorted(heavy))}: import it within the function"
        assert "Usage:" in text
        target = load_object(spec.target, f"command {self.name}")
        for name, parameter in inspect.signature(target, eval_str=True).parameters.items():
            marks = getattr(parameter.annotation, "__metadata__", (parameter.default,))
            assert any(getattr(m, "help", None) for m in marks), f"the parameter {name} has no help"

    def test_wrong_usage_is_refused(self, spec: CommandSpec) -> None:
        done = self.call("--no-such-option")
        assert done.returncode == 2, "exit code 2 says wrong usage"
        assert "Traceback" not in done.stderr
