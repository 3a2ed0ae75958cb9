"""The verbs ``score``, ``rescore``, ``compare`` and ``show``: thin shells over the functions of the same names."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from roadcraft.core.commands.completion import Found, complete_settings, complete_words, names_of
from roadcraft.core.errors import ConfigError, RoadcraftError, ScenarioError
from roadcraft.validation.config import MANY

Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Words = Annotated[
    list[str] | None,
    typer.Argument(
        help="YAML files and key=value words, later ones over earlier ones; `data=` is short for `suite.data=`.",
        metavar="[FILE.yaml]... [key=value]...",
        autocompletion=complete_settings,
    ),
]


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """Ctrl-C and SIGTERM end the command in order: what is kept is told, exit code 130 or 143."""
    import signal

    code = 130

    def stop(number: int, _: object) -> None:
        nonlocal code
        code = 128 + number
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt as e:
        print(f"interrupted{': ' if e.args else ''}{e}", file=sys.stderr)
        raise typer.Exit(code) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def score(  # noqa: PLR0913 (the command's options)
    words: Words = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in out=RUN; the configuration must be the same.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="One process, stop at the first fault with its full traceback.")
    ] = False,
    junit: Annotated[Path | None, typer.Option("--junit", help="Write the results as JUnit XML.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the run (same as out=).")] = None,
    fail_below: Annotated[
        float | None, typer.Option("--fail-below", help="Exit code 1 where a challenge scores less.", min=0.0, max=1.0)
    ] = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option("--fail-on", help="Exit code 1 where this metric is below 1 in any scenario; may be repeated."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Say how many scenarios of which type and map, and how long and how large; write nothing."
        ),
    ] = False,
    all_scenarios: Annotated[
        bool,
        typer.Option(
            "--all", help=f"Drive everything although suite.filter is empty and there are more than {MANY} scenarios."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    r"""Simulate a planner on a suite of scenarios and score it.

    Examples: roadcraft score planner=idm data=STORE modes=\[nonreactive,reactive]

    roadcraft score suites/mini.yaml planner=guard planner.params.planner=pdm_closed --out runs/a --resume

    roadcraft score planner=idm data=STORE scenario=TOKEN --debug

    roadcraft score suites/mini.yaml planner=idm --fail-below 0.9 --fail-on no_ego_at_fault_collisions --junit
    results.xml

    Exit codes: 0 every scenario was driven; 1 some could not be driven (they score 0 and are listed), or --fail-below
    or --fail-on is not met; 2 wrong configuration; 3 all were driven, but suite.filter names some that the data lack; 4
    the data cannot be used, or the disk is full; 130 or 143 interrupted (--resume goes on).
    """
    from dataclasses import replace

    from roadcraft.core.config.load import COMMAND_LINE
    from roadcraft.core.config.preflight import given_by
    from roadcraft.validation.scoring.gate import Gate
    from roadcraft.validation.scoring.score import load_score_config, placed, resumed_words, score as run_score

    given = list(words or [])
    loaded = load_score_config(resumed_words(given, out) if resume else given)
    if out is not None and loaded.origins.get("out") == COMMAND_LINE:
        raise ConfigError(f"out ({COMMAND_LINE}): given twice, --out {out} and out={loaded.config.out}; take one out")
    config = loaded.config if out is None else replace(loaded.config, out=str(out))
    origins = loaded.origins if out is None else {**loaded.origins, "out": COMMAND_LINE}
    gate = Gate(fail_below, tuple(fail_on or ()))
    gate.check(config)
    if junit is not None and junit.is_dir():
        raise ConfigError(f"--junit (command line): {junit} is a folder; name a file")
    if dry_run:
        with given_by(origins):
            _print_dry_run(config, as_json)
        return
    config = placed(config, resume)
    with _stoppable(), given_by(origins):
        try:
            result = run_score(
                config,
                resume=resume,
                debug=debug,
                progress=not debug,
                at_most=None if all_scenarios or resume else MANY,
            )
        except Exception as e:
            if debug and (isinstance(e, ScenarioError) or not isinstance(e, RoadcraftError)):
                import traceback

                traceback.print_exc()
                raise typer.Exit(1) from None
            raise
    if junit is not None:
        from roadcraft.validation.scoring.junit import write_junit

        write_junit(result.records, junit, gate, result.summary)
    refused = gate.reasons(result.summary, result.records)
    if as_json:
        print(json.dumps({"run": str(result.run), "does_not_pass": refused, **result.summary}, indent=1))
    else:
        from roadcraft.validation.scoring.present import print_summary

        print_summary(result.summary)
        print(f"written to {result.run}", file=sys.stderr)
    for line in refused:
        print(f"does not pass: {line}", file=sys.stderr)
    raise typer.Exit(1 if result.failed or refused else 3 if result.missing else 0)


def _print_dry_run(config: Any, as_json: bool) -> None:
    from roadcraft.validation.scoring.estimate import dry_run, print_dry_run

    with _stoppable():
        found = dry_run(config)
    if as_json:
        print(json.dumps(found, indent=1))
    else:
        print_dry_run(found)


def _complete_metric(ctx: typer.Context, incomplete: str) -> Found:
    """Settings of the one metric that is named."""
    from roadcraft.core.plugins.registry import registry

    named = ctx.params.get("metric") or []
    known = len(named) == 1 and named[0] in registry().names("metric")
    return complete_words(ctx, [registry().config_class("metric", named[0])] if known else [], incomplete)


def rescore(
    run: Annotated[Path, typer.Argument(help="A run whose rollouts were kept.", metavar="RUN")],
    params: Annotated[
        list[str] | None,
        typer.Argument(
            help="Settings of the further metric (see: roadcraft plugins metric NAME); of several, NAME.key=value.",
            metavar="[key=value]...",
            autocompletion=_complete_metric,
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the new scores.")] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric", help="A further metric by name; may be repeated.", autocompletion=lambda: names_of("metric")
        ),
    ] = None,
    score: Annotated[
        str | None, typer.Option("--score", help="Which score: nuplan or freight (default: the run's).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Judge a run's stored rollouts again, with new or changed metrics, without driving.

    Example: roadcraft rescore runs/a --out runs/a2 --metric hard_braking bound_mps2=3.5

    Exit codes: 0 done; 1 some scenarios could not be judged; 2 an unknown metric or setting; 4 the run or its rollouts
    cannot be read.
    """
    from roadcraft.validation.scoring.present import print_summary
    from roadcraft.validation.scoring.rescore import metric_refs, rescore as run_rescore

    if out is None:
        raise ConfigError("--out is missing: say where the new scores go, --out FOLDER")
    with _stoppable():
        result = run_rescore(
            run, out, metrics=metric_refs(metric or [], params or []), score=_known_score(score), progress=True
        )
    if as_json:
        print(json.dumps({"run": str(result.run), **result.summary}, indent=1))
    else:
        print_summary(result.summary)
    raise typer.Exit(1 if result.failed else 0)


