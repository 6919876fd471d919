"""The world is the same each time, holds what it promises, and its truth is what it shows."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from pipeline_platform.sandbox.texts import Written, similarity
from pipeline_platform.sandbox.truth import truth
from pipeline_platform.sandbox.world import CHANNELS_AT_LEAST, FIRST_DAY, Post, World, base36

DAY = date(2026, 11, 22)
SOURCES = tuple(CHANNELS_AT_LEAST)


def evening() -> datetime:
    return datetime(2026, 11, 24, 18, tzinfo=UTC)


def posts_of(world: World, day: date = DAY) -> list[Post]:
    return [post for source in SOURCES for post in world.posts(source, day)]


def as_written(post: Post) -> Written:
    return Written(post.title, post.text, post.topic, post.tone, post.language)


@pytest.fixture(scope="module")
def world() -> World:
    return World(seed=3, scale=8, now=evening)


@pytest.fixture(scope="module")
def posts(world: World) -> list[Post]:
    return posts_of(world)


def test_the_same_seed_shows_the_same(posts: list[Post]):
    assert posts_of(World(seed=3, scale=8, now=evening)) == posts
    assert posts_of(World(seed=4, scale=8, now=evening)) != posts


def test_every_post_is_found_by_its_key(world: World, posts: list[Post]):
    assert [world.post(post.key) for post in posts] == posts
    assert len({post.key for post in posts}) == len({post.document_id for post in posts}) == len(posts)


@pytest.mark.parametrize(
    "key", ["", "nonsense", "2026-11-22-z000-00001", "2026-11-22-p000-99999", "2026-11-22-p999-00001"]
)
def test_what_is_no_key_finds_nothing(world: World, key: str):
    assert world.post(key) is None


def test_a_channel_day_is_part_of_the_day(world: World, posts: list[Post]):
    by_channel = [post for name in world.feeds for post in world.channel_posts("rss", name, DAY)]
    assert sorted(by_channel, key=lambda post: post.key) == sorted(
        (post for post in posts if post.source == "rss"), key=lambda post: post.key
    )
    with pytest.raises(ValueError, match="nowhere"):
        world.channel_posts("rss", "nowhere", DAY)


def test_nothing_is_shown_before_its_time():
    today = DAY + timedelta(days=2)
    noon = World(now=lambda: datetime(2026, 11, 24, 12, tzinfo=UTC))
    early, late = posts_of(noon, today), posts_of(World(now=evening), today)
    assert 0 < len(early) < len(late)
    assert {post.key for post in early} < {post.key for post in late}
    assert all(post.shown_at <= noon.now() for post in early)
    assert all(post.created_at <= noon.now() for post in early if post.flaw != "created_at_not_in_future")
    assert posts_of(noon, today + timedelta(days=1)) == posts_of(noon, FIRST_DAY - timedelta(days=1)) == []


def test_scale_one_is_about_620_documents_a_day():
    counts = [len(posts_of(World(now=evening), DAY - timedelta(days=back))) for back in range(5)]
    assert all(550 <= count <= 700 for count in counts), counts


def test_scale_300_is_more_than_500_000_documents_in_three_days_and_listings_of_reddit_hold_four():
    world = World(scale=300, now=evening)
    assert len(set(world.subreddits)) == len(world.subreddits) > 100
    a_day = 0.0
    for source, channels in world.channels.items():
        some = channels[:3]
        sampled = [post for name in some for post in world.channel_posts(source, name, DAY)]
        a_day += len(sampled) * len(channels) / len(some)
    assert a_day > 170_000
    sample = [post for name in world.subreddits[:3] for post in world.channel_posts("reddit", name, DAY)]
    kinds = Counter((post.channel, post.kind) for post in sample)
    assert 4 * max(kinds.values()) <= 1000


def test_scale_must_be_sensible():
    with pytest.raises(ValueError, match="620 documents"):
        World(scale=0)


def test_shares_of_what_is_planted(posts: list[Post]):
    flaws, copies = Counter(post.flaw for post in posts), Counter(post.similarity for post in posts)
    assert set(flaws) == {None, "title_or_text", "score_not_negative", "created_at_not_in_future", "malformed"}
    assert 0.008 < 1 - flaws[None] / len(posts) < 0.025
    assert 0.03 < copies["exact"] / len(posts) < 0.05
    assert 0.02 < copies["near"] / len(posts) < 0.04


def test_flawed_posts_break_their_rule(posts: list[Post]):
    for post in posts:
        blank = not (post.title or "").strip() and not post.text.strip()
        assert blank == (post.flaw == "title_or_text")
        assert (post.score < 0) == (post.flaw == "score_not_negative")
        assert (post.created_at != post.shown_at) == (post.flaw == "created_at_not_in_future")
        assert post.shown_at.date() == DAY
        assert post.flaw != "score_not_negative" or post.kind == "post"


def test_copies_repeat_a_sound_post_shown_before(world: World, posts: list[Post]):
    across, inside = 0, 0
    for copy in (post for post in posts if post.duplicate_of):
        origin = world.post(copy.duplicate_of or "")
        assert origin is not None
        assert origin.flaw is None
        assert origin.duplicate_of is None
        assert origin.shown_at < copy.shown_at
        assert (origin.kind == "comment") == (copy.kind == "comment")
        assert (origin.title is None) == (copy.title is None)
        alike = similarity(as_written(origin), as_written(copy))
        assert 0.8 < alike < 1 if copy.similarity == "near" else alike == 1
        assert (copy.url == origin.url) == (copy.similarity == "link")
        across += origin.source != copy.source
        inside += origin.source == copy.source
    assert across > 5
    assert inside > 5


def test_comments_answer_an_earlier_post_of_their_channel(world: World, posts: list[Post]):
    for comment in (post for post in posts if post.kind == "comment"):
        parent = world.post(comment.parent or "")
        assert parent is not None
        assert (parent.kind, parent.channel) == ("post", comment.channel)
        assert parent.shown_at < comment.shown_at
        assert base36(parent.number) in comment.url


def test_the_spike_hour_has_six_times_the_volume():
    world = World(scale=40, now=evening)
    for back in range(4):
        spike = world.spike(DAY - timedelta(days=back))
        hours = Counter(post.shown_at.hour for post in world.channel_posts(spike.source, spike.channel, spike.day))
        usual = sorted(hours.values())[12]
        assert 3.5 * usual < hours[spike.hour] < 9 * usual


def test_prices_jump_where_the_truth_says():
    world = World(now=evening)
    for back in range(6):
        day = DAY - timedelta(days=back)
        coin, size = world.price_jump(day)
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        before, after = (world.price(coin, noon + timedelta(minutes=minutes)) for minutes in (-2, 2))
        assert after / before - 1 == pytest.approx(size, abs=0.02)
    assert world.price("bitcoin", evening()) == World(now=evening).price("bitcoin", evening())


def test_truth_is_what_is_shown():
    world = World(seed=5, scale=4, now=evening)
    told = truth(world, DAY, DAY + timedelta(days=1))
    shown = posts_of(world) + posts_of(world, DAY + timedelta(days=1))
    assert sum(told["documents"].values()) == len(shown)
    copies = {post.document_id: post.similarity for post in shown if post.duplicate_of}
    assert {pair["document_id"]: pair["similarity"] for pair in told["duplicates"]} == copies
    assert {row["record_id"]: row["rule"] for row in told["bad_rows"]} == {
        post.document_id: post.flaw for post in shown if post.flaw
    }
    assert [spike["type"] for spike in told["spikes"]] == ["volume", "price"] * 2


def test_truth_lists_rows_that_upstreams_planted():
    world = World(now=evening)
    world.plant("coingecko", "coingecko:bitcoin", "ohlc_low", DAY)
    world.plant("coingecko", "coingecko:bitcoin", "ohlc_low", DAY)
    world.plant("coingecko", "coingecko:solana", "ohlc_high", DAY - timedelta(days=3))
    world.plant("github", "github:a/b", "counter_not_negative")
    told = [row for row in truth(world, DAY, DAY)["bad_rows"] if row["kind"] is None]
    assert [(row["record_id"], row["rule"]) for row in told] == [
        ("coingecko:bitcoin", "ohlc_low"),
        ("github:a/b", "counter_not_negative"),
    ]


def test_a_flaw_of_a_record_is_decided_once():
    world = World(now=evening)
    rules = [world.flaw("market_bars", f"bar {number}") for number in range(2000)]
    assert rules == [World(now=evening).flaw("market_bars", f"bar {number}") for number in range(2000)]
    assert set(rules) == {None, "ohlc_low", "ohlc_high", "price_positive"}
    assert 0.01 < 1 - rules.count(None) / len(rules) < 0.04


@pytest.mark.parametrize(("number", "written"), [(0, "0"), (35, "z"), (36, "10"), (36**6 - 1, "zzzzzz")])
def test_base36(number: int, written: str):
    assert base36(number) == written
    assert int(written, 36) == number
