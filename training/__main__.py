"""`python -m training --corpora FOLDER [NAME …]` trains the models that are shipped, and prints how good they are."""

import argparse
import sys
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from pipeline_platform.enrich.linear import WEIGHTS
from training.baselines import beside
from training.corpora import Examples
from training.fit import fit, save
from training.metrics import told
from training.recipes import RECIPES, Recipe


def _data(parts: tuple[Examples, ...] | list[Examples]) -> list[dict[str, Any]]:
    return [
        {"name": part.corpus.name, "licence": part.corpus.licence, "origin": part.corpus.origin, "texts": len(part)}
        for part in parts
    ]


def train(recipe: Recipe, corpora: Path, folder: Path) -> dict[str, Any]:
    """Trains a model, measures it as it ships, writes it into `folder`, and returns the entry `metrics` of its card."""
    learned, development = recipe.split(corpora)
    model = fit(learned, recipe.classes, recipe.fit)
    said = model.probabilities(development.texts).argmax(axis=1)
    others = beside(recipe.name, learned, development)
    metrics = told(recipe.measure, development.labels, said, recipe.on, others)
    if recipe.refit:
        learned = [*learned, development]
        model = fit(learned, recipe.classes, recipe.fit)
    card = {
        "name": recipe.name,
        "version": recipe.version,
        "kind": "logistic regression over hashed word and character n-grams",
        "origin": "trained by `make models`",
        "languages": ["en"],
        "licence": "as the package; learned from the data below",
        "data": _data(list(learned)),
        "metrics": metrics,
        "learned_from_development_texts": recipe.refit,
        "limits": recipe.limits,
    }
    save(model, card, folder)
    return metrics


def main() -> int:
    """Train what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(one.name for one in RECIPES)}")
    parser.add_argument(
        "--corpora", type=Path, required=True, help="folder of labelled texts, as training/corpora.py says"
    )
    parser.add_argument(
        "--out", type=Path, default=WEIGHTS, help="folder of the weights; by default that of the package"
    )
    arguments = parser.parse_args()
    table = Table(box=box.MARKDOWN)
    for heading in ("model", "measure", "value", "95 % interval", "rows", "beside"):
        table.add_column(heading, overflow="fold")
    for recipe in RECIPES:
        if arguments.names and recipe.name not in arguments.names:
            continue
        found = train(recipe, arguments.corpora, arguments.out)
        table.add_row(
            recipe.name,
            found["measure"],
            f"{found['value']:.3f}",
            f"{found['low']:.3f}–{found['high']:.3f}",
            f"{found['rows']:,}",
            ", ".join(
                f"{name} {one['value']:.3f} ({one['low']:.3f}–{one['high']:.3f})"
                for name, one in found["beside"].items()
            ),
        )
    Console(width=200).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