def _known_score(score: str | None) -> Literal["nuplan", "freight"] | None:
    known: dict[str | None, Literal["nuplan", "freight"] | None] = {
        None: None,
        "nuplan": "nuplan",
        "freight": "freight",
    }
    if score in known:
        return known[score]
    raise ConfigError(f"--score {score} (command line): must be nuplan or freight")


def compare(
    a: Annotated[Path, typer.Argument(help="The run to compare with.", metavar="A")],
    b: Annotated[Path, typer.Argument(help="The run that is judged.", metavar="B")],
    limit: Annotated[int, typer.Option("--limit", help="Changed scenarios shown per list; 0 for all.", min=0)] = 15,
    same: Annotated[
        bool,
        typer.Option(
            "--require-same-scenarios/--no-require-same-scenarios",
            help="Refuse runs that did not drive the same scenarios, or compare those that both drove.",
        ),
    ] = True,
    margin: Annotated[
        float,
        typer.Option("--margin", help="Loss of score, from 0 to 1, up to which B is not worse.", min=0.0, max=1.0),
    ] = 0.02,
    junit: Annotated[Path | None, typer.Option("--junit", help="Write the comparison as JUnit XML.")] = None,
    as_json: Json = False,
) -> None:
    """How run B differs from run A on the same scenarios: a verdict, paired differences with intervals, and which
    scenarios changed.

    What else differs between the runs (controller, vehicle, agents, seed, version, data, metrics) comes first.

    Example: roadcraft compare runs/before runs/after

    Exit codes: 0 equal, better, or not worse (a loss of --margin is excluded at 95 %); 1 a challenge is worse beyond
    its 95 % interval; 4 a run cannot be read, or the runs did not drive the same scenarios; 5 undecided.
    """
    from roadcraft.validation.comparing.compare import EXIT_CODES, compare as run_compare
    from roadcraft.validation.comparing.table import print_comparison

    found = run_compare(a, b, require_same_scenarios=same, margin=margin)
    if junit is not None:
        from roadcraft.validation.comparing.junit import write_comparison

        write_comparison(found, junit)
    if as_json:
        print(json.dumps(found, indent=1))
    else:
        print_comparison(found, limit)
    raise typer.Exit(EXIT_CODES.get(found["verdict"], 0))


