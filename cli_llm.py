"""Options of all commands that may ask a language model, and what happens before anything is sent."""

import sys
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
    file = cache or out / "replies.sqlite"
    if not offline:
        file.parent.mkdir(parents=True, exist_ok=True)
    prices = None if price_in is None or price_out is None else Prices(price_in, price_out)
    return Client(model or "embeddings", cache=file, offline=offline, prices=prices, progress=not quiet, **options)


def may_send(to_send: int, *, yes: bool, limited: bool, offline: bool) -> None:
    """Ask before money is spent; without a terminal a limit or a word beforehand is needed.

    Raises:
        ValueError: nobody can be asked, and nothing was said.
    """
    if yes or offline or not to_send:
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
    if name.startswith("endpoint:"):
        if client is None:
            raise ValueError(f"{name} needs an endpoint: give --base-url")
        return endpoint_encoder(client, name.removeprefix("endpoint:"))
    return minilm_encoder() if name == "minilm" else sentence_encoder(name)
