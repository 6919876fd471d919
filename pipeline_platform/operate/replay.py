"""Replaying dead letters: each is fetched again; what succeeds is healed, what fails stays with its new error.

A fetch that came to half of a window owes the other half only. So a backfill that is more than the requests of a day
goes on, day by day, where it stopped.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pipeline_platform.operate.intake import take_in
from pipeline_platform.operate.recheck import RECHECK_TARGET
from pipeline_platform.settings import source_settings
from pipeline_platform.sources.registry import source_named
from pipeline_platform.storage.stores import Stores
from pipeline_platform.storage.warehouse import DeadLetter


@dataclass(frozen=True)
class Replayed:
    """Outcome of one letter: healed, or the error that keeps it open."""

    letter: DeadLetter
    healed: bool
    error: str | None
    records: int


def replay(
    stores: Stores,
    *,
    run_id: str,
    source: str | None = None,
    ids: list[int] | None = None,
    progress: Callable[[Replayed], object],
) -> list[Replayed]:
    """Fetch again what open dead letters owe.

    Args:
        stores: where letters and raw tables are.
        run_id: kept with what is fetched.
        source: letters of this source only.
        ids: these letters only.
        progress: told of each outcome.
    """
    outcomes = []
    for known in stores.warehouse.dead_letters(source=source):
        if ids and known.id not in ids:
            continue
        # A letter before it may have paid this one too, or a part of it.
        letter = stores.warehouse.open_letter(known)
        paid = Replayed(known, healed=True, error=None, records=0)
        outcome = paid if letter is None else _replay_one(stores, letter, run_id)
        progress(outcome)
        outcomes.append(outcome)
    return outcomes


def _replay_one(stores: Stores, letter: DeadLetter, run_id: str) -> Replayed:
    try:
        source = source_named(letter.source)
        stream = next(stream for stream in source.streams if stream.name == letter.stream)
    except (KeyError, StopIteration):
        return Replayed(letter, healed=False, error=f"{letter.source}/{letter.stream} is no longer a source", records=0)
    if letter.target == RECHECK_TARGET:
        if stream.recheck is None:
            return Replayed(letter, healed=False, error=f"{stream.name} no longer checks its records again", records=0)
    elif letter.target not in stream.targets(source_settings(source)):
        return Replayed(letter, healed=False, error="the target is no longer on the watch list", records=0)
    intake = take_in(stores, source, stream, letter.window, run_id=run_id, targets=[letter.target])
    error = str(intake.failures[0].error) if intake.failures else intake.collected.skipped.get(letter.target)
    return Replayed(letter, healed=error is None, error=error, records=intake.records)
