"""The table of architectures in docs/architectures.md, from the recipes that `fiducial train-sae` uses.

python examples/architectures_table.py
"""

from fiducial.models.training_recipes import ARCHITECTURES, Sizes

SIZES = Sizes(d_in=128, n_latents=1024, k=32, steps=2000)  # a common run, for defaults that depend on it
NOT_SHOWN = {
    "k",
    "matryoshka_widths",
    "max_iterations",
    "decoder_init_norm",
    "anneal_start",
    "anneal_end",
    "n_experts",
}  # said by the line on training


def defaults(arch):
    """Defaults of a recipe beyond the learning rate, in words."""
    recipe = ARCHITECTURES[arch]
    options = {**recipe.sized(SIZES), **recipe.options}
    said = [f"{name.replace('_', ' ')} {value:g}" for name, value in options.items() if name not in NOT_SHOWN]
    if recipe.penalty is not None:
        unit = "d / k" if recipe.penalty == "l0" else "sqrt(d / k)"
        said.insert(0, f"penalty from {recipe.coefficient:g} {unit}")
    return ", ".join(said)


def table():
    """Markdown, one line an architecture."""
    lines = ["| `--arch` | paper | how it is trained here | defaults |", "|---|---|---|---|"]
    lines += [
        f"| `{name}` | {recipe.paper} | {recipe.how} | {defaults(name)} |" for name, recipe in ARCHITECTURES.items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
