"""The lake on an object store: a real S3 protocol over HTTP, spoken by moto."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import boto3
import httpx
import orjson
import pytest
from moto.server import ThreadedMotoServer

from pipeline_platform.schemas.catalog import tables
from pipeline_platform.settings import Settings
from pipeline_platform.storage.lake import Lake, LakeError
from pipeline_platform.storage.object_store import S3Access
from pipeline_platform.storage.stores import has_lake, open_lake, s3_access
from pipeline_platform_tests.conftest import run_command
from pipeline_platform_tests.storage.conftest import DAY, NEXT, RAW, VISITS, raw_frame, record, visits

KEY = "a-key-id"
SECRET = "a-secret-that-nobody-sees"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """URL of an empty object store."""
    started = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    started.start()
    host, port = started.get_host_and_port()
    yield f"http://{host}:{port}"
    started.stop()


@pytest.fixture
def access(server: str) -> S3Access:
    """Access to a bucket `town`, with nothing in it."""
    httpx.post(f"{server}/moto-api/reset").raise_for_status()
    given = S3Access(endpoint=server, region="us-east-1", key_id=KEY, secret=SECRET)
    client = boto3.client(
        "s3", endpoint_url=server, region_name="us-east-1", aws_access_key_id=KEY, aws_secret_access_key=SECRET
    )
    client.create_bucket(Bucket="town")
    return given


@pytest.fixture
def lake(access: S3Access) -> Lake:
    return Lake("s3://town/lake", mode="demo", access=access)


def test_it_keeps_tables_as_a_disk_does(lake: Lake, access: S3Access) -> None:
    assert lake.merge(RAW, raw_frame(record(1), record(2, NEXT))).inserted == 2
    assert lake.merge(RAW, raw_frame(record(1), record(2, NEXT, text="rain", fetched=1))).updated == 1
    assert lake.replace(VISITS, visits(("port", 3, DAY)), DAY, DAY)
    assert not lake.replace(VISITS, visits(("port", 3, DAY)), DAY, DAY), "it is so already"

    again = Lake("s3://town/lake", mode="demo", access=access)
    assert sorted(again.read(RAW)["payload_hash"]) == ["fair", "rain"]
    assert again.read(VISITS, DAY, DAY)["visits"].tolist() == [3]
    with pytest.raises(LakeError, match="holds demo data"):
        Lake("s3://town/lake", mode="live", access=access)


def test_a_look_with_the_credentials_of_the_settings_founds_nothing(access: S3Access, server: str) -> None:
    settings = Settings(
        lake_url="s3://town/lake", s3_endpoint_url=server, s3_region="us-east-1", s3_access_key_id=KEY,
        s3_secret_access_key=SECRET, _env_file=None,
    )  # fmt: skip
    assert not has_lake(settings)
    assert not has_lake(settings)
    open_lake(settings)
    assert has_lake(settings)


def test_writers_that_meet_lose_nothing(lake: Lake, access: S3Access) -> None:
    """A commit is a conditional put: of two that want the same version one has to look again."""
    days = [DAY + timedelta(days=number) for number in range(6)]

    def write(day: date) -> None:
        own = Lake("s3://town/lake", mode="demo", access=access)
        own.replace(VISITS, visits(("port", day.day, day)), day, day)
        own.merge(RAW, raw_frame(record(0, text=f"of {day}", fetched=day.day), record(day.day, day)))

    with ThreadPoolExecutor(len(days)) as pool:
        list(pool.map(write, days))
    assert sorted(lake.read(VISITS)["event_date"]) == days
    raw = lake.read(RAW)
    assert sorted(raw["record_id"]) == sorted(["town:0", *(f"town:{day.day}" for day in days)])
    assert raw.set_index("record_id")["payload_hash"]["town:0"] == f"of {days[-1]}"


def test_what_is_wrong_is_said_with_what_to_do(access: S3Access, server: str) -> None:
    with pytest.raises(LakeError, match="there is no bucket 'nowhere': create it"):
        Lake("s3://nowhere/lake", mode="demo", access=access)
    with pytest.raises(LakeError, match=r"nothing answers at http://127\.0\.0\.1:9: start it"):
        Lake("s3://town/lake", mode="demo", access=replace(access, endpoint="http://127.0.0.1:9"))
    httpx.post(f"{server}/moto-api/reset-auth", content="0").raise_for_status()
    try:
        with pytest.raises(LakeError, match="PIPELINE_S3_ACCESS_KEY_ID") as refused:
            Lake("s3://town/lake", mode="demo", access=access)
        assert SECRET not in str(refused.value)
    finally:
        httpx.post(f"{server}/moto-api/reset-auth", content="Infinity")


def test_settings_and_the_variables_of_aws_both_give_credentials(
    access: S3Access, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = Settings(
        lake_url="s3://town/lake",
        s3_endpoint_url=server,
        s3_region="us-east-1",
        s3_access_key_id=KEY,
        s3_secret_access_key=SECRET,
        _env_file=None,
    )
    assert s3_access(named) == access
    assert SECRET not in f"{access}{named}"
    open_lake(named).replace(VISITS, visits(("port", 3, DAY)), DAY, DAY)

    for name, value in {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": server,
        "AWS_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)
    found = open_lake(Settings(lake_url="s3://town/lake", _env_file=None))
    assert found.read(VISITS)["visits"].tolist() == [3]


def test_the_main_job_runs_on_it(access: S3Access, server: str, tmp_path: Path) -> None:
    lake = {
        "PIPELINE_LAKE_URL": "s3://town/of/ours",
        "PIPELINE_S3_ENDPOINT_URL": server,
        "PIPELINE_S3_ACCESS_KEY_ID": KEY,
        "PIPELINE_S3_SECRET_ACCESS_KEY": SECRET,
    }
    job = ("run", "--json", "--source", "coingecko", "--select", 'key:"raw/coingecko_prices"+2')
    first = run_command(tmp_path / "home", *job, **lake)
    assert first.returncode == 0, first.stderr[-2000:]
    rows = orjson.loads(first.stdout)["rows"]
    assert rows["raw/coingecko_prices"] > 0
    held = Lake("s3://town/of/ours", mode="demo", access=access)
    assert len(held.read(tables()["deduplicated/market_bars"])) == rows["deduplicated/market_bars"] > 0
    assert not (tmp_path / "home" / "lake").exists()
    assert SECRET not in first.stdout + first.stderr

    again = run_command(tmp_path / "home", "export", "market_bars", "--format", "csv", **lake)
    assert again.returncode == 0, again.stderr[-2000:]
    assert len(again.stdout.splitlines()) == rows["deduplicated/market_bars"] + 1
