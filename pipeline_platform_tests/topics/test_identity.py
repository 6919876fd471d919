"""Ids of topics: which go on, and what new ones are called."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from pipeline_platform.topics.identity import MIN_SIMILARITY, Known, identified

DAY = date(2026, 11, 22)
RAIN = {"rain": 0.5, "wind": 0.3, "cloud": 0.2}
GOALS = {"goal": 0.6, "match": 0.3, "league": 0.1}

topics = st.lists(st.dictionaries(st.sampled_from("abcdefgh"), st.floats(0.01, 1), min_size=1, max_size=5), max_size=6)
known = st.builds(
    lambda some: [Known(f"2026-11-20:{n}", date(2026, 11, 20), one) for n, one in enumerate(some)], topics
)


def test_a_new_topic_is_named_after_its_day_and_first_words() -> None:
    (found,) = identified(DAY, [RAIN], [])
    assert found.topic_id == "2026-11-22:rain-wind-cloud"
    assert found.continues is None
    assert found.similarity is None


def test_a_topic_whose_words_stay_alike_keeps_its_id() -> None:
    before = Known("2026-11-20:storm", date(2026, 11, 20), {"rain": 0.4, "wind": 0.4, "storm": 0.2})
    other = Known("2026-11-20:goal", date(2026, 11, 20), GOALS)
    (found,) = identified(DAY, [RAIN], [other, before])
    assert found.topic_id == "2026-11-20:storm"
    assert found.continues == before
    assert MIN_SIMILARITY < found.similarity < 1


def test_one_that_is_not_alike_enough_is_new() -> None:
    before = Known("2026-11-20:flood", date(2026, 11, 20), {"rain": 0.2, "flood": 0.5, "river": 0.3})
    (found,) = identified(DAY, [RAIN], [before])
    assert found.topic_id == "2026-11-22:rain-wind-cloud"


def test_of_two_that_could_go_on_the_one_more_alike_does() -> None:
    before = Known("2026-11-20:rain", date(2026, 11, 20), RAIN)
    ids = [one.topic_id for one in identified(DAY, [{"rain": 0.6, "umbrella": 0.3}, RAIN], [before])]
    assert ids == ["2026-11-22:rain-umbrella", "2026-11-20:rain"]


def test_new_topics_with_the_same_words_have_ids_of_their_own() -> None:
    longer = RAIN | {"hail": 0.1}
    ids = [one.topic_id for one in identified(DAY, [RAIN, longer, RAIN, RAIN], [])]
    assert ids == [
        "2026-11-22:rain-wind-cloud",
        "2026-11-22:rain-wind-cloud-hail",
        "2026-11-22:rain-wind-cloud-2",
        "2026-11-22:rain-wind-cloud-3",
    ]


@given(topics, known, st.randoms(use_true_random=False))
def test_ids_are_distinct_and_none_depends_on_the_order_of_what_is_known(topics, known, random) -> None:
    found = identified(DAY, topics, known)
    assert len({one.topic_id for one in found}) == len(topics)
    random.shuffle(known)
    assert identified(DAY, topics, known) == found
    assert all(one.similarity >= MIN_SIMILARITY for one in found if one.continues)
