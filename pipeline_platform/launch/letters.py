"""The commands about dead letters."""

from datetime import timedelta
from typing import Annotated

import typer

from pipeline_platform.launch.options import (
    AsJson,
    Recordings,
    Scale,
    Seed,
    check_settings,
    check_sources,
    sandbox_options,
)
from pipeline_platform.settings import load_settings

letters = typer.Typer(no_args_is_help=True, help="What could not be fetched: list it, replay it.")


@letters.command("list")
def list_letters(
    source: Annotated[str | None, typer.Option(metavar="NAME", help="Only this source.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Healed ones too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List dead letters, newest first."""
    from dataclasses import asdict

    from pipeline_platform.launch import console
    from pipeline_platform.launch.environment import platform_environment
    from pipeline_platform.storage.stores import Stores

    check_sources([source] if source else [])
    with platform_environment(load_settings(), with_sandbox=False) as ready:
        found = Stores(ready).warehouse.dead_letters(status=None if everything else "open", source=source)
    if as_json:
        console.print_json([asdict(letter) for letter in found])
        return
    if not found:
        console.note("no dead letters" if everything else "no open dead letters")
        return
    rows = [
        [o.id, o.status, o.stream, o.target, f"{o.window.start:%Y-%m-%d} +{(o.window.end - o.window.start).days} d",
         o.error_class, o.message, o.attempts, o.failed_at]
        for o in found
    ]  # fmt: skip
    columns = ("id", "status", "stream", "target", "window", "error", "message", "attempts", "failed at (UTC)")
    console.print_rows("Dead letters", columns, rows)


@letters.command("replay")
def replay_letters(
    ids: Annotated[
        list[int] | None, typer.Argument(metavar="[ID]...", help="Ids of letters; all open ones by default.")
    ] = None,
    source: Annotated[str | None, typer.Option(metavar="NAME", help="Only this source.")] = None,
    recordings: Recordings = None,
    seed: Seed = 1,
    scale: Scale = 1,
) -> None:
    """Fetch again what open dead letters owe; it says which `run` then brings the tables up to date."""
    from uuid import uuid4

    from pipeline_platform.launch import console
    from pipeline_platform.launch.environment import platform_environment
    from pipeline_platform.operate.replay import Replayed, replay
    from pipeline_platform.storage.stores import Stores

    settings = load_settings()
    check_sources([source] if source else [])
    check_settings([])

    def tell(outcome: Replayed) -> None:
        state = f"healed, {outcome.records} records" if outcome.healed else f"still open: {outcome.error}"
        console.note(f"{outcome.letter.id} {outcome.letter.stream} {outcome.letter.target}: {state}")

    options = sandbox_options(settings, recordings=recordings, seed=seed, scale=scale)
    with platform_environment(settings, options) as ready, console.progress_lines():
        stores = Stores(ready)
        unknown = set(ids or []) - {letter.id for letter in stores.warehouse.dead_letters(source=source)}
        if unknown:
            raise typer.BadParameter(f"no open dead letter has the id {', '.join(map(str, sorted(unknown)))}")
        outcomes = replay(stores, run_id=str(uuid4()), source=source, ids=ids, progress=tell)
    healed = [outcome for outcome in outcomes if outcome.healed]
    console.out.print(f"{len(healed)} of {len(outcomes)} healed" if outcomes else "no open dead letters")
    if healed:
        first = min(outcome.letter.window.start for outcome in healed).date()
        last = max(outcome.letter.window.end for outcome in healed).date() - timedelta(days=1)
        console.note(f"bring the tables up to date: pipeline-platform run --from {first} --to {last}")
    raise typer.Exit(0 if len(healed) == len(outcomes) else 1)
