"""Commands about judges and likeness: how often a judge errs by serialisation, and whether SAEs are alike."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .cli_app import (
    Games,
    Out,
    Quiet,
    Seed,
    TestbedName,
    app,
    check_folder,
    dictionaries_of,
    hush,
    numbers,
    show,
    split,
)
from .cli_llm import (
    BaseUrl,
    BudgetUsd,
    CacheFile,
    Concurrency,
    EncoderName,
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
    encoder_of,
    may_send,
    needless,
    spending,
)

if TYPE_CHECKING:
    from .judging.serialisation_result import JudgeErrors
    from .metrics.llm.client import Client

JUDGES = ("reader", "encoder", "llm")


@app.command(name="judge-errors")
def judge_errors(
    judge: Annotated[
        str, typer.Argument(help="reader (parses what the text shows; offline), encoder (with --encoder), or llm.")
    ] = "reader",
    testbed: TestbedName = "",
    styles: Annotated[str | None, typer.Option(help="Serialisations, comma-separated; all by default.")] = None,
    per_group: Annotated[int, typer.Option(help="Predicates of every group of features.", min=1)] = 2,
    positions: Annotated[int, typer.Option(help="Positions asked about for each predicate.", min=2)] = 20,
    per_question: Annotated[int, typer.Option(help="Positions in one question.", min=1)] = 5,
    games: Games = 200,
    encoder: EncoderName = None,
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
    groups: Annotated[
        bool, typer.Option("--groups", help="Show every group of features; the file has them anyhow.")
    ] = False,
    seed: Seed = 0,
    out: Out = Path("fiducial-judge-errors"),
    quiet: Quiet = False,
) -> None:
    """How often a judge is wrong about facts that are known, by the way in which positions are shown to it."""
    hush(quiet)
    check_folder(out)
    if judge not in JUDGES:
        raise ValueError(f"the judge is {', '.join(JUDGES[:-1])} or {JUDGES[-1]}, got {judge!r}")
    if judge == "llm" and not model:
        raise ValueError("name the language model with --model, as its endpoint knows it")
    if judge == "encoder" and encoder is None:
        raise ValueError("name the encoder with --encoder, such as minilm")
    if judge != "encoder":
        needless({"--encoder": encoder}, "it is for the judge named encoder")
    asks = judge == "llm" or (encoder or "").startswith("endpoint:")
    if not asks:
        given = {"--model": model, "--base-url": base_url, "--offline": offline, "--cache": cache, "--yes": yes}
        needless(given, f"the judge named {judge} is no language model")
    from .explaining.rendering import renderer_of
    from .games.serialise import styles_of
    from .judging.serialisation import judge_errors_by_style, predicates_by_group
    from .tasks.facts import facts_of
    from .testbed_catalogue import check_testbed, with_model
    from .testbed_catalogue import testbed as make
    from .testbed_specs import DEFAULT_TESTBED

    name = check_testbed(testbed or DEFAULT_TESTBED)
    _check_real(name, "its positions have no text that a judge could read")
    client = None
    if asks:
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
    with spending(client):
        encodes = encoder_of(encoder, client) if encoder is not None else None
        bed = with_model(make(name, n_games=games, seed=seed))
        facts = facts_of(bed)
        renderers = [renderer_of(bed, style) for style in dict.fromkeys(split(styles) or styles_of(bed.game))]
        predicates = predicates_by_group(bed.features, facts, n_per_group=per_group, seed=seed)
        asked: dict[str, Any] = {
            "predicates": predicates,
            "n_per_predicate": positions,
            "per_question": per_question,
            "seed": seed,
        }
        # of other draws than those that are asked about, so that the threshold is not fitted to them
        others = predicates_by_group(bed.features, facts, n_per_group=per_group, seed=seed + 1)

        def judge_of(renderer: Any) -> Any:
            if judge == "llm":
                from .metrics.llm.llm_judge import LLMJudge

                assert client is not None
                return LLMJudge(client, renderer, seed=seed)
            if judge == "encoder":
                from .judging.encoder_judge import encoder_judge

                assert encodes is not None
                return encoder_judge(encodes, facts, renderer, predicates=others, seed=seed)
            from .judging.reader import ReaderJudge

            return ReaderJudge(bed.game, renderer)

        if judge == "llm":
            assert client is not None
            to_send = _plan(client, facts, renderers, asked)
            if plan:
                return
            limited = budget_usd is not None or max_requests is not None
            may_send(client, to_send, yes=yes, limited=limited, offline=offline)
        elif plan:
            typer.echo("questions are answered here, without a language model")
            return
        found = judge_errors_by_style(judge_of, facts, renderers, **asked)
    show((found if groups else _briefly(found)).table())
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"judge-errors-{judge}-{name}.json"
    found.to_json(path)
    typer.echo(f"wrote {path}" + ("" if groups else "; it holds every group of features, --groups shows them"))


def _check_real(name: str, why: str) -> None:
    """Refuse, before the work, a world without a model and games.

    Raises:
        ValueError: a synthetic one.
    """
    from .testbed_specs import SPECS

    if name not in SPECS:
        raise ValueError(f"{name} is a synthetic world: {why}; take {', '.join(SPECS)}")


def _briefly(found: "JudgeErrors") -> "JudgeErrors":
    """Groups of features put together; negations and pairs apart."""
    from .judging.serialisation_result import gathered

    composed = ("not", "and", "or")
    single = [row.kind for row in found.rows if row.kind not in composed]
    return gathered(found, {"single facts": list(dict.fromkeys(single)), **{kind: [kind] for kind in composed}})


def _plan(client: "Client", facts: Any, renderers: Any, asked: dict[str, Any]) -> int:
    """Print what would be sent for every style; how many requests that is."""
    from .explaining.table import plan_table
    from .judging.serialisation import judge_errors_by_style
    from .metrics.llm.llm_judge import LLMJudge
    from .metrics.llm.nouns import Answer
    from .metrics.llm.plan import plan

    plans: dict[str, Any] = {}

    class Counting:
        """Says nothing; counts what a chat model would be asked."""

        name = "counting"

        def __init__(self, renderer: Any) -> None:
            self._judge, self._style = LLMJudge(client, renderer, seed=asked["seed"]), renderer.style

        def answer(self, questions: Any) -> list[Answer]:
            one = plan(self._judge.requests(questions), client.cached, client.prices)
            plans[self._style] = plans[self._style] + one if self._style in plans else one
            return [Answer((None,) * len(question.examples), "not asked") for question in questions]

    judge_errors_by_style(Counting, facts, renderers, **asked)
    show(plan_table(plans, client.model, client.endpoint))
    return sum(one.to_send for one in plans.values())


@app.command()
def similar(
    saes: Annotated[
        list[str] | None,
        typer.Argument(help="SAE folders, files or sae_lens releases, or names of shipped SAEs; those by default."),
    ] = None,
    testbed: TestbedName = "",
    zoo: Annotated[Path | None, typer.Option(help="Folder of SAEs of `fiducial zoo` that take part too.")] = None,
    layers: Annotated[
        str | None, typer.Option(help="Train small SAEs after these blocks, comma-separated, and compare them.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Small SAEs a block.", min=1)] = 2,
    pairs: Annotated[int, typer.Option(help="Matched latents whose labels are compared, at most.", min=8)] = 128,
    encoder: EncoderName = "hashing",
    games: Games = 300,
    seed: Seed = 0,
    out: Out = Path("fiducial-similar"),
    kind: Annotated[str | None, typer.Option(help="As for `fiducial score`.")] = None,
    quiet: Quiet = False,
) -> None:
    """Whether SAEs that were trained independently found the same: latents matched, their explanations compared."""
    hush(quiet)
    check_folder(out)
    from .judging.similar import compare_saes
    from .judging.similar_entrants import entrant, from_folder, trained_here, untrained
    from .tasks.facts import facts_of
    from .testbed_catalogue import check_testbed, with_model
    from .testbed_catalogue import testbed as make
    from .testbed_specs import DEFAULT_TESTBED

    name = check_testbed(testbed or DEFAULT_TESTBED)
    _check_real(name, "its SAEs are not compared here")
    if encoder is not None:
        needless({"--encoder endpoint:": encoder.startswith("endpoint:")}, "nothing is sent by this command")
    if zoo is not None and not zoo.is_dir():
        raise FileNotFoundError(f"no folder {zoo}: --zoo takes one of SAEs, such as `fiducial zoo` writes")
    encodes = None if encoder is None else encoder_of(encoder)
    found = dictionaries_of(saes or [], name, kind) if saes or not (zoo or layers) else []
    blocks = [] if layers is None else numbers(layers, "--layers", int)
    bed = with_model(make(name, n_games=games, seed=seed))
    said = (lambda line: None) if quiet else typer.echo
    entrants = [
        entrant(one, bed.x, stream=bed.name, about={"arch": one.name, "layer": bed.spec.layer, "model": "trained"})
        for one, _ in found
    ]
    if zoo is not None:
        entrants += from_folder(bed, zoo)
    if blocks:
        entrants += trained_here(bed, out / "saes", layers=blocks, seeds=range(seeds), say=said)
    if not entrants:
        raise ValueError("name SAEs, a --zoo, or --layers to train some")
    first = entrants[0].codes
    entrants.append(untrained(bed, first.n_latents, max(1, round(first.l0)), seed=seed))
    made = compare_saes(
        entrants,
        facts_of(bed),
        encoder=encodes,
        n_pairs=pairs,
        keep=out / "explanations",
        seed=seed,
        say=said,
    )
    show(made.table())
    made.to_json(out / f"similar-{name}.json")
    made.plot(out / f"similar-{name}.png")
    typer.echo(f"wrote {out / f'similar-{name}.json'} and {out / f'similar-{name}.png'}")
