"""The command that poses SAEBench's tasks where the truth is known."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .cli_app import Games, Out, Quiet, Seed, TestbedName, app, check_folder, dictionaries_of, finish, hush, show, split
from .cli_llm import (
    BaseUrl,
    BudgetUsd,
    CacheFile,
    Concurrency,
    KeyVariable,
    MaxRequests,
    Model,
    Offline,
    Plan,
    PriceIn,
    PriceOut,
    Timeout,
    Yes,
    client_of,
    may_send,
)

if TYPE_CHECKING:
    from .metrics.llm.client import Client
    from .models.dictionary import Dictionary


@app.command()
def saebench(
    saes: Annotated[
        list[str] | None,
        typer.Argument(help="SAE folders, files or sae_lens releases, or names of shipped SAEs; those by default."),
    ] = None,
    testbed: TestbedName = "",
    tasks: Annotated[
        str | None,
        typer.Option(
            "--tasks",
            help="core, probing, scr, tpp, absorption, ravel, unlearning, mdl, meta, autointerp; comma-separated.",
        ),
    ] = None,
    games: Games = 200,
    beside: Annotated[
        Path | None, typer.Option(help="Result file of SAEBench, or a folder of them, to set beside.")
    ] = None,
    seed: Seed = 0,
    out: Out = Path("fiducial-saebench"),
    kind: Annotated[str | None, typer.Option(help="As for `fiducial score`.")] = None,
    scr_judge: Annotated[
        str | None,
        typer.Option(help="Also SCR as SHIFT does it, with latents that a judge keeps: predicate (offline), or llm."),
    ] = None,
    model: Model = None,
    base_url: BaseUrl = None,
    key_variable: KeyVariable = "OPENAI_API_KEY",
    plan: Plan = False,
    yes: Yes = False,
    price_in: PriceIn = None,
    price_out: PriceOut = None,
    budget_usd: BudgetUsd = None,
    max_requests: MaxRequests = None,
    concurrency: Concurrency = 8,
    timeout: Timeout = 120.0,
    cache: CacheFile = None,
    offline: Offline = False,
    quiet: Quiet = False,
) -> None:
    """SAEBench's tasks, posed where the truth is known; the published figures beside, in SAEBench's own files."""
    if scr_judge not in (None, "predicate", "llm"):
        raise ValueError(f"--scr-judge is predicate or llm, got {scr_judge!r}")
    if scr_judge == "llm" and not model:
        raise ValueError("name the language model with --model, as its endpoint knows it")
    hush(quiet)
    check_folder(out)
    from .report_html import beside_section
    from .saebench import check_tasks, score_tasks
    from .saebench_files import beside as table_beside
    from .saebench_files import read_saebench, side_by_side
    from .testbed_catalogue import check_testbed
    from .testbed_catalogue import testbed as make
    from .testbed_specs import DEFAULT_TESTBED

    name = check_testbed(testbed or DEFAULT_TESTBED)
    others = None if beside is None else read_saebench(beside)
    dictionaries = dictionaries_of(saes or [], name, kind)
    bed = make(name, n_games=games, seed=seed)
    wanted = check_tasks(split(tasks), bed)
    client = None
    if scr_judge == "llm":
        client = client_of(
            model,
            out,
            base_url=base_url,
            key_variable=key_variable,
            cache=cache,
            offline=offline,
            concurrency=concurrency,
            timeout_s=timeout,
            budget_usd=budget_usd,
            max_requests=max_requests,
            price_in=price_in,
            price_out=price_out,
            quiet=quiet,
            seed=seed,
        )
        to_send = _plan([dictionary for dictionary, _ in dictionaries], bed, client, seed)
        if plan:
            return
        may_send(client, to_send, yes=yes, limited=budget_usd is not None or max_requests is not None, offline=offline)
    elif plan:
        typer.echo("nothing is sent: no language model is asked")
        return
    runs = []
    for dictionary, sha256 in dictionaries:
        run = score_tasks(dictionary, bed, wanted, seed=seed, sha256=sha256)
        files = run.write(out / "saebench")
        typer.echo(f"{dictionary.name}: wrote {len(files)} file(s) in SAEBench's form to {out / 'saebench'}")
        runs.append(run)
    extra = ""
    if others is not None:
        for run in runs:
            show(table_beside(others, run.results()))
            extra += beside_section(run.report, side_by_side(others, run.results()))
    finish([run.report for run in runs], out, extra=extra)
    if scr_judge is not None:
        _judge([dictionary for dictionary, _ in dictionaries], bed, client, out, seed)


def _judge(dictionaries: "Sequence[Dictionary]", bed: Any, client: "Client | None", out: Path, seed: int) -> None:
    """SCR with latents that a judge keeps, of every dictionary."""
    from .explaining.rendering import renderer_of
    from .metrics.llm.errors import BudgetSpent, ConnectionRefused
    from .saebench import judged_scr
    from .tasks.scr_judge import llm_judge, predicate_judge

    renderer = None if client is None else renderer_of(bed)

    def judge(about: Any) -> Any:
        if client is None or renderer is None:
            return predicate_judge(about, seed=seed)
        return llm_judge(about, client, renderer, seed=seed)

    try:
        for dictionary in dictionaries:
            found = judged_scr(dictionary, bed, judge, seed=seed)
            typer.echo(f"{dictionary.name}: {found.sentence()}")
            found.to_json(out / f"{dictionary.name}-scr-judged.json")
    except (BudgetSpent, ConnectionRefused) as error:  # no fault of the input; what came is kept
        typer.echo(f"fiducial: {error}", err=True)
        raise typer.Exit(1) from None
    finally:
        if client is not None:
            typer.echo(client.usage.table())
            client.close()


def _plan(dictionaries: "Sequence[Dictionary]", bed: Any, client: "Client", seed: int) -> int:
    """Print what would be sent; how many requests that is."""
    from .explaining.rendering import renderer_of
    from .explaining.table import plan_table
    from .metrics.llm.plan import plan
    from .references import Candidate
    from .subject import subject
    from .tasks.scr_judge import plan_requests

    renderer, plans = renderer_of(bed), {}
    for one in dictionaries:
        about = subject(Candidate(one.name, "tested", one, bed.x), bed, null=False, seed=seed)
        plans[one.name] = plan(plan_requests(about, client, renderer, seed=seed), client.cached, client.prices)
    show(plan_table(plans, client.model, client.endpoint))
    return sum(one.to_send for one in plans.values())
