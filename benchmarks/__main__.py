"""`python -m benchmarks [NAME …] [--scale N] [--rounds N]` measures, and prints one table."""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks import (
    aggregates,
    alerts,
    anomalies,
    chaos,
    correlations,
    definitions_load,
    enrichment,
    executors,
    exports,
    extraction,
    forecasts,
    http_client,
    ingest,
    lake,
    main_job,
    metrics,
    near_duplicates,
    predictions,
    profiling,
    runs_in_a_row,
    sentiment_model,
    soak,
    text_path,
    topics,
    trends,
    usual_way,
    vader,
    validation,
    week,
)
from benchmarks.measure import BenchmarkError, Figure, machine


@dataclass(frozen=True)
class Benchmark:
    """A benchmark: what runs it, its usual size and in what that is counted, and its usual number of rounds."""

    run: Callable[[int, int], list[Figure]]
    scale: int
    counted_in: str
    rounds: int


BENCHMARKS = {
    "alerts": Benchmark(alerts.run, alerts.SCALE, "days", 5),
    "definitions_load": Benchmark(definitions_load.run, 1, "definitions", 5),
    "validation": Benchmark(validation.run, validation.SCALE, "rows", 5),
    "profiling": Benchmark(profiling.run, profiling.SCALE, "rows", 3),
    "anomalies": Benchmark(anomalies.run, anomalies.SCALE, "tables", 1),
    "correlations": Benchmark(correlations.run, correlations.SCALE, "histories of each sort", 3),
    "aggregates": Benchmark(aggregates.run, aggregates.SCALE, "documents", 1),
    "lake": Benchmark(lake.run, lake.SCALE, "records", 5),
    "exports": Benchmark(exports.run, exports.SCALE, "documents a day", 5),
    "http_client": Benchmark(http_client.run, http_client.SCALE, "requests", 5),
    "ingest": Benchmark(ingest.run, ingest.SCALE, "times the demo's data", 3),
    "near_duplicates": Benchmark(near_duplicates.run, near_duplicates.SCALE, "posts", 3),
    "enrichment": Benchmark(enrichment.run, enrichment.SCALE, "documents", 3),
    "usual_way": Benchmark(usual_way.run, usual_way.SCALE, "documents", 3),
    "text_path": Benchmark(text_path.run, text_path.SCALE, "documents", 3),
    "soak": Benchmark(soak.run, soak.SCALE, "times the demo's data", 2),
    "extraction": Benchmark(extraction.run, extraction.SCALE, "fragments a language", 1),
    "topics": Benchmark(topics.run, topics.SCALE, "documents a week", 3),
    "vader": Benchmark(vader.run, vader.SCALE, "texts", 5),
    "predictions": Benchmark(predictions.run, predictions.SCALE, "documents", 3),
    "sentiment_model": Benchmark(sentiment_model.run, sentiment_model.SCALE, "texts", 3),
    "forecasts": Benchmark(forecasts.run, forecasts.SCALE, "series", 1),
    "trends": Benchmark(trends.run, trends.SCALE, "worlds", 1),
    "metrics": Benchmark(metrics.run, metrics.SCALE, "runs", 50),
    "executors": Benchmark(executors.run, executors.SCALE, "steps", 1),
    "runs_in_a_row": Benchmark(runs_in_a_row.run, runs_in_a_row.SCALE, "runs", 1),
    "chaos": Benchmark(chaos.run, chaos.SCALE, "times the demo's data", 1),
    "week": Benchmark(week.run, week.SCALE, "days of two minutes", 1),
    "main_job": Benchmark(main_job.run, main_job.SCALE, "times the demo's data", 1),
}


def _arguments() -> argparse.Namespace:
    sizes = ", ".join(f"{name} {one.scale:,} {one.counted_in}" for name, one in BENCHMARKS.items())
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHMARKS)}; all by default")
    parser.add_argument("--scale", type=int, help=f"size of the work; by default {sizes}")
    parser.add_argument("--rounds", type=int, help="how often each contestant runs; medians are told")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    if arguments.scale is not None and len(arguments.names) != 1:
        parser.error("--scale counts in another unit for each benchmark: name one")
    return arguments


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{value:,.0f} {unit}" if abs(value) >= 100 else f"{value:.3g} {unit}"


def _table(figures: list[tuple[str, Figure]]) -> Table:
    # Markdown, so that it can go into docs/benchmarks.md as it is.
    table = Table(box=box.MARKDOWN)
    for heading in ("benchmark", "what", "ours", "reference", "reference's", "times as fast", "target", "reached"):
        table.add_column(heading, overflow="fold")
    for name, figure in figures:
        table.add_row(
            name,
            figure.what,
            _number(figure.ours, figure.unit),
            figure.reference,
            _number(figure.theirs, figure.unit),
            "" if figure.speed is None else f"{figure.speed:.2f}",
            figure.target,
            "" if figure.reached is None else "yes" if figure.reached else "NO",
        )
    return table


def main() -> int:
    """Run what was asked for; 1 when something did not work."""
    arguments = _arguments()
    progress = Console(stderr=True)
    figures: list[tuple[str, Figure]] = []
    failed = 0
    for name in arguments.names or BENCHMARKS:
        benchmark = BENCHMARKS[name]
        scale, rounds = arguments.scale or benchmark.scale, arguments.rounds or benchmark.rounds
        progress.print(f"{name}: {scale:,} {benchmark.counted_in}, {rounds} rounds …")
        try:
            found = benchmark.run(scale, rounds)
        except BenchmarkError as error:
            progress.print(f"{name} failed: {error}", markup=False)
            failed += 1
            continue
        figures += [(name, figure) for figure in found]
    out = Console(width=None if sys.stdout.isatty() else 220)
    out.print(machine(), highlight=False, soft_wrap=True)
    out.print(_table(figures))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
