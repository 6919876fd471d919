"""The 15-minute files of GDELT 2: which there are, how one is fetched and unpacked, and its lines as payloads.

Format: "GDELT Event Codebook V2.0" and "GDELT Global Knowledge Graph Codebook V2.1" (https://www.gdeltproject.org/data.html).
A file is a zip with one member, TAB separated, without header and without quoting. The publisher's MD5 is checked for
the newest file alone: the list that has all of them weighs more than a day of files, and the CRC-32 inside of a zip
already tells a body that was damaged on its way.
"""

import hashlib
import io
import logging
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from pipeline_platform.sources.base import Fetch, Page, Record, Window
from pipeline_platform.sources.errors import Malformed, Permanent

if TYPE_CHECKING:
    from pipeline_platform.sources.client import Response

log = logging.getLogger(__name__)

Identify = Callable[[Any], tuple[str, datetime | None]]

SLOTS_A_DAY = 96
MOST_UNPACKED_BYTES = 256 * 1024 * 1024
"""A file of themes, the largest, unpacks to about 30 MB."""
SURELY_PUBLISHED = timedelta(hours=1)
"""A file is there some minutes after its slot; what is older than this need not be looked up in the list."""
_SECOND = timedelta(seconds=1)
ACCEPT_ZIP = "application/zip, application/octet-stream, */*;q=0.5"
ACCEPT_TEXT = "text/plain, */*;q=0.5"

EDITIONS = {"english": "", "translingual": ".translation"}
"""Edition -> what its file names have after the slot. Translingual: articles in 65 languages, read in translation."""
LISTS = {"english": "lastupdate.txt", "translingual": "lastupdate-translation.txt"}


def _actor(number: int) -> tuple[str, ...]:
    parts = (
        "Code", "Name", "CountryCode", "KnownGroupCode", "EthnicCode", "Religion1Code", "Religion2Code", "Type1Code",
        "Type2Code", "Type3Code",
    )  # fmt: skip
    return tuple(f"Actor{number}{part}" for part in parts)


def _geo(whose: str) -> tuple[str, ...]:
    parts = ("Type", "FullName", "CountryCode", "ADM1Code", "ADM2Code", "Lat", "Long", "FeatureID")
    return tuple(f"{whose}Geo_{part}" for part in parts)


@dataclass(frozen=True, slots=True)
class FileKind:
    """One of the files of a slot: how its name ends, and its columns in order."""

    ending: str
    columns: tuple[str, ...]

    def name(self, slot: datetime, edition: str) -> str:
        """Name of the file of a slot, `20261122101500.translation.export.CSV.zip`."""
        return f"{slot:%Y%m%d%H%M%S}{EDITIONS[edition]}.{self.ending}"


EXPORT = FileKind(
    "export.CSV.zip",
    (
        "GLOBALEVENTID", "SQLDATE", "MonthYear", "Year", "FractionDate", *_actor(1), *_actor(2), "IsRootEvent",
        "EventCode", "EventBaseCode", "EventRootCode", "QuadClass", "GoldsteinScale", "NumMentions", "NumSources",
        "NumArticles", "AvgTone", *_geo("Actor1"), *_geo("Actor2"), *_geo("Action"), "DATEADDED", "SOURCEURL",
    ),
)  # fmt: skip
MENTIONS = FileKind(
    "mentions.CSV.zip",
    (
        "GLOBALEVENTID", "EventTimeDate", "MentionTimeDate", "MentionType", "MentionSourceName", "MentionIdentifier",
        "SentenceID", "Actor1CharOffset", "Actor2CharOffset", "ActionCharOffset", "InRawText", "Confidence",
        "MentionDocLen", "MentionDocTone", "MentionDocTranslationInfo", "Extras",
    ),
)  # fmt: skip
GKG = FileKind(
    "gkg.csv.zip",
    (
        "GKGRECORDID", "V2.1DATE", "V2SOURCECOLLECTIONIDENTIFIER", "V2SOURCECOMMONNAME", "V2DOCUMENTIDENTIFIER",
        "V1COUNTS", "V2.1COUNTS", "V1THEMES", "V2ENHANCEDTHEMES", "V1LOCATIONS", "V2ENHANCEDLOCATIONS", "V1PERSONS",
        "V2ENHANCEDPERSONS", "V1ORGANIZATIONS", "V2ENHANCEDORGANIZATIONS", "V1.5TONE", "V2.1ENHANCEDDATES", "V2GCAM",
        "V2.1SHARINGIMAGE", "V2.1RELATEDIMAGES", "V2.1SOCIALIMAGEEMBEDS", "V2.1SOCIALVIDEOEMBEDS", "V2.1QUOTATIONS",
        "V2.1ALLNAMES", "V2.1AMOUNTS", "V2.1TRANSLATIONINFO", "V2EXTRASXML",
    ),
)  # fmt: skip
KINDS = (EXPORT, MENTIONS, GKG)


def slots(window: Window, now: datetime, per_day: int) -> list[datetime]:
    """The slots of `window` until `now` that are fetched: `per_day` of every UTC day, evenly spread from midnight."""
    step = timedelta(days=1) / per_day
    slot = datetime.combine(window.start.astimezone(UTC), time(), UTC)
    found = []
    while slot < window.end and slot <= now:
        if slot >= window.start:
            found.append(slot)
        slot += step
    return found


def most_files(fetch: Fetch[Any]) -> int:
    """How many files a window has, at most; a file that is named is one, whatever the window."""
    return max(1, len(slots(fetch.window, fetch.now, fetch.settings.files_per_day)))


