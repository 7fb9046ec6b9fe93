"""The command that puts latents into words and says how far the words are true."""

from collections.abc import Sequence
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
    file_name,
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
    Style,
    Timeout,
    Yes,
    client_of,
    encoder_of,
    may_send,
    needless,
    spending,
)

if TYPE_CHECKING:
    from .explaining.run import Run, Sample
    from .metrics.llm.client import Client
    from .models.dictionary import Dictionary

WHO = ("predicate", "llm")


@app.command()
def explain(
    saes: Annotated[
        list[str] | None,
        typer.Argument(help="SAE folders, files or sae_lens releases, or names of shipped SAEs; those by default."),
    ] = None,
    testbed: TestbedName = "",
    latents: Annotated[int, typer.Option("--latents", "-l", help="How many are drawn and explained.", min=2)] = 200,
    only: Annotated[str | None, typer.Option(help="Numbers of latents instead, comma-separated.")] = None,
    games: Games = 500,
    explainer: Annotated[str, typer.Option(help="predicate (offline), or llm.")] = "predicate",
    judge: Annotated[str, typer.Option(help="predicate (offline), or llm.")] = "predicate",
    scorers: Annotated[
        str | None,
        typer.Option(help="detection, fuzzing, simulation (the default), embedding, embedding by facts, surprisal."),
    ] = None,
    sampling: Annotated[str, typer.Option(help="Examples that explainers see: top, quantile, mixed, random.")] = (
        "quantile"
    ),
    negatives: Annotated[
        str,
        typer.Option(help="Silent examples: random, same game, nearest board, neighbour latent, one literal away."),
    ] = "random",
    contrast: Annotated[int, typer.Option(help="Silent examples that explainers see too.", min=0)] = 0,
    copies: Annotated[
        str, typer.Option(help="keep, or drop examples that repeat a position that the explainer saw.")
    ] = "keep",
    per_question: Annotated[int, typer.Option(help="Examples in one question to a judge.", min=1)] = 5,
    e_pos: Annotated[float, typer.Option(help="Predicate judge: share of no where the explanation holds.")] = 0.0,
    e_neg: Annotated[float, typer.Option(help="Predicate judge: share of yes where it does not.")] = 0.0,
    null: Annotated[bool, typer.Option(help="Also score shuffled explanations, which doubles what is asked.")] = True,
    two_by_two: Annotated[
        bool,
        typer.Option(
            "--two-by-two",
            help="Cross explainer and judge with those that execute predicates: whose error is it? More is asked.",
        ),
    ] = False,
    model: Model = None,
    base_url: BaseUrl = None,
    key_variable: KeyVariable = "OPENAI_API_KEY",
    predicates: Annotated[
        bool, typer.Option(help="The language model explains in predicates instead of free words.")
    ] = False,
    translate: Annotated[
        bool, typer.Option(help="The language model turns free words into predicates, which are executed.")
    ] = True,
    style: Style = None,
    encoder: EncoderName = None,
    language_model: Annotated[
        Path | None, typer.Option(help="For surprisal: folder of a causal language model of transformers.")
    ] = None,
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
    boards: Annotated[int, typer.Option(help="Latents that are drawn with boards on the page.", min=0)] = 24,
    seed: Seed = 0,
    out: Out = Path("fiducial-explain"),
    kind: Annotated[str | None, typer.Option(help="As for `fiducial score`.")] = None,
    quiet: Quiet = False,
) -> None:
    """Put latents into words, run the words on every position, and have them judged; offline unless an llm is named.

    With --explainer llm or --judge llm the plan is printed first: requests, tokens, price, and what the cache already
    holds. A run that was stopped goes on where it was when the same command is given again.
    """
    hush(quiet)
    check_folder(out)
    from .explaining.run import sample_of
    from .metrics.llm.exams import ExamSettings
    from .testbed_catalogue import check_testbed
    from .testbed_catalogue import testbed as make
    from .testbed_specs import DEFAULT_TESTBED

    _check(explainer, judge, model, e_pos, e_neg)
    asks = "llm" in (explainer, judge) or (encoder or "").startswith("endpoint:")
    if not asks:
        given = {"--model": model, "--base-url": base_url, "--offline": offline, "--cache": cache, "--yes": yes}
        needless(given, "explanations and judge are predicates; say --explainer llm, --judge llm, or both")
    if explainer != "llm":
        needless({"--predicates": predicates}, "it is for --explainer llm")
    settings = ExamSettings(sampling=sampling, negatives=negatives, n_contrast=contrast, copies=copies)  # type: ignore[arg-type]
    wanted = tuple(dict.fromkeys(split(scorers) or ("detection", "fuzzing", "simulation")))
    chosen = None if only is None else numbers(only, "--only", int)
    _check_scorers(wanted, encoder, language_model)
    name = check_testbed(testbed or DEFAULT_TESTBED)
    dictionaries = dictionaries_of(saes or [], name, kind)
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
        tools: dict[str, Any] = {} if encoder is None else {"encoder": encoder_of(encoder, client)}
        if language_model is not None:
            from .metrics.llm.causal_lm import CausalLM

            tools["language_model"] = CausalLM.from_folder(language_model)
        bed = make(name, n_games=games, seed=seed)
        if asks or {"embedding", "example embedding", "surprisal"} & set(wanted):
            tools["renderer"] = _renderer(bed, style)
        jobs: list[tuple[Dictionary, Sample, Run, str | None]] = []
        for dictionary, sha256 in dictionaries:
            sample = sample_of(dictionary, bed, chosen, n_latents=latents, settings=settings, seed=seed)
            run = _run(sample, client, explainer, judge, wanted, (e_pos, e_neg), predicates, translate, tools, seed)
            jobs.append((dictionary, sample, run, sha256))
        if client is not None:
            to_send = _show_plan(jobs, bed, out, client, null, per_question, seed, two_by_two)
            if plan:
                return
            limited = budget_usd is not None or max_requests is not None
            may_send(client, to_send, yes=yes, limited=limited, offline=offline)
        elif plan:
            typer.echo("nothing is sent: explanations and judge are predicates")
            return
        _explain_all(jobs, bed, out, null=null, per_question=per_question, boards=boards, seed=seed, crossed=two_by_two)


