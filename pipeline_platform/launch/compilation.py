"""Compiles the loops over texts, so that no run has to: `python -m pipeline_platform.launch.compilation`.

Numba compiles a loop when it is first called, which takes half a minute for all of them, and keeps the result beside
the code. `make setup` does it once; without it every process that comes first, on every machine, would.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline_platform.clean.content import content_hash
from pipeline_platform.dedup.documents import dedup_documents
from pipeline_platform.dedup.residual import residual_copies
from pipeline_platform.dedup.signatures import document_signatures
from pipeline_platform.enrich.documents import enrich
from pipeline_platform.enrich.registry import configured
from pipeline_platform.schemas.catalog import tables
from pipeline_platform.schemas.deduplicated import signatures_table
from pipeline_platform.settings import Settings

MORNING = datetime(2026, 1, 1, 8, tzinfo=UTC)
TEXTS = (
    "Rain in Berlin made nobody happy, and the new GPU of Nvidia is not as good as people said it would be.",
    "Rain in Berlin made nobody happy, and the new GPU of Nvidia is not as good as people said it will be.",
    "Ça alors: il pleut encore à Lyon 😀",
)
"""Two of which one is a near copy of the other, and one beyond ASCII."""


def compile_loops() -> None:
    """Send a few texts the way of all texts."""
    today = MORNING.date()
    frame = tables()["cleaned/reddit_posts"].frame([_document(number, text) for number, text in enumerate(TEXTS)])
    signatures = document_signatures(frame, signatures_table().frame([]))
    found = dedup_documents(frame, frame.head(0), [today], lookback_days=1, signatures=signatures)
    residual_copies(found)
    enrich(found, configured(Settings(_env_file=None)))


def _document(number: int, text: str) -> dict[str, Any]:
    return {
        "document_id": f"reddit:{number}",
        "source": "reddit",
        "stream": "reddit_posts",
        "kind": "post",
        "channel": "weather",
        "text": text,
        "content_hash": content_hash(None, text),
        "created_at": MORNING + timedelta(minutes=number),
        "fetched_at": MORNING,
        "is_deleted": False,
        "event_date": MORNING.date(),
    }


if __name__ == "__main__":
    compile_loops()
