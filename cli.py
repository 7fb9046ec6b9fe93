"""The command `fiducial`."""

import sys
from collections.abc import Sequence
from typing import Any, NoReturn, cast

import typer

from . import (
    cli_causal,
    cli_certify,
    cli_curves,
    cli_explain,
    cli_figures,
    cli_judging,
    cli_making,
    cli_published,
    cli_report,
    cli_saebench,
    cli_scoring,
    cli_sweep,
)
from .cli_app import app, distinct_names

__all__ = [
    "app",
    "cli_causal",
    "cli_certify",
    "cli_curves",
    "cli_explain",
    "cli_figures",
    "cli_judging",
    "cli_making",
    "cli_published",
    "cli_report",
    "cli_saebench",
    "cli_scoring",
    "cli_sweep",
    "distinct_names",
    "main",
]
INTERRUPTED = 130  # what a shell reports for Ctrl-C, and what typer turns it into


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: 0 done, 2 bad input with one line on stderr, 1 anything else, 130 interrupted."""
    try:
        code = app(args=arguments, standalone_mode=False, prog_name="fiducial") or 0
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except typer.Exit as end:
        code = end.exit_code
    except (ValueError, KeyError, OSError) as error:
        _refuse(error.args[0] if isinstance(error, KeyError) and error.args else error)
    except Exception as error:
        if not hasattr(error, "format_message"):  # click's own complaints about arguments have it
            raise
        context = getattr(error, "ctx", None)
        where = "fiducial" if context is None else context.command_path
        said = error.format_message().rstrip(".") + _typed(error)  # type: ignore[attr-defined]
        _refuse(f"{said}{' S' if said.endswith('?') else '; s'}ee `{where} --help`")
    if code == INTERRUPTED:
        print("fiducial: interrupted; files already finished are whole, nothing else was written", file=sys.stderr)
    raise SystemExit(code)


def _typed(error: Exception) -> str:
    """What was typed where a value is none of its option's, which the message leaves out; empty where it is unknown."""
    errors: Any = getattr(error.__cause__ or error.__context__, "errors", None)
    details = cast(list[Any], errors()) if callable(errors) else []
    return f", got {details[0]['input']}" if details and "input" in details[0] else ""


def _refuse(message: object) -> NoReturn:
    print(f"fiducial: {' '.join(str(message).split())}", file=sys.stderr)
    raise SystemExit(2)