def _explain_all(
    jobs: "Sequence[tuple[Dictionary, Sample, Run, str | None]]",
    bed: Any,
    out: Path,
    *,
    null: bool,
    per_question: int,
    boards: int,
    seed: int,
    crossed: bool,
) -> None:
    """Explain, print and write one dictionary after the other."""
    from .explaining.latent_blocks import latents_of_page
    from .explaining.page import write_page
    from .explaining.run import explain as explain_latents
    from .explaining.table import table
    from .reporting.latents import SUFFIX, write_latents_file

    for dictionary, sample, run, sha256 in jobs:
        file = file_name(_Named(dictionary.name, bed.name))
        found = explain_latents(
            sample,
            bed,
            run,
            null=null,
            per_question=per_question,
            seed=seed,
            kept=_kept(out, dictionary.name, bed.name),
            about={"dictionary": {"name": dictionary.name, "sha256": sha256}},
        )
        found.to_json(out / f"{file}.explanations.json")
        write_page(found, out / f"{file}.html", dictionary, bed, boards=boards)
        write_latents_file(latents_of_page(dictionary, bed, found, most=boards), out / f"{file}{SUFFIX}")
        show(table(found))
        typer.echo(f"wrote {out / file}.html, and beside it .explanations.json and {SUFFIX} for `fiducial report`")
        if crossed:
            from .explaining.two_by_two import two_by_two

            made = two_by_two(sample, run, testbed=bed.name, per_question=per_question, seed=seed)
            show(made.table())
            typer.echo(f"wrote {made.to_json(out / f'{file}.two-by-two.json')}")


def _kept(out: Path, dictionary: str, testbed: str) -> Path:
    return out / f"{file_name(_Named(dictionary, testbed))}.latents.jsonl"


class _Named:
    """What a file is named after."""

    def __init__(self, dictionary: str, testbed: str) -> None:
        self.dictionary, self.testbed = dictionary, testbed


def _check(explainer: str, judge: str, model: str | None, e_pos: float, e_neg: float) -> None:
    for option, value in (("--explainer", explainer), ("--judge", judge)):
        if value not in WHO:
            raise ValueError(f"{option} is {' or '.join(WHO)}, got {value!r}")
    if "llm" in (explainer, judge) and not model:
        raise ValueError("name the language model with --model, as its endpoint knows it")
    if judge == "llm" and (e_pos or e_neg):
        raise ValueError("--e-pos and --e-neg are errors of the predicate judge; a language model has its own")


