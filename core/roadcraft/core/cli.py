"""The ``roadcraft`` command: every verb comes from a plugin (``CommandSpec``) and is loaded when it is called, not
before."""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
import sys
import traceback
import warnings
from typing import Annotated, Any

import typer
import typer.core
import typer.main

from roadcraft.core._version import __version__
from roadcraft.core.errors import RoadcraftError
from roadcraft.core.kernels.cache import use_kernel_cache
from roadcraft.core.plugins.registry import NO_PLUGINS, PluginWarning, Provided, load_object, registry

EXIT_CODES = (
    "Exit codes: 0 done; 1 done, but something failed or got worse; 2 wrong usage or configuration; 3 done, but bad "
    "input was skipped; 4 the input or a file cannot be used; 5 undecided (compare); 130 interrupted, 143 terminated "
    "(what was finished is kept).\n\n"
    "The shell completes commands, settings and names: roadcraft --install-completion."
)


class _Verbs(typer.core.TyperGroup):
    """Lists verbs from their specs alone; a verb's module is imported only when the verb is resolved."""

    _resolving = False

    def list_commands(self, ctx: Any) -> list[str]:
        return [c.spec.name for c in registry().commands()]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if self._resolving:
            chosen = registry().command(cmd_name)
            return None if chosen is None else _load_verb(chosen)
        found = next((c for c in registry().commands() if c.spec.name == cmd_name), None)
        return None if found is None else _placeholder(found)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        self._resolving = True
        try:
            return super().resolve_command(ctx, args)
        finally:
            self._resolving = False


def _load_verb(found: Provided) -> Any:
    target = load_object(found.spec.target, str(found))
    if isinstance(target, typer.Typer):
        return typer.main.get_group(target) if len(target.registered_commands) != 1 else typer.main.get_command(target)
    single = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
    cls = _WithSettings if found.spec.config else typer.core.TyperCommand
    single.command(name=found.spec.name, help=target.__doc__ and None, cls=cls)(target)
    return typer.main.get_command(single)


class _WithSettings(typer.core.TyperCommand):
    """A verb whose ``key=value`` words fill a config dataclass: its help ends with every key."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        from roadcraft.core.config.parameter_table import print_sections
        from roadcraft.core.config.parameters import sections_of

        super().format_help(ctx, formatter)
        found = next(c for c in registry().commands() if c.spec.name == self.name)
        schema = load_object(found.spec.config, f"the configuration of {self.name!r}")
        short = ", ".join(f"{key} for {full}" for key, full in getattr(schema, "SHORT", {}).items())
        head = f"Settings, KEY=VALUE (as a file: roadcraft config show --for {self.name}):"
        print_sections(sections_of(schema), head, f"Short keys: {short}." if short else "")


def _placeholder(found: Provided) -> Any:
    single = typer.Typer(add_completion=False)
    single.command(name=found.spec.name, help=found.spec.help)(lambda: None)
    return typer.main.get_command(single)


def _build_app() -> typer.Typer:
    app = typer.Typer(
        cls=_Verbs,
        name="roadcraft",
        help="Driving logs into behavior models, behavior models into planners, "
        "planners into scores that can be trusted.",
        epilog=EXIT_CODES,
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def root(
        version: Annotated[
            bool, typer.Option("--version", help="Print the version and stop.", is_eager=True, callback=_print_version)
        ] = False,
        no_plugins: Annotated[bool, typer.Option("--no-plugins", help="Leave third-party plugins out.")] = False,
        whole: Annotated[
            bool, typer.Option("--traceback", help="Print the whole traceback where a plugin raises.")
        ] = False,
    ) -> None:
        pass

    return app


def _print_version(asked: bool) -> None:
    if asked:
        print(f"roadcraft {__version__}")
        raise typer.Exit


def main(argv: list[str] | None = None) -> None:
    """Entry point of the command line. Without ``argv`` it ends the process with the exit code; else it raises
    SystemExit.

    The process ends without taking the interpreter down piece by piece: threads of libraries that still run then could
    abort it, and the exit code would be theirs.
    """
    if argv is not None:
        _run(argv)
        return
    code: Any = None
    try:
        _run(sys.argv[1:])
    except SystemExit as e:
        code = e.code
    except BaseException:
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _run(words: list[str]) -> None:
    """Errors meant for the user are printed without a traceback."""
    leading = words[: next((i for i, w in enumerate(words) if not w.startswith("-")), len(words))]
    if "--no-plugins" in leading:  # before discovery, and for worker processes too
        os.environ[NO_PLUGINS] = "1"
    try:
        note = use_kernel_cache()
        if note and len(leading) < len(words) and not {"-h", "--help"} & set(words):
            print(f"note: {note}", file=sys.stderr)
        _warn_of_faults()
        warnings.formatwarning = _warning_text
        _build_app()(args=words, prog_name="roadcraft")
    except RoadcraftError as e:
        sys.exit(_fail(e))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as e:
        if e.errno is None:
            raise
        remedy = (
            " Free some space and run the same command again; what was finished is kept."
            if e.errno in (errno.ENOSPC, errno.EDQUOT)
            else ""
        )
        print(f"error: {e.filename or 'a file'}: {e.strerror}.{remedy}", file=sys.stderr)
        sys.exit(4)
    except Exception as e:
        if "--traceback" in leading or not (place := _third_party_place(e)):
            raise
        line = f"error: {place}: {type(e).__name__}: {e} (roadcraft --traceback {' '.join(words[:1])} ... says more)"
        print(line, file=sys.stderr)
        sys.exit(2)


def _third_party_place(error: Exception) -> str:
    """Package, file, line and function of the innermost third-party code that an error came through; empty where there
    is none."""
    offered = [*registry().plugins(), *registry().commands()]
    owners = {p.spec.target.split(".")[0].split(":")[0]: p for p in offered if not p.ours}
    found = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        if p := owners.get(frame.f_globals.get("__name__", "").split(".")[0]):
            code = frame.f_code
            found = f"{p.provider} {p.version}, {code.co_filename}, line {line}, in {code.co_name}"
    return found


def _warn_of_faults() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PluginWarning)
        faults = registry().faults
    for fault in faults:
        print(f"warning: plugin {fault.entry_point!r} of {fault.provider} was left out: {fault.error}", file=sys.stderr)


_format = warnings.formatwarning


def _warning_text(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """A warning of ours as one line, any other as Python writes it."""
    ours = category.__module__.startswith("roadcraft.")
    return f"warning: {message}\n" if ours else _format(message, category, filename, lineno, line)


def _fail(error: RoadcraftError) -> int:
    from roadcraft.core.errors import ConfigError, PluginError

    print(f"error: {error}", file=sys.stderr)
    return 2 if isinstance(error, (ConfigError, PluginError)) else 4


if __name__ == "__main__":
    main()
