"""Things of Reddit: posts and comments as documents, deleted ones, pictures, markup, broken ones."""

from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline_platform.schemas.kinds import KINDS, PLATFORM_COLUMNS
from pipeline_platform.sources.reddit_records import SAMPLE_COMMENT, SAMPLE_POST, parse_comment, parse_post


def test_post_becomes_a_document() -> None:
    row = parse_post(SAMPLE_POST)
    assert row == {
        "document_id": "reddit:t3_1q5k2ab",
        "kind": "post",
        "channel": "homebrewing",
        "author": "copper_kettle_91",
        "title": "First lager with a borrowed fridge, what would you change?",
        "text": "Held it at 11 °C for two weeks.\n\nIt smells of green apple. More time, or more yeast?",
        "url": "https://www.reddit.com" + SAMPLE_POST["permalink"],
        "image_url": None,
        "category": "Question",
        "created_at": datetime(2026, 1, 6, 11, 0, tzinfo=UTC),
        "score": 14,
        "replies": 6,
        "shares": 0,
        "is_adult": False,
    }


def test_comment_becomes_a_document() -> None:
    row = parse_comment(SAMPLE_COMMENT)
    assert row["text"] == "Give it three days at 18 °C before you chill it, the apple goes away by itself."
    assert row["url"] == "https://www.reddit.com/comments/1q5k2ab/_/nx4r7c2/"
    assert (row["kind"], row["channel"], row["author"], row["score"]) == ("comment", "homebrewing", "slow_mash", 5)
    assert "title" not in row


def test_columns_are_those_of_the_kind() -> None:
    known = {*KINDS["documents"].columns, "author"} - {*PLATFORM_COLUMNS, "author_id", "canonical_url", "content_hash"}
    assert parse_post(SAMPLE_POST).keys() <= known
    assert parse_comment(SAMPLE_COMMENT).keys() <= known


@pytest.mark.parametrize(
    "changes",
    [
        {"author": "[deleted]", "selftext": "[deleted]"},
        {"selftext": "[removed]"},
        {"selftext": "", "selftext_html": None, "removed_by_category": "moderator"},
        {"title": "[deleted by user]", "selftext": ""},
        {"selftext": "[ Removed by Reddit ]"},
        {"banned_by": True},
        {"removed": True},
    ],
)
def test_of_a_deleted_post_nothing_is_told(changes: dict[str, Any]) -> None:
    row = parse_post({**SAMPLE_POST, "thumbnail": "https://b.example/p.jpg", **changes})
    assert row["is_deleted"] is True
    assert not {"title", "text", "image_url"} & row.keys()
    # The permalink repeats the title.
    assert row["url"] == "https://www.reddit.com/comments/1q5k2ab/"


def test_of_a_deleted_comment_nothing_is_told() -> None:
    row = parse_comment({**SAMPLE_COMMENT, "author": "[deleted]", "body": "[deleted]"})
    assert (row["is_deleted"], row["author"]) == (True, None)
    assert "text" not in row


def test_text_of_a_deleted_account_stays() -> None:
    row = parse_post({**SAMPLE_POST, "author": "[deleted]"})
    assert row["author"] is None
    assert row["text"]
    assert "is_deleted" not in row


def test_hidden_scores_are_unknown() -> None:
    assert parse_post({**SAMPLE_POST, "score": 1, "hide_score": True})["score"] is None
    assert parse_comment({**SAMPLE_COMMENT, "score": 1, "score_hidden": True})["score"] is None
    assert parse_comment({**SAMPLE_COMMENT, "score": -7})["score"] == -7


@pytest.mark.parametrize(
    ("changes", "url"),
    [
        ({"thumbnail": "nsfw", "over_18": True}, None),
        ({"thumbnail": "https://b.example/small.jpg"}, "https://b.example/small.jpg"),
        ({"preview": {"images": [{"source": {"url": "https://p.example/1.jpg"}}]}}, "https://p.example/1.jpg"),
        ({"post_hint": "image", "url": "https://i.example/full.png"}, "https://i.example/full.png"),
        (
            {
                "gallery_data": {"items": [{"media_id": "b"}, {"media_id": "a"}]},
                "media_metadata": {"a": {"s": {"u": "https://g.example/a"}}, "b": {"s": {"u": "https://g.example/b"}}},
            },
            "https://g.example/b",
        ),
        ({"gallery_data": {"items": []}, "media_metadata": None, "preview": [1]}, None),
        ({"gallery_data": {"items": [{"media_id": ["x"]}]}, "media_metadata": {"x": 1}}, None),
    ],
)
def test_main_picture(changes: dict[str, Any], url: str | None) -> None:
    assert parse_post({**SAMPLE_POST, **changes})["image_url"] == url


def test_markup_goes_and_a_lone_picture_stays_text() -> None:
    html = '<div class="md"><blockquote>\n<p>said</p>\n</blockquote>\n\n<p>a &amp; <a href="https://x.example">b</a></p></div>'
    assert parse_comment({**SAMPLE_COMMENT, "body_html": html})["text"] == "said\n\na & b"
    picture = {"body": "![gif](giphy|abc)", "body_html": '<div class="md"><p><img src="x.gif"></p>\n</div>'}
    assert parse_comment({**SAMPLE_COMMENT, **picture})["text"] == "![gif](giphy|abc)"
    empty = {"body": "", "body_html": '<div class="md"></div>'}
    assert parse_comment({**SAMPLE_COMMENT, **empty})["text"] is None


@pytest.mark.parametrize(
    "changes",
    [
        {"title": None},
        {"title": 7},
        {"selftext": ["x"]},
        {"score": "many"},
        {"score": True},
        {"num_comments": 1.5},
        {"score": 2**63},
        {"created_utc": None},
        {"created_utc": True},
        {"created_utc": float("nan")},
        {"created_utc": 1e300},
        {"over_18": "yes"},
        {"subreddit": None},
        {"author": {"name": "x"}},
        {"permalink": 3},
        {"name": "t1_abc"},
        {"name": "t3_"},
    ],
)
def test_broken_posts_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        parse_post({**SAMPLE_POST, **changes})


@pytest.mark.parametrize("field", ["name", "subreddit", "link_id", "body", "created_utc"])
def test_comments_without_what_they_need_are_refused(field: str) -> None:
    with pytest.raises((KeyError, ValueError)):
        parse_comment({name: value for name, value in SAMPLE_COMMENT.items() if name != field})
