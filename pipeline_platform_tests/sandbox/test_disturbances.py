"""Outages, moods and themes of the world: what the truth says is what is shown."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

from pipeline_platform.sandbox.truth import truth
from pipeline_platform.sandbox.world import World

LAST = date(2026, 11, 20)
DAYS = [LAST - timedelta(days=back) for back in range(20)]


def now():
    return datetime(2026, 11, 24, tzinfo=UTC)


def test_a_channel_is_silent_in_its_outage():
    world = World(seed=3, now=now)
    outages = [one for day in DAYS if (one := world.disturbances.outage(day))]
    assert outages
    for one in outages:
        hours = {post.shown_at.hour for post in world.channel_posts(one.source, one.channel, one.day)}
        assert not hours & set(range(one.hour, one.hour + one.hours))
        assert len(hours) > 5


def test_most_of_a_channel_is_in_its_mood_and_a_theme_is_everywhere():
    world = World(seed=3, now=now)
    moods = [one for day in DAYS if (one := world.disturbances.mood(day))]
    themes = [one for day in DAYS if (one := world.disturbances.theme(day))]
    assert moods
    assert themes
    for mood in moods:
        tones = Counter(post.tone for post in world.channel_posts(mood.source, mood.channel, mood.day))
        assert tones.most_common(1)[0][0] == mood.tone
        assert tones[mood.tone] > 0.6 * tones.total()
    for theme in themes:
        posts = [post for source in ("reddit", "rss", "x") for post in world.posts(source, theme.day)]
        assert sum(post.topic == theme.topic for post in posts) > 0.3 * len(posts)
        assert any(f"#{theme.hashtag}" in post.text for post in posts)


def test_the_truth_tells_of_them_and_a_calm_world_has_none():
    told = truth(World(seed=3, now=now), DAYS[-1], LAST)
    assert told["outages"]
    assert {"day", "hour", "hours", "source", "channel"} == set(told["outages"][0])
    assert told["moods"]
    assert told["themes"]
    calm = truth(World(seed=3, now=now, calm=True), DAYS[-1], LAST)
    assert [calm[kind] for kind in ("outages", "moods", "themes")] == [[], [], []]
