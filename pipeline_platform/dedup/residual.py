"""What deduplication left over: copies among the canonical documents of a day, sought again with other hashes."""

from dataclasses import dataclass
from datetime import date

import pandas as pd
import pyarrow as arrow
import pyarrow.compute as pc

from pipeline_platform.dedup.minhash import band_keys
from pipeline_platform.dedup.near import TELLING, near_copies
from pipeline_platform.dedup.normalised import normalised_contents

SEED = 1
"""Not that of the signatures: a search with the same hashes would miss what was missed."""


@dataclass(frozen=True)
class Residual:
    """Copies that are left on a day.

    Attributes:
        documents: canonical documents that were not deleted.
        copies: `document_id`, `copy_of` and `similarity` of each copy.
    """

    documents: int
    copies: pd.DataFrame

    @property
    def share(self) -> float:
        """Copies among the canonical documents."""
        return len(self.copies) / self.documents if self.documents else 0.0


def residual_copies(documents: pd.DataFrame) -> dict[date, Residual]:
    """Near copies, equal ones included, among the canonical documents of each day.

    Args:
        documents: has `document_id`, `title`, `text`, `is_canonical`, `is_deleted` and `event_date`.
    """
    canonical = documents[documents["is_canonical"] & ~documents["is_deleted"]]
    days = canonical["event_date"]
    return {day: _residual(canonical[days == day]) for day in sorted(days.unique())}


def _residual(documents: pd.DataFrame) -> Residual:
    words = arrow.Table.from_pandas(documents[["title", "text"]], preserve_index=False)
    contents = normalised_contents(words["title"], words["text"])
    telling = pc.greater_equal(pc.utf8_length(contents), TELLING).to_numpy(zero_copy_only=False)
    pairs = near_copies(
        band_keys(contents, seed=SEED), telling, lambda positions: contents.take(arrow.array(positions))
    )
    ids = documents["document_id"].to_numpy()
    copies = {"document_id": ids[pairs.right], "copy_of": ids[pairs.left], "similarity": pairs.similarity}
    return Residual(len(documents), pd.DataFrame(copies))
