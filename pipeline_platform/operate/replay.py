"""Replaying dead letters: each is fetched again; what succeeds is healed, what fails stays with its new error.

A fetch that came to half of a window owes the other half only. So a backfill that is more than the requests of a day
goes on, day by day, where it stopped.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby

from pipeline_platform.operate.intake import Intake, take_in
from pipeline_platform.operate.recheck import RECHECK_TARGET
from pipeline_platform.settings import source_settings
from pipeline_platform.sources.base import Source, Stream
from pipeline_platform.sources.registry import source_named
from pipeline_platform.storage.stores import Stores
from pipeline_platform.storage.warehouse import DeadLetter


@dataclass(frozen=True)
class Replayed:
    """Outcome of one letter: healed, or the error that keeps it open; the records that came, and the days they are of.

    Letters that were fetched together tell the same days.
    """

    letter: DeadLetter
    healed: bool
    error: str | None
    records: int
    days: frozenset[date] = field(default_factory=frozenset)


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
    letters = [letter for letter in stores.warehouse.dead_letters(source=source) if not ids or letter.id in ids]
    for _, alike in groupby(sorted(letters, key=_debt), _debt):
        for outcome in _replay_together(stores, list(alike), run_id):
            progress(outcome)
            outcomes.append(outcome)
    return outcomes


def _debt(letter: DeadLetter) -> tuple[str, str, bool, datetime, datetime]:
    """What letters must share to be paid by one fetch: a fetch and a commit for each would be slow."""
    return letter.source, letter.stream, letter.target == RECHECK_TARGET, letter.window.start, letter.window.end


def _replay_together(stores: Stores, letters: list[DeadLetter], run_id: str) -> Iterable[Replayed]:
    """Outcomes of letters of one stream and window."""
    wanted: list[DeadLetter] = []
    for known in letters:
        # A letter before it may have paid this one too, or a part of it.
        letter = stores.warehouse.open_letter(known)
        if letter is None:
            yield Replayed(known, healed=True, error=None, records=0)
        elif letter.window != known.window:
            yield from _replay_together(stores, [letter], run_id)
        elif (refusal := _refusal(letter)) is not None:
            yield Replayed(letter, healed=False, error=refusal, records=0)
        else:
            wanted.append(letter)
    if wanted:
        source, stream = _stream_of(wanted[0])
        targets = list(dict.fromkeys(letter.target for letter in wanted))
        intake = take_in(stores, source, stream, wanted[0].window, run_id=run_id, targets=targets)
        yield from (_outcome(letter, intake) for letter in wanted)


def _stream_of(letter: DeadLetter) -> tuple[Source, Stream]:
    source = source_named(letter.source)
    return source, next(stream for stream in source.streams if stream.name == letter.stream)


def _refusal(letter: DeadLetter) -> str | None:
    """Why a letter cannot be replayed; None where it can."""
    try:
        source, stream = _stream_of(letter)
    except (KeyError, StopIteration):
        return f"{letter.source}/{letter.stream} is no longer a source"
    if letter.target == RECHECK_TARGET:
        return None if stream.recheck else f"{stream.name} no longer checks its records again"
    watched = stream.targets(source_settings(source))
    return None if letter.target in watched else "the target is no longer on the watch list"


def _outcome(letter: DeadLetter, intake: Intake) -> Replayed:
    errors = {failure.target: str(failure.error) for failure in intake.failures}
    error = errors.get(letter.target, intake.collected.skipped.get(letter.target))
    collected = intake.collected
    if letter.target == RECHECK_TARGET and intake.rechecked is not None:
        collected = intake.rechecked.collected
    return Replayed(letter, error is None, error, collected.by_target[letter.target], frozenset(collected.days))