def _check_scorers(scorers: tuple[str, ...], encoder: str | None, language_model: Path | None) -> None:
    """Refuse, before the work, scorers that do not exist or lack something, and things that no scorer wants.

    Raises:
        ValueError: see above.
        FileNotFoundError: no such folder.
    """
    from difflib import get_close_matches

    from .explaining.scorers import SCORERS

    for name in scorers:
        if name not in SCORERS:
            close = get_close_matches(name, SCORERS, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise ValueError(f"no scorer named {name!r}{hint} There are {', '.join(SCORERS)}")
    embedding = [name for name in scorers if "embedding" in name]
    surprisal = [name for name in scorers if name.endswith("surprisal")]
    if embedding and encoder is None:
        raise ValueError(f"{embedding[0]} compares texts as vectors: give --encoder, such as minilm")
    if surprisal and language_model is None:
        raise ValueError(f"{surprisal[0]} needs the folder of a causal language model: give --language-model")
    if not embedding:
        needless({"--encoder": encoder}, "it is for the scorers embedding, embedding by facts and example embedding")
    if not surprisal:
        needless({"--language-model": language_model}, "it is for the scorer surprisal")
    if language_model is not None and not language_model.is_dir():
        raise FileNotFoundError(f"no folder {language_model} with a causal language model; none is fetched")


def _run(
    sample: "Sample",
    client: "Client | None",
    explainer: str,
    judge: str,
    scorers: tuple[str, ...],
    errors: tuple[float, float],
    predicates: bool,
    translate: bool,
    tools: dict[str, Any],
    seed: int,
) -> "Run":
    from .explaining.run import Run
    from .metrics.llm.llm_explainer import LLMExplainer
    from .metrics.llm.llm_judge import LLMJudge
    from .metrics.llm.predicate_judge import PredicateJudge
    from .metrics.llm.translator import Translator

    facts = sample.examiner.facts
    renderer = tools.get("renderer")
    says: Any = None
    translator = None
    if explainer == "llm":
        assert client is not None
        assert renderer is not None
        words = "predicate" if predicates else "free"
        says = LLMExplainer(client, renderer, words=words, names=facts.names, counters=tuple(facts.counters), seed=seed)
        if translate and not predicates:
            translator = Translator(client, facts.names, tuple(facts.counters), seed=seed)
    if judge == "llm":
        assert client is not None
        assert renderer is not None
        asked: Any = LLMJudge(client, renderer, seed=seed)
    else:
        asked = PredicateJudge(facts, e_pos=errors[0], e_neg=errors[1], seed=seed)
    return Run(says, asked, translator, scorers, tools, None if client is None else client.cached)


def _renderer(bed: Any, style: str | None) -> Any:
    from .explaining.rendering import renderer_of

    return renderer_of(bed, style)


def _show_plan(
    jobs: "Sequence[tuple[Dictionary, Sample, Run, str | None]]",
    bed: Any,
    out: Path,
    client: "Client",
    null: bool,
    per_question: int,
    seed: int,
    crossed: bool,
) -> int:
    """Print what would be sent; how many requests that is."""
    from .explaining.planning import plan_of
    from .explaining.run import unfinished
    from .explaining.table import plan_table
    from .explaining.two_by_two import extra_requests
    from .metrics.llm.plan import plan

    total: dict[str, Any] = {}
    finished = 0
    for dictionary, sample, run, _ in jobs:
        how: dict[str, Any] = {"null": null, "per_question": per_question, "seed": seed}
        chunks = unfinished(sample, bed, run, kept=_kept(out, dictionary.name, bed.name), **how)
        finished += len(sample.numbers) - sum(len(chunk) for chunk in chunks)
        for name, one in plan_of(sample, run, prices=client.prices, chunks=chunks, **how).items():
            total[name] = total[name] + one if name in total else one
        if crossed:
            more = plan(extra_requests(sample, run, per_question=per_question, seed=seed), run.cached, client.prices)
            total["two by two"] = total["two by two"] + more if "two by two" in total else more
    if total:
        show(plan_table(total, client.model, client.endpoint))
    if finished:
        typer.echo(f"{finished} latents are finished already, in {out}; nothing is asked about them")
    return sum(one.to_send for one in total.values())
