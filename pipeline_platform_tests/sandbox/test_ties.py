"""What follows what in the world: as strongly as the truth says, where it says, and nowhere in a calm world."""

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pytest
from scipy.stats import spearmanr

from pipeline_platform.sandbox.cast import COIN_NAMES, PLACES
from pipeline_platform.sandbox.climate import rain
from pipeline_platform.sandbox.phrases_english import SHARED
from pipeline_platform.sandbox.ties import SOAKING_MM, SOURED
from pipeline_platform.sandbox.truth import truth
from pipeline_platform.sandbox.world import Post, World

LAST = date(2026, 11, 20)
DAYS = [LAST - timedelta(days=back) for back in range(39, -1, -1)]
SOURCES = ("reddit", "rss", "x", "bluesky")


def now() -> datetime:
    return datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture(scope="module")
def world() -> World:
    return World(seed=3, now=now)


@pytest.fixture(scope="module")
def posts(world: World) -> dict[date, list[Post]]:
    return {day: [post for source in SOURCES for post in world.posts(source, day)] for day in DAYS}


def subjects(world: World, kind: str) -> list[str]:
    return [tie.subject for tie in world.ties.planted if tie.type == kind]


def test_talk_of_a_tied_place_is_sour_after_rain_and_only_then(world: World, posts: dict[date, list[Post]]):
    tied = subjects(world, "sentiment_after_rain")
    assert len(tied) == len(PLACES) // 2
    tones: dict[tuple[bool, bool], Counter[str]] = defaultdict(Counter)
    for place in PLACES:
        for day in DAYS:
            fell = rain(world, place, day - timedelta(days=1))
            if 0 < fell < SOAKING_MM:
                continue
            mood = world.disturbances.mood(day)
            for post in posts[day]:
                moody = mood is not None and (mood.source, mood.channel) == (post.source, post.channel)
                if cities(post) == {place.name} and not moody:
                    tones[place.name in tied, fell > 0][post.tone] += 1
    share = {of: count["negative"] / count.total() for of, count in tones.items()}
    assert all(count.total() > 300 for count in tones.values())
    # Some posts name one place in passing, and are not set in it.
    assert 1 / 3 + 0.4 * SOURED < share[True, True] < 1 / 3 + 0.67 * SOURED
    for usual in ((True, False), (False, True), (False, False)):
        assert share[usual] == pytest.approx(1 / 3, abs=0.06)


def cities(post: Post) -> set[str]:
    return {city for city in SHARED["city"] if city in f"{post.title} {post.text}"}


def test_the_price_of_a_tied_coin_follows_its_mentions_by_a_day(world: World, posts: dict[date, list[Post]]):
    tied = subjects(world, "return_after_mentions")
    assert len(tied) == len(COIN_NAMES) // 2
    found = {coin: told(world, posts, coin) for coin in COIN_NAMES}
    assert min(found[coin] for coin in tied) > 0.25
    assert abs(np.mean([found[coin] for coin in found.keys() - set(tied)])) < 0.2


def told(world: World, posts: dict[date, list[Post]], coin: str) -> float:
    """The rank correlation of the mentions of days with the returns of the days after."""
    mentions = [sum(COIN_NAMES[coin] in post.text for post in posts[day]) for day in DAYS]
    closes = [world.price(coin, datetime.combine(day, time(23, 59), UTC)) for day in DAYS]
    return float(spearmanr(mentions[:-1], np.diff(np.log(closes))).statistic)


def test_a_post_about_a_coin_names_that_one_alone(posts: dict[date, list[Post]]):
    about = [post for post in posts[LAST] if post.topic == "coins" and post.flaw is None and not post.duplicate_of]
    named = [{name for name in COIN_NAMES.values() if name in f"{post.title} {post.text}"} for post in about]
    assert len(about) > 50
    assert all(len(names) <= 1 for names in named)


def test_the_truth_tells_the_ties_and_a_calm_world_has_none(world: World):
    ties = truth(world, LAST, LAST)["ties"]
    assert {"type", "subject", "lag_days", "strength"} == set(ties[0])
    assert ties == truth(World(seed=3, now=now), LAST, LAST)["ties"]
    assert ties != truth(World(seed=4, now=now), LAST, LAST)["ties"]
    assert truth(World(seed=3, now=now, calm=True), LAST, LAST)["ties"] == []
