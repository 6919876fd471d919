"""What the sandbox's GDELT files tell of a slot of 15 minutes: events, mentions of them, annotations of articles."""

import html
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pipeline_platform.sandbox.cast import Place
from pipeline_platform.sandbox.world import Post, World
from pipeline_platform.sources.gdelt_records import identify_mention

SLOT = timedelta(minutes=15)
FIRST_SLOT = datetime(2015, 2, 18, tzinfo=UTC)
NUMBERS_A_SLOT = 100
MOST_EVENTS = 12
UNDATED_SHARE = 0.05
FIPS = {"DE": "GM", "GB": "UK", "US": "US", "JP": "JA", "BR": "BR", "KE": "KE", "IS": "IC", "AU": "AS"}
CAMEO = {"DE": "DEU", "GB": "GBR", "US": "USA", "JP": "JPN", "BR": "BRA", "KE": "KEN", "IS": "ISL", "AU": "AUS"}
COUNTRIES = {
    "DE": "Germany", "GB": "United Kingdom", "US": "United States", "JP": "Japan", "BR": "Brazil", "KE": "Kenya",
    "IS": "Iceland", "AU": "Australia",
}  # fmt: skip
ACTORS = ("PRESIDENT", "GOVERNMENT", "POLICE", "COMPANY", "STUDENT", "FARMER", "CENTRAL BANK")
DEEDS = (
    ("036", 1, 4.0), ("042", 1, 1.9), ("043", 1, 2.8), ("057", 1, 8.0), ("0211", 1, 3.4), ("071", 2, 7.4),
    ("111", 3, -2.0), ("120", 3, -4.0), ("141", 3, -6.5), ("173", 4, -5.0), ("190", 4, -10.0),
)  # fmt: skip
"""CAMEO code, quad class and Goldstein scale of what people do."""
THEMES = {
    "news": ("LEADER", "GENERAL_GOVERNMENT", "MEDIA_MSM"),
    "markets": ("ECON_STOCKMARKET", "ECON_INTEREST_RATES"),
    "coins": ("ECON_BITCOIN", "ECON_CURRENCY_EXCHANGE_RATE"),
    "weather": ("NATURAL_DISASTER", "ENV_CLIMATECHANGE"),
    "programming": ("WB_133_INFORMATION_AND_COMMUNICATION_TECHNOLOGIES", "CYBER_ATTACK"),
}
PEOPLE = ("ada quay", "jon fjord", "mira lantern", "otto pier", "lena tide")
ORGANISATIONS = ("harbour office", "meridian bank", "brightpath", "northgrid")
SOURCE_LANGUAGES = {"de": "deu", "fr": "fra", "es": "spa", "ja": "jpn"}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file by its columns, the id of its record, and the rule that it breaks on purpose."""

    cells: Mapping[str, str]
    record_id: str
    rule: str | None


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y%m%d%H%M%S}"


def _event_ids(world: World, edition: str, slot: datetime) -> list[int]:
    first = (int((slot - FIRST_SLOT) / SLOT) * 2 + (edition == "translingual")) * NUMBERS_A_SLOT
    return list(range(first, first + world.rng("gdelt-events", edition, slot).randint(4, MOST_EVENTS)))


def _geo(whose: str, place: Place) -> dict[str, str]:
    country = FIPS[place.country]
    return {
        f"{whose}Geo_Type": "4",
        f"{whose}Geo_FullName": f"{place.name}, {COUNTRIES[place.country]}",
        f"{whose}Geo_CountryCode": country,
        f"{whose}Geo_ADM1Code": f"{country}01",
        f"{whose}Geo_Lat": f"{place.lat}",
        f"{whose}Geo_Long": f"{place.lon}",
        f"{whose}Geo_FeatureID": f"-{round(place.lat * 1000)}".replace("--", "-"),
    }


def _actor(number: int, rng: random.Random, country: str) -> dict[str, str]:
    if rng.random() < 0.15:
        return {}
    return {
        f"Actor{number}Code": CAMEO[country] + "GOV",
        f"Actor{number}Name": rng.choice(ACTORS),
        f"Actor{number}CountryCode": CAMEO[country],
        f"Actor{number}Type1Code": "GOV",
    }


def events(world: World, edition: str, slot: datetime) -> Iterator[Line]:
    """A handful of events that were first told of in the slot."""
    for number in _event_ids(world, edition, slot):
        rng = world.rng("gdelt-event", number)
        place = rng.choice(world.places)
        code, quad, goldstein = rng.choice(DEEDS)
        happened = slot - timedelta(days=365 if rng.random() < UNDATED_SHARE else 0)
        told = rng.randint(1, 20)
        cells = {
            "GLOBALEVENTID": str(number),
            "SQLDATE": f"{happened:%Y%m%d}",
            "MonthYear": f"{happened:%Y%m}",
            "Year": f"{happened:%Y}",
            "FractionDate": f"{happened.year + happened.timetuple().tm_yday / 366:.4f}",
            **_actor(1, rng, place.country),
            **_actor(2, rng, rng.choice(world.places).country),
            "IsRootEvent": str(rng.randrange(2)),
            "EventCode": code,
            "EventBaseCode": code[:3],
            "EventRootCode": code[:2],
            "QuadClass": str(quad),
            "GoldsteinScale": str(goldstein),
            "NumMentions": str(told),
            "NumSources": "1",
            "NumArticles": str(told),
            "AvgTone": f"{rng.uniform(-9, 6):.12f}",
            **_geo("Action", place),
            "DATEADDED": _stamp(slot),
            "SOURCEURL": f"https://wire.example/{edition}/{number}",
        }
        record_id = f"gdelt:event:{number}"
        rule = world.flaw("news_events", record_id)
        wrong = {
            "quad_class": {"QuadClass": "7"},
            "goldstein_in_range": {"GoldsteinScale": "25.0"},
            "latitude_in_range": {"ActionGeo_Lat": "97.5"},
        }
        yield Line({**cells, **wrong.get(rule or "", {})}, record_id, rule)


def mentions(world: World, edition: str, slot: datetime) -> Iterator[Line]:
    """Mentions of the events of the slot and of the one before it."""
    for added in (slot, slot - SLOT):
        for number in _event_ids(world, edition, added):
            rng = world.rng("gdelt-mention", number, slot)
            for place in range(rng.randint(1, 2)):
                yield _mention(world, edition, slot, added, number, place)


def _mention(world: World, edition: str, slot: datetime, added: datetime, number: int, place: int) -> Line:
    rng = world.rng("gdelt-mention", number, slot, place)
    cells = {
        "GLOBALEVENTID": str(number),
        "EventTimeDate": _stamp(added),
        "MentionTimeDate": _stamp(slot),
        "MentionType": "1",
        "MentionSourceName": "wire.example",
        "MentionIdentifier": f"https://wire.example/{edition}/{number}/{place}",
        "SentenceID": str(rng.randint(1, 30)),
        "Actor1CharOffset": "-1",
        "Actor2CharOffset": str(rng.randint(10, 4000)),
        "ActionCharOffset": str(rng.randint(10, 4000)),
        "InRawText": str(rng.randrange(2)),
        "Confidence": str(rng.randint(1, 10) * 10),
        "MentionDocLen": str(rng.randint(500, 9000)),
        "MentionDocTone": f"{rng.uniform(-9, 6):.12f}",
    }
    if edition == "translingual":
        cells["MentionDocTranslationInfo"] = "srclc:deu;eng:GT-DEU 1.0"
    rule = world.flaw("news_mentions", f"{number}:{slot:%Y%m%d%H%M%S}:{place}")
    wrong = {"percent": {"Confidence": "150"}, "sentence_positive": {"SentenceID": "0"}}
    cells |= wrong.get(rule or "", {})
    return Line(cells, identify_mention(cells)[0], rule)


def _articles(world: World, edition: str, slot: datetime) -> list[Post]:
    """Articles that were published in the two hours before the slot, in English or in any other language."""
    days = {slot.date(), (slot - timedelta(hours=2)).date()}
    shown = [post for day in sorted(days) for post in world.posts("gdelt", day)]
    read = [post for post in shown if (post.language == "en") == (edition == "english") and not post.flaw]
    return [post for post in read if slot - timedelta(hours=2) <= post.shown_at < slot]


def annotations(world: World, edition: str, slot: datetime) -> Iterator[Line]:
    """What GDELT found in the newest articles, and in one that it knows from a citation alone."""
    letter = "T" if edition == "translingual" else ""
    for number, post in enumerate([*_articles(world, edition, slot), None]):
        key = f"{_stamp(slot)}-{letter}{number}"
        rng = world.rng("gdelt-annotation", key)
        positive, negative = rng.uniform(0, 8), rng.uniform(0, 8)
        topic = post.topic if post else "news"
        place = rng.choice(world.places)
        country = FIPS[place.country]
        cells = {
            "GKGRECORDID": key,
            "V2.1DATE": _stamp(slot),
            "V2SOURCECOLLECTIONIDENTIFIER": "1" if post else "2",
            "V2SOURCECOMMONNAME": f"{post.channel}.example" if post else "Wire Monitoring",
            "V2DOCUMENTIDENTIFIER": post.url if post else f"as told by a wire service, number {number}",
            "V1THEMES": "".join(f"{theme};" for theme in THEMES[topic]),
            "V1LOCATIONS": f"4#{place.name}, {COUNTRIES[place.country]}#{country}#{country}01#"
            f"{place.lat}#{place.lon}#-1",
            "V1PERSONS": ";".join(rng.sample(PEOPLE, rng.randrange(3))),
            "V1ORGANIZATIONS": ";".join(rng.sample(ORGANISATIONS, rng.randrange(3))),
            "V1.5TONE": f"{positive - negative:.12f},{positive:.12f},{negative:.12f},"
            f"{positive + negative:.12f},{rng.uniform(15, 25):.12f},{rng.uniform(0, 2):.12f},{rng.randint(80, 2000)}",
            "V2GCAM": f"wc:{rng.randint(80, 2000)},c1.1:1",
        }
        if post:
            title = html.escape(post.title or "").encode("ascii", "xmlcharrefreplace").decode()
            cells["V2EXTRASXML"] = f"<PAGE_TITLE>{title}</PAGE_TITLE>"
            cells["V2.1SHARINGIMAGE"] = f"https://{post.channel}.example/images/{post.key}.jpg"
        if post and post.language in SOURCE_LANGUAGES:
            code = SOURCE_LANGUAGES[post.language]
            cells["V2.1TRANSLATIONINFO"] = f"srclc:{code};eng:GT-{code.upper()} 1.0"
        record_id = f"gdelt:gkg:{key}"
        rule = world.flaw("news_annotations", record_id)
        if rule in ("tone_in_range", "percent"):
            first, second, rest = cells["V1.5TONE"].split(",", 2)
            cells["V1.5TONE"] = f"-140.5,{second},{rest}" if rule == "tone_in_range" else f"{first},131.5,{rest}"
        yield Line(cells, record_id, rule)
