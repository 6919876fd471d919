"""Recordings are read as they were made, from folders that are whole."""

import json
from pathlib import Path

import pytest

from pipeline_platform.sandbox.recordings import RecordingsError, load

RECORDED = Path(__file__).parents[2] / "../shared/recordings"


def folder_with(folder: Path, rows: list[dict], files: dict[str, str]) -> Path:
    (folder / "INDEX.json").write_text(json.dumps(rows))
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    return folder


def row(file: str, kind: str, **more: object) -> dict:
    return {"file": file, "endpoint": "/weather", "special": None, "kind": kind, "status": None, "records": None} | {
        "source": "openweathermap",
        **more,
    }


def test_a_cassette_gives_the_recorded_answer(tmp_path: Path):
    taped = {
        "request": {"method": "GET", "url": "https://api.example/weather?q=Bonn", "headers": {}, "body": None},
        "status": 404,
        "headers": {"Content-Type": "application/json", "Content-Length": "999", "X-Cache": ["a", "b"]},
        "body": {"cod": "404", "message": "Straße not found"},
    }
    rows = [row("openweathermap/1.json", "cassette"), row("reddit/2.json", "raw", source="reddit")]
    (found,) = load(folder_with(tmp_path, rows, {"openweathermap/1.json": json.dumps(taped)}), "openweather")
    assert (found.status, found.url, found.method) == (404, "https://api.example/weather?q=Bonn", "GET")
    assert found.headers == {"content-type": "application/json", "x-cache": "a, b"}
    assert json.loads(found.body) == taped["body"]


@pytest.mark.parametrize(("body", "read"), [(None, b""), ("plain \u00e4", "plain ä".encode()), ([1, 2.5], b"[1,2.5]")])
def test_bodies_of_every_form(tmp_path: Path, body: object, read: bytes):
    taped = {"request": None, "status": 200, "headers": None, "body": body}
    files = {"openweathermap/1.json": json.dumps(taped)}
    (found,) = load(folder_with(tmp_path, [row("openweathermap/1.json", "quoted")], files), "openweather")
    assert (found.body, found.headers, found.url) == (read, {}, "")


def test_a_raw_file_is_the_body(tmp_path: Path):
    files = {"openweathermap/1.json": "{not json"}
    (found,) = load(folder_with(tmp_path, [row("openweathermap/1.json", "raw")], files), "openweather")
    assert (found.status, found.body) == (200, b"{not json")


def test_a_folder_without_index_is_refused(tmp_path: Path):
    with pytest.raises(RecordingsError, match=r"no INDEX.json; give the folder"):
        load(tmp_path, "reddit")


def test_a_missing_file_is_named(tmp_path: Path):
    folder = folder_with(tmp_path, [row("openweathermap/gone.json", "raw")], {})
    with pytest.raises(RecordingsError, match=r"recordings of openweather .*gone\.json"):
        load(folder, "openweather")


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recordings are not beside the repository")
@pytest.mark.parametrize("source", ["reddit", "rss", "github", "coingecko", "openweather", "newsapi"])
def test_every_real_recording_is_read(source: str):
    index = json.loads((RECORDED / "INDEX.json").read_text())
    folder = {"openweather": "openweathermap"}.get(source, source)
    found = load(RECORDED, source)
    assert [recording.file for recording in found] == [entry["file"] for entry in index if entry["source"] == folder]
    assert len(found) >= 50
    assert all(100 <= recording.status < 600 for recording in found)
    assert all(recording.url for recording in found if recording.kind == "cassette")
