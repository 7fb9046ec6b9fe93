"""First contact: `fiducial` alone, `fiducial --help` in a newcomer's order, and what a mistyped word may mean."""

from typing import TYPE_CHECKING, Any

from typer.core import TyperGroup

from .suggestions import close_names, either

if TYPE_CHECKING:
    from collections.abc import Iterator

WELCOME = """\
fiducial scores sparse autoencoders where the truth is known.
Every number comes with an interval, a floor and a ceiling.

First, see what it does with the SAEs that ship (a few minutes; writes fiducial-demo/report.html):
  fiducial demo

Then score your own:
  fiducial testbeds                       where it can be scored
  fiducial score SAE -t othello-6x6       an sae_lens or dictionary_learning folder, or a file of weights
  fiducial score-arrays FILE.npz          latents and labels of yours, without any model

And read more:
  fiducial --help                         all commands
  fiducial COMMAND --help                 one of them
"""

# A line each, short enough not to be cut at 80 columns; the longer story is in each command's own help.
SECTIONS: dict[str, dict[str, str]] = {
    "Start here": {
        "demo": "Score the SAEs that ship, and write a page to look at.",
        "testbeds": "Where SAEs are scored: models, worlds, toy models.",
        "features": "What is known about every position of a game.",
        "metrics": "What is measured.",
    },
    "Score SAEs": {
        "score": "Score your SAEs on a testbed, or on a sample in a file.",
        "score-arrays": "Score latents against labels, both made elsewhere.",
        "report": "One page from many results, to explore in a browser.",
        "saebench": "SAEBench's tasks, posed where the truth is known.",
        "sweep": "Many SAEs, testbeds and seeds; resumes where it stopped.",
        "curve": "Scores against training, or of stored checkpoints.",
        "sample-efficiency": "How many games make the ranking of SAEs stable.",
        "certify": "Which metrics can be trusted, and how far.",
    },
    "Look inside": {
        "explain": "Put latents into words; test the words on everything.",
        "latents": "The positions where latents fire most, as boards.",
        "similar": "Whether SAEs trained apart found the same.",
        "judge-errors": "How often a judge is wrong about known facts.",
        "find-sites": "Where in a model an attribute is carried.",
        "control": "Edit one square of a board inside the model.",
        "causes": "What is only read out, and what the model uses.",
    },
    "Make": {
        "sample": "Games with the truth about every position.",
        "capture": "Activations of a model, with the truth.",
        "architectures": "Kinds of SAEs that can be trained.",
        "train-sae": "Train one SAE.",
        "zoo": "Train many SAEs: kinds, sparsities, seeds.",
        "train-model": "Train a model that ships, from its recipe.",
        "train-probes": "Fit probes on many games: a ceiling for scores.",
        "seal": "Commit to a world that nobody can tune to.",
    },
    "Papers": {
        "reproduce": "A paper's table, ours beside the published numbers.",
        "figures": "The figures of papers, from results at hand.",
    },
    "For those who work on fiducial": {
        "score-cards": "Score what ships again, and write it into its cards.",
    },
}
MEANT = {  # what other programs call it
    "evaluate": "score",
    "eval": "score",
    "benchmark": "score",
    "run": "demo",
    "start": "demo",
    "list": "testbeds",
    "datasets": "testbeds",
    "models": "testbeds",
    "games": "testbeds",
    "worlds": "testbeds",
    "html": "report",
    "plot": "figures",
    "plots": "figures",
    "paper": "figures",
    "paper-figures": "figures",
    "train": "train-sae",
    "archs": "architectures",
    "steer": "control",
    "interpret": "explain",
    "autointerp": "explain",
    "activations": "capture",
    "generate": "sample",
    "certificate": "certify",
}


class HelpfulGroup(TyperGroup):
    """The commands by section, and suggestions for words that are none."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of the sections, then what no section has."""
        return [name for _, rows in self._sections() for name, _ in rows]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Every section with its commands, no line cut."""
        widest = max(len(name) for name in self.commands)
        for title, rows in self._sections():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(widest), text) for name, text in rows])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command; for a word that is none, those that may have been meant."""
        word = args[0] if args else ""
        if word and not word.startswith("-") and word not in self.commands:
            meant = [MEANT[word.lower()]] if word.lower() in MEANT else close_names(word, self.list_commands(ctx))
            known = [name for name in meant if name in self.commands]
            hint = f"did you mean {either(known)}?" if known else "there is a list"
            ctx.fail(f"there is no command {word!r}; {hint}")
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Options of `fiducial` itself; one that a command has belongs after the command."""
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            option = getattr(error, "option_name", None)
            owners = [name for name in self.list_commands(ctx) if option in _options(self.commands[name])]
            if owners and hasattr(error, "possibilities"):
                at = next((word for word in args if word in owners), owners[0])
                ctx.fail(f"{option} belongs after the command, as in `fiducial {at} {option} ...`")
            raise

    def invoke(self, ctx: Any) -> Any:
        """Run; an option that a command lacks is answered with those that it has."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            option = getattr(error, "option_name", None)
            if option is None or not hasattr(error, "possibilities"):
                raise
            where = getattr(error, "ctx", None)
            known = _options(where.command) if where is not None else ()
            found = close_names(option, known) if option.strip("-") else []
            hint = f"; did you mean {either(found)}?" if found else ""
            error.possibilities = None  # type: ignore[attr-defined] - said in our words
            error.message = f"there is no option {option}{hint}"  # type: ignore[attr-defined]
            raise

    def _sections(self) -> "Iterator[tuple[str, list[tuple[str, str]]]]":
        listed = {name for section in SECTIONS.values() for name in section}
        for title, section in SECTIONS.items():
            rows = [(name, text) for name, text in section.items() if name in self.commands]
            if rows:
                yield title, rows
        rest = [name for name in self.commands if name not in listed and not self.commands[name].hidden]
        if rest:
            yield "More", [(name, (self.commands[name].help or "").partition("\n")[0]) for name in rest]


def _options(command: Any) -> list[str]:
    return [option for parameter in command.params for option in parameter.opts if option.startswith("-")]