def fetch_files(fetch: Fetch[Any], target: str, kind: FileKind, identify: Identify) -> Iterator[Page]:
    """A page per file, of an edition, or of the one file that `target` names.

    A slot of which the newest list says that it is not published yet is not asked for. A published slot whose file
    does not exist was skipped by GDELT, which happens; it is named in the log. Where no file exists, the list has to,
    or the address is wrong.

    Raises:
        Permanent: the files are not where they should be.
        Malformed: a file cannot be unpacked, or is not the one that the list describes.
    """
    if target not in EDITIONS:
        yield _page(fetch, target, kind, identify, {})
        return
    wanted = slots(fetch.window, fetch.now, fetch.settings.files_per_day)
    digests: Mapping[str, str] = {}
    if wanted and fetch.now - wanted[-1] < SURELY_PUBLISHED:
        newest, digests = _last_update(fetch, target)
        wanted = [slot for slot in wanted if slot <= newest]
    missing: list[str] = []
    for slot in wanted:
        name = kind.name(slot, target)
        try:
            page = _page(fetch, name, kind, identify, digests, Window(slot + _SECOND, fetch.window.end))
        except Permanent as error:
            if error.status != 404:
                raise
            missing.append(name)
        else:
            yield page
    if missing and len(missing) == len(wanted) and not digests:
        _last_update(fetch, target)
    if missing:
        log.warning("GDELT has no %s; the other %d files were read", ", ".join(missing), len(wanted) - len(missing))


def _address(fetch: Fetch[Any], name: str) -> str:
    return f"{fetch.settings.files_url.rstrip('/')}/{name}"


def _last_update(fetch: Fetch[Any], edition: str) -> tuple[datetime, Mapping[str, str]]:
    """The newest slot that is published, and the MD5 of its files by name."""
    response = fetch.client.get(_address(fetch, LISTS[edition]), headers={"Accept": ACCEPT_TEXT})
    digests = read_list(response.text)
    return datetime.strptime(min(digests)[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC), digests


def read_list(text: str) -> dict[str, str]:
    """Name of a file to its MD5, from lines `<bytes> <md5> <address>`, one per kind of file.

    Raises:
        Malformed: it is no such list, or not whole.
    """
    lines = re.findall(r"^\d+ ([0-9a-f]{32}) \S+/(\d{14}(?:\.translation)?\.\S+)\s*$", text, re.MULTILINE)
    digests = {name: digest for digest, name in lines}
    endings = [kind for kind in KINDS if any(name.endswith(kind.ending) for name in digests)]
    if len(endings) < len(KINDS):
        raise Malformed("the list of the newest files of GDELT does not name all three of them")
    return digests


def _page(
    fetch: Fetch[Any],
    name: str,
    kind: FileKind,
    identify: Identify,
    digests: Mapping[str, str],
    left: Window | None = None,
) -> Page:
    response = fetch.client.get(_address(fetch, name), headers={"Accept": ACCEPT_ZIP})
    digest = digests.get(name)
    if digest and hashlib.md5(response.content, usedforsecurity=False).hexdigest() != digest:
        raise Malformed(f"{response.url} has another MD5 than GDELT's list says")
    payloads = read_lines(unpack(response), name, kind)
    return Page.of(response, [_record(payload, identify) for payload in payloads], left)


def _record(payload: dict[str, Any], identify: Identify) -> Record:
    try:
        return Record(*identify(payload), payload)
    except (KeyError, TypeError, ValueError):
        return Record(None, None, payload)


def checked(response: "Response") -> zipfile.ZipInfo:
    """The only member of a zip, from its directory, which stands at the end: a body that was cut off has none.

    Raises:
        Malformed: the body is no zip, does not hold exactly one member, or one that unpacks to too much.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, struct.error) as error:
        raise Malformed(f"{response.url} is no zip file: {error}") from None
    if len(members) != 1:
        raise Malformed(f"{response.url} holds {len(members)} files instead of one")
    if members[0].file_size > MOST_UNPACKED_BYTES:
        raise Malformed(f"{response.url} would unpack to {members[0].file_size} bytes, over {MOST_UNPACKED_BYTES}")
    return members[0]


def unpack(response: "Response") -> str:
    """The text of a zipped file, broken UTF-8 replaced by U+FFFD.

    No more is unpacked than the directory of the zip says, and that is limited; the CRC-32 is checked.

    Raises:
        Malformed: as `checked`, or the content is damaged.
    """
    member = checked(response)
    try:
        with zipfile.ZipFile(io.BytesIO(response.content)) as archive, archive.open(member) as file:
            return file.read(MOST_UNPACKED_BYTES).decode("utf-8", errors="replace")
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        raise Malformed(f"{response.url} cannot be unpacked: {error}") from None


def read_lines(text: str, name: str, kind: FileKind) -> Iterator[dict[str, Any]]:
    """Per line the columns that are not empty, by GDELT's names; of a line with another number of columns itself.

    Args:
        text: the unpacked file.
        name: of the file; with the number of the line it names a broken one.
        kind: gives the columns.
    """
    # Not splitlines(): titles hold other characters that it takes for the end of a line.
    for number, ended in enumerate(text.split("\n"), start=1):
        line = ended.removesuffix("\r")
        if not line:
            continue
        cells: Sequence[str] = line.split("\t")
        if len(cells) == len(kind.columns):
            yield {column: cell for column, cell in zip(kind.columns, cells, strict=True) if cell}
        else:
            yield {"file": name, "line": number, "columns": len(cells), "content": line}