def show(  # noqa: PLR0913 (the command's options)
    path: Annotated[Path, typer.Argument(help="A scoring run, or a store.", metavar="RUN|STORE")],
    token: Annotated[str, typer.Argument(help="One scenario (of a store also: a log's key, or a map's hash).")] = "",
    type: Annotated[
        str, typer.Option("--type", help="Only this scenario type (of a run also those with this in their name).")
    ] = "",
    challenge: Annotated[
        str, typer.Option("--challenge", help="Run: only this one: nonreactive, reactive or open_loop.")
    ] = "",
    location: Annotated[
        str, typer.Option("--location", help="Only this map (of a run also those with this in their name).")
    ] = "",
    metric: Annotated[str, typer.Option("--metric", help="Run: list by this metric's score.")] = "",
    below: Annotated[float | None, typer.Option("--below", help="Run: only scores below this, from 0 to 1.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Run: only scenarios that could not be driven.")] = False,
    tokens: Annotated[
        bool, typer.Option("--tokens", help="Run: print the listed scenarios as a file that `roadcraft score` takes.")
    ] = False,
    logs: Annotated[bool, typer.Option("--logs", help="Store: list the drives too.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Store: compare every file with its checksum.")] = False,
    limit: Annotated[int, typer.Option("--limit", help="Rows shown; 0 for all. --tokens prints all.", min=0)] = 20,
    as_json: Json = False,
) -> None:
    """List what a run or a store holds, or say why one scenario scored as it did.

    Examples: roadcraft show runs/a --below 0.5 --type left_turn

    roadcraft show runs/a 953a7c424343b6ff

    roadcraft show runs/a --below 0.5 --tokens > bad.yaml; roadcraft score bad.yaml planner=pdm_closed

    Exit codes: 0 done; 2 a name that the run does not know, or an option without effect; 4 nothing of the kind is
    there.
    """
    from roadcraft.validation.inspection.show import describe_run, describe_scenario, is_run, token_list
    from roadcraft.validation.inspection.show_table import print_run, print_scenario

    of_run: dict[str, Any] = {"challenge": challenge, "metric": metric, "below": below, "failed": failed}
    of_list: dict[str, Any] = {"type": type, "location": location}
    of_store: dict[str, Any] = {"logs": logs, "verify": verify}
    if not is_run(path):
        _refuse({**of_run, "tokens": tokens}, f"{path} is not a run")
        _show_store(path, token, type, location, logs, verify, limit, as_json)
        return
    _refuse(of_store, f"{path} is a run")
    if token:
        _refuse({**of_run, **of_list, "tokens": tokens, "challenge": ""}, f"one scenario is asked for, {token}")
        told = describe_scenario(path, token, challenge=challenge)
        print(json.dumps(told, indent=1)) if as_json else print_scenario(told)
        return
    found = describe_run(path, **of_run, **of_list, limit=0 if tokens else limit)
    if tokens:
        print(token_list(path, found), end="")
    elif as_json:
        print(json.dumps(found, indent=1))
    else:
        print_run(found, summary=not any(map(_given, (*of_run.values(), *of_list.values()))))


def _given(value: Any) -> bool:
    return value not in ("", None, False)


def _refuse(options: dict[str, Any], why: str) -> None:
    """Raise ConfigError for options that would have no effect here."""
    names = [f"--{name}" for name, value in options.items() if _given(value)]
    if names:
        raise ConfigError(f"{', '.join(names)} (command line): without effect here, {why}")


def _show_store(
    path: Path, token: str, type: str, location: str, logs: bool, verify: bool, limit: int, as_json: bool
) -> None:
    from roadcraft.scenario_io.filter_config import ScenarioFilter
    from roadcraft.scenario_io.show import describe_store, print_description

    named = {"scenario_types": type, "map_names": location}
    filter = ScenarioFilter(**{k: (v,) for k, v in named.items() if v}) if type or location else None
    found = describe_store(path, token or None, filter, logs=logs, limit=limit, verify=verify)
    if as_json:
        print(json.dumps(found, indent=1))
    else:
        print_description(found)
    if found.get("faults"):
        raise typer.Exit(4)
