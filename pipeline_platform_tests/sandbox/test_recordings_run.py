"""Recorded answers of the real upstreams through every room: every record is in a table or in the account."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmarks.recordings import Run, recorded
from pipeline_platform.quality.verdict import WHOLLY_REJECTED

RECORDINGS = Path(__file__).parents[2] / "../shared/recordings"
DAYS = 30
"""The newest days, where undated records land: over all of twenty years the number of partitions costs minutes."""


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="no recordings beside the repository")
def test_every_recorded_record_is_accounted_for() -> None:
    today = datetime.now(UTC).date()
    days = [today - timedelta(days=ago) for ago in range(DAYS, -1, -1)]
    details: list[str] = []
    with recorded(RECORDINGS, days[0]) as stores:
        run = Run(stores, days, details.append)
        run.all_rooms()

    accounts = run.accounts.values()
    assert sum(one.found for one in accounts) > sum(one.before_start for one in accounts) > 0
    for one in accounts:
        assert one.raw == one.cleaned + one.quarantined.total(), one
        assert one.again >= 0, one
    assert not [path for path, broken in run.broken.items() if broken.keys() - {WHOLLY_REJECTED}], details
    assert run.held["enriched/documents"] == run.held["deduplicated/documents"] > 0
