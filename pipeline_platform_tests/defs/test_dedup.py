"""What the asset of documents tells of the copies it found."""

from datetime import date, timedelta

from pipeline_platform.defs.dedup import _clusters, _examples
from pipeline_platform.schemas.deduplicated import deduplicated_table

DAY = date(2026, 11, 22)


def test_examples_stand_beside_their_originals() -> None:
    fields = {"source": "town", "title": None, "event_date": DAY}
    copy = {"is_canonical": False, "method": "near", "similarity": 0.9, "cluster_id": "a", "duplicate_of": "a"}
    frame = deduplicated_table("documents").frame(
        [
            fields | {"document_id": "a", "title": "Fair", "text": "It opens.", "is_canonical": True, "method": "none"},
            fields | copy | {"document_id": "b", "text": "Fair It opens!"},
            fields | copy | {"document_id": "b", "text": "Fair It opens!", "event_date": DAY + timedelta(days=1)},
            fields | copy | {"document_id": "c", "text": "Gone", "cluster_id": "z", "duplicate_of": "z"},
        ]
    )
    (told,) = _examples(frame, frame[~frame["is_canonical"]]).values()
    shown = [(record.data["duplicate_of"], record.data["copy"], record.data["original"]) for record in told.records]
    assert shown == [("a", "Fair It opens!", "Fair It opens."), ("z", "Gone", "")]
    assert _examples(frame.head(1), frame.head(0)) == {}


def test_the_largest_clusters_are_shown_with_what_they_say() -> None:
    fields = {"source": "town", "title": None, "event_date": DAY, "is_canonical": True, "method": "none"}
    copy = {"is_canonical": False, "method": "near", "similarity": 0.9}
    frame = deduplicated_table("documents").frame(
        [
            fields | {"document_id": "a", "cluster_id": "a", "text": "Alone."},
            fields | copy | {"document_id": "c", "cluster_id": "b", "text": "Fair!", "source": "shire"},
            fields | {"document_id": "b", "cluster_id": "b", "title": "Fair", "text": "It opens."},
            fields | {"document_id": "d", "cluster_id": "d", "text": "Rain."},
            *(fields | copy | {"document_id": f"e{n}", "cluster_id": "d", "text": "Rain"} for n in range(2)),
        ]
    )
    (told,) = _clusters(frame).values()
    assert [tuple(record.data.values()) for record in told.records] == [
        ("d", "3", "town", "near", "Rain."),
        ("b", "2", "shire, town", "near", "Fair"),
    ]
    assert _clusters(frame.head(1)) == {}
