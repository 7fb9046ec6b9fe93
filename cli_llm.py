"""Options of all commands that may ask a language model, and what happens before anything is sent."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from .metrics.llm.client import Client

Model = Annotated[str | None, typer.Option(help="Of the language model, as its endpoint knows it.")]
BaseUrl = Annotated[
    str | None, typer.Option(help="Endpoint that speaks OpenAI's protocol, such as http://localhost:8000/v1.")
]
KeyVariable = Annotated[str, typer.Option(help="Environment variable with the key.")]
Plan = Annotated[bool, typer.Option("--plan", help="Only count requests, tokens and price; send nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Send without being asked.")]
PriceIn = Annotated[float | None, typer.Option(help="USD per million input tokens.", min=0)]
PriceOut = Annotated[float | None, typer.Option(help="USD per million output tokens.", min=0)]
BudgetUsd = Annotated[float | None, typer.Option(help="Stop before more is spent; needs prices.", min=0)]
MaxRequests = Annotated[int | None, typer.Option(help="Stop before more are sent.", min=0)]
Concurrency = Annotated[int, typer.Option(help="Requests in flight, at most.", min=1)]
Timeout = Annotated[float, typer.Option(help="Seconds for one try of a request.", min=1)]
CacheFile = Annotated[
    Path | None, typer.Option("--cache", help="File of replies; by default replies.sqlite in the output folder.")
]
Offline = Annotated[bool, typer.Option("--offline", help="Send nothing; replies come from the cache alone.")]
EncoderName = Annotated[
    str | None, typer.Option("--encoder", help="hashing, minilm, a sentence-transformers folder, or endpoint:MODEL.")
]
Style = Annotated[str | None, typer.Option(help="How positions are shown: record, grid, list, fen, moves, sentence.")]


def client_of(
    model: str | None,
    out: Path,
    *,
    price_in: float | None,
    price_out: float | None,
    cache: Path | None,
    offline: bool,
    quiet: bool,
    **options: Any,
) -> "Client":
    """The client that the options describe; nothing is sent.

    Raises:
        ValueError: one price without the other, or options that do not fit.
    """
    from .metrics.llm.client import Client
    from .metrics.llm.plan import Prices

    if (price_in is None) != (price_out is None):
        raise ValueError("give both --price-in and --price-out, or neither")
    if options.get("budget_usd") is not None and price_in is None:
        raise ValueError("--budget-usd needs prices: give --price-in and --price-out, USD per million tokens")
    file = cache or out / "replies.sqlite"
    if not offline:
        file.parent.mkdir(parents=True, exist_ok=True)
    prices = None if price_in is None or price_out is None else Prices(price_in, price_out)
    return Client(model or "embeddings", cache=file, offline=offline, prices=prices, progress=not quiet, **options)


def may_send(client: "Client", to_send: int, *, yes: bool, limited: bool, offline: bool) -> None:
    """Ask before money is spent; without a terminal a limit or a word beforehand is needed.

    Raises:
        NoKey: the endpoint needs a key, and there is none.
        NotInstalled: what sends requests is not installed.
        ValueError: nobody can be asked, and nothing was said.
    """
    if offline or not to_send:
        return
    client.check()
    if yes:
        return
    if sys.stdin.isatty() and sys.stderr.isatty():
        typer.confirm("Send these requests?", abort=True, err=True)
    elif not limited:
        raise ValueError("nothing is sent unasked: say --yes, or set --max-requests or --budget-usd")


def encoder_of(name: str, client: "Client | None" = None) -> Any:
    """The encoder of a name.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: it is not installed, or an endpoint's without an endpoint.
    """
    from .metrics.llm.embedders import endpoint_encoder, hashing_encoder, minilm_encoder, sentence_encoder

    if name == "hashing":
        return hashing_encoder()
    if name != "minilm" and not name.startswith("endpoint:") and not Path(name).is_dir():
        raise FileNotFoundError(
            f"no encoder named {name!r}, and no folder: there are hashing, minilm, a folder of sentence-transformers, "
            "and endpoint:MODEL"
        )
    if name.startswith("endpoint:"):
        if client is None:
            raise ValueError(f"{name} needs an endpoint: give --base-url")
        return endpoint_encoder(client, name.removeprefix("endpoint:"))
    return minilm_encoder() if name == "minilm" else sentence_encoder(name)


def needless(given: Mapping[str, object], needs: str) -> None:
    """Refuse options that would do nothing, since who gives them believes that they do.

    Args:
        given: values by option; those that are None or False were not given.
        needs: what they are for.

    Raises:
        ValueError: one of them was given.
    """
    if wrong := [option for option, value in given.items() if value is not None and value is not False]:
        raise ValueError(f"{', '.join(wrong)} would do nothing here: {needs}")


@contextmanager
def spending(client: "Client | None") -> Iterator[None]:
    """What a language model is asked inside: said at the end, whatever the end; the cache is closed.

    Raises:
        typer.Exit: with status 1, after a line on stderr: the budget is spent, or the endpoint refuses. Neither is a
            fault of the input, and what came is kept.
    """
    from .metrics.llm.errors import BudgetSpent, ConnectionRefused, RequestFailed

    try:
        yield
    except (BudgetSpent, ConnectionRefused, RequestFailed) as error:
        typer.echo(f"fiducial: {error}", err=True)
        raise typer.Exit(1) from None
    finally:
        if client is not None:
            if client.usage.asked:
                typer.echo(usage_of(client))
            client.close()


def usage_of(client: "Client") -> str:
    """What was used, beside the estimate; no cost where no prices were given."""
    lines = client.usage.table().splitlines()
    return "\n".join(line for line in lines if client.prices is not None or not line.startswith("USD"))
