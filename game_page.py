"""Pages about the games: what is known, how often it holds, tokens, positions as images, what ships, what to mind.

    python -m fiducial.game_page                      all pages into docs/games
    python -m fiducial.game_page othello -o DIR       one page
    python -m fiducial.game_page --check              whether the pages are what this makes; 1 if not

A page holds no number that this module does not count when it is made; a test makes the pages again.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .game_texts import ABOUT, About
from .games import SYNTHETIC_WORLDS, Game, Synthetic, world
from .games.transcripts import Transcripts
from .suggestions import did_you_mean
from .testbed_specs import SPECS

GAMES_COUNTED = 200  # whose prevalence is counted
SEED = 0
WORLD_ROWS = 5_000  # of each synthetic world
DEFAULT_OUT = Path("docs/games")
SYNTHETIC = "synthetic"


@dataclass(frozen=True)
class Page:
    """A page and its images.

    Attributes:
        text: in Markdown.
        images: SVG by file name.
    """

    text: str
    images: dict[str, str]


def page_names() -> list[str]:
    """Names of all pages."""
    return [*ABOUT, SYNTHETIC]


def page(name: str) -> Page:
    """One page.

    Raises:
        KeyError: no game with a page has the name; close names are suggested.
    """
    if name == SYNTHETIC:
        return _synthetic()
    if name not in ABOUT:
        raise KeyError(f"no page about {name!r}; {did_you_mean(name, page_names())}")
    about, game = ABOUT[name], world(name)
    transcripts = game.sample(GAMES_COUNTED, SEED)
    moves = game.tokenizer.decode(transcripts.tokens[0].tolist())
    plies = [ply for ply in about.plies if ply <= len(moves)]
    images = {f"{name}-{ply}.svg": game.render(moves, ply, "svg") for ply in plies}
    command = f"python -m fiducial.game_page {name}"
    parts = [
        f"# {about.title}",
        about.what,
        f"Everything counted here is counted by `{command}`, in {GAMES_COUNTED} {about.games} of seed {SEED}.",
        "## A position",
        *(f"![{about.title} after {ply} {about.moves}]({name}-{ply}.svg)" for ply in plies),
        f"`fiducial sample {name} -n 1 -s {SEED}` shows the whole of it.",
        "## Tokens",
        about.tokens,
        _tokens(game, transcripts),
        "## What is known",
        _summary(name, game, transcripts),
        _groups(transcripts),
        about.groups,
        "## What ships",
        _ships(about, game),
        "## What to mind",
        "\n".join(f"- {line}" for line in about.mind),
    ]
    return Page("\n\n".join(part for part in parts if part) + "\n", images)


def _tokens(game: Game, transcripts: Transcripts) -> str:
    vocabulary, row = game.tokenizer.vocabulary, transcripts.tokens[0]
    ids = " ".join(str(i) for i in row[:12].tolist())
    texts = " ".join(repr(vocabulary[i])[1:-1] for i in row[:12].tolist())
    shown = ", ".join(f"`{text}`" for text in vocabulary[:6])
    return (
        f"{len(vocabulary):,} tokens, the first of them {shown}; padding is {game.tokenizer.pad_id}. A transcript has "
        f"{game.n_positions} positions. It begins, as text and as ids:\n\n```\n{texts} ...\n{ids} ...\n```"
    )


def _summary(name: str, game: Game, transcripts: Transcripts) -> str:
    features = game.features
    scored = int(transcripts.scored.sum())
    reachable = sum(feature.reachable for feature in features)
    return (
        f"{len(features):,} features in {len(features.groups)} groups, of which {reachable:,} can occur where a "
        f"position is scored; rules and definitions of version {game.version}. {scored:,} positions are scored. "
        f"`fiducial features {name} --group GROUP` defines every feature of a group."
    )


def _groups(transcripts: Transcripts) -> str:
    """A row a group: how many features, and how often the rarest, the middle and the commonest hold."""
    features = transcripts.features
    packed = transcripts.labels[transcripts.scored]
    held = np.zeros(len(features), np.int64)
    for start in range(0, len(packed), 4096):
        held += features.unpack(packed[start : start + 4096]).sum(0)
    rates = held / len(packed)
    rows = [
        "| group | rung | features | can occur | holds in: least, middle, most | for example |",
        "|---|---|---|---|---|---|",
    ]
    for group in features.groups:
        members = features.where(group=group)
        able = features.where(group=group, reachable=True)
        seen = rates[able] if len(able) else np.zeros(1)
        least, middle, most = (_share(share) for share in (seen.min(), np.median(seen), seen.max()))
        example = features[int(able[0] if len(able) else members[0])]
        rows.append(
            f"| {_cell(group)} | {example.rung} | {len(members)} | {len(able)} | {least}, {middle}, {most} | "
            f"{_cell(example.name)}: {_cell(example.definition)} |"
        )
    return "\n".join(rows)


def _share(share: float) -> str:
    """A share of positions, in percent with two digits; 0 only for none."""
    return "0 %" if share == 0 else f"{100 * share:.2g} %" if share < 0.995 else "100 %"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _ships(about: About, game: Game) -> str:
    found = [spec for spec in SPECS.values() if spec.name in about.testbeds]
    if not found:
        return f"No model of {about.title} ships. `fd.testbed(MODEL, game=..., layer=...)` takes one of yours."
    rows = ["| testbed | about | SAEs | random twin's SAEs and frozen controls |", "|---|---|---|---|"]
    for spec in found:
        assert spec.game().name == game.name, spec.name
        controls = ", ".join([*spec.twin_dictionaries, *spec.controls]) or "none"
        rows.append(f"| `{spec.name}` | {spec.summary} | {', '.join(spec.dictionaries) or 'none'} | {controls} |")
    return "\n".join(
        [*rows, "", "`fiducial testbeds` lists all; `fiducial demo -t TESTBED` scores what ships with one."]
    )


def _synthetic() -> Page:
    rows = [
        "| world | about | features | dimensions | hold at once | rarest and commonest |",
        "|---|---|---|---|---|---|",
    ]
    for name, config in SYNTHETIC_WORLDS.items():
        if name == "synthsaebench-16k":  # takes gigabytes; its numbers are published
            rows.append(f"| `{name}` | {_cell(config.about)} | 16,384 | 768 | not counted here | not counted here |")
            continue
        made = Synthetic(name)
        sample = made.sample(WORLD_ROWS, SEED)
        rates = made.features.unpack(sample.labels).mean(0)
        sizes = f"{len(made.features):,} | {made.directions.shape[1]} | {sample.true_l0:.1f}"
        rows.append(f"| `{name}` | {_cell(config.about)} | {sizes} | {_share(rates.min())}, {_share(rates.max())} |")
    parts = [
        "# Synthetic worlds",
        "Rows that a known dictionary wrote: each feature has a direction, a rate and a magnitude, and a row is the "
        "sum of the features that hold. So there is a right answer, the oracle, which no game has.",
        f"Everything counted here is counted by `python -m fiducial.game_page {SYNTHETIC}`, in {WORLD_ROWS:,} rows of "
        f"seed {SEED}.",
        "## The worlds",
        "\n".join(rows),
        "## Tokens",
        "There are none: a row is an activation. Blocks of rows stand for games wherever games are split or resampled. "
        "A reader of the true directions stands for a model, so that behaviour can be scored too.",
        "## What ships",
        "The worlds themselves, made from a seed on the spot: `fiducial score SAE -t hierarchical`. No SAEs ship with "
        "them; `fiducial zoo -t hierarchical` trains some. `fiducial seal WORLD` makes one that nobody can tune to.",
        "## What to mind",
        "- Features are directions by construction. That real models are like that is an assumption; a score here is "
        "an upper bound on hope.\n- The rate of a feature decides how soon it is learnt: read results by group.\n"
        "- See [synthetic worlds](../synthetic-worlds.md) for how they are built.",
    ]
    return Page("\n\n".join(parts) + "\n", {})


def write_pages(names: Sequence[str], out: Path) -> list[Path]:
    """Write pages and their images; returns what was written."""
    out.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for name in names:
        made = page(name)
        for file, text in {f"{name}.md": made.text, **made.images}.items():
            partial = out / f".{file}.partial"
            partial.write_text(text if text.endswith("\n") else text + "\n")
            partial.replace(out / file)
            written.append(out / file)
    return written


def stale(names: Sequence[str], out: Path) -> list[str]:
    """Files that are not what this makes, or are not there."""
    found: list[str] = []
    for name in names:
        made = page(name)
        for file, text in {f"{name}.md": made.text, **made.images}.items():
            wanted = text if text.endswith("\n") else text + "\n"
            if not (out / file).is_file() or (out / file).read_text() != wanted:
                found.append(file)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line of this module."""
    parser = argparse.ArgumentParser(prog="python -m fiducial.game_page", description="Pages about the games.")
    parser.add_argument("names", nargs="*", metavar="GAME", help=f"some of {', '.join(page_names())}; all by default")
    parser.add_argument("-o", "--out", type=Path, default=DEFAULT_OUT, help="folder of the pages")
    parser.add_argument("--check", action="store_true", help="write nothing; say which files are stale")
    asked = parser.parse_args(arguments)
    names = asked.names or page_names()
    for name in names:
        if name not in page_names():
            parser.error(f"no page about {name!r}; {did_you_mean(name, page_names())}")
    if asked.check:
        old = stale(names, asked.out)
        print("\n".join(f"stale: {file}" for file in old) or "all pages are what this makes")
        return int(bool(old))
    for path in write_pages(names, asked.out):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
