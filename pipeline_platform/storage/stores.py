"""Everything the platform keeps things in, opened from the settings when first needed."""

import os
import secrets
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import redis
from pydantic import SecretStr

from pipeline_platform.settings import Settings, SettingsError
from pipeline_platform.storage.lake import Lake
from pipeline_platform.storage.object_store import S3Access
from pipeline_platform.storage.servers import sqlalchemy_url
from pipeline_platform.storage.warehouse import Warehouse


def s3_access(settings: Settings) -> S3Access:
    """Access to the object store of the lake."""
    key_id, secret = settings.s3_access_key_id, settings.s3_secret_access_key
    return S3Access(
        endpoint=settings.s3_endpoint_url,
        region=settings.s3_region,
        key_id=key_id.get_secret_value() if key_id else None,
        secret=secret.get_secret_value() if secret else None,
    )


def open_lake(settings: Settings) -> Lake:
    """The lake of `settings`.

    Raises:
        LakeError: it holds data of the other mode, or its object store cannot be used.
    """
    return Lake(settings.lake_location, mode=settings.mode, access=s3_access(settings))


def has_lake(settings: Settings) -> bool:
    """Whether there is a lake of this mode. To open one founds it, which a look must not.

    Raises:
        LakeError: its object store cannot be used.
    """
    return Lake.mode_at(settings.lake_location, s3_access(settings)) == settings.mode


class Stores:
    """Lake, warehouse and Redis of `settings`; each is opened on first use.

    Raises (on use):
        SettingsError: no server is named; `pipeline-platform` starts embedded ones and names them.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def lake(self) -> Lake:
        """The Delta tables."""
        return open_lake(self.settings)

    @cached_property
    def warehouse(self) -> Warehouse:
        """PostgreSQL."""
        if self.settings.postgres_url is None:
            raise SettingsError(
                "PIPELINE_POSTGRES_URL is not set: start Dagster with `pipeline-platform run` or "
                "`pipeline-platform up`, which start a PostgreSQL of their own, or name a server"
            )
        return Warehouse(sqlalchemy_url(self.settings.postgres_url.get_secret_value()))

    @cached_property
    def redis(self) -> redis.Redis:
        """Budgets, breakers and locks, shared by every process."""
        if self.settings.redis_url is None:
            raise SettingsError(
                "PIPELINE_REDIS_URL is not set: start Dagster with `pipeline-platform run` or "
                "`pipeline-platform up`, which start a Redis of their own, or name a server"
            )
        return redis.Redis.from_url(self.settings.redis_url.get_secret_value())

    @property
    def http_cache(self) -> Path:
        """Folder of the bodies kept for conditional requests."""
        folder = self.settings.home.absolute() / "http-cache"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @cached_property
    def pseudonym_key(self) -> bytes:
        """Key of the author pseudonyms: the setting, or one made once and kept in `$PIPELINE_HOME`."""
        return self._key(self.settings.pseudonym_key, "pseudonym.key")

    @cached_property
    def api_key(self) -> bytes:
        """Key of the API: the setting, or one made once and kept in `$PIPELINE_HOME`."""
        return self._key(self.settings.api_key, "api.key")

    def _key(self, given: SecretStr | None, file: str) -> bytes:
        if given is not None:
            return given.get_secret_value().encode()
        path = self.settings.home.absolute() / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            # Made whole under another name first: nobody may read half a key, nor make a second one.
            draft = path.with_name(f"{file}.{os.getpid()}.{secrets.token_hex(4)}")
            draft.touch(0o600)
            draft.write_text(secrets.token_hex(32), encoding="ascii")
            with suppress(FileExistsError):
                os.link(draft, path)
            draft.unlink()
        return path.read_bytes()
