"""`/healthz` for load balancers and probes."""

import logging
from collections.abc import Callable

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from pipeline_platform.storage.stores import Stores

log = logging.getLogger(__name__)


def router(stores: Stores) -> APIRouter:
    """The route over `stores`."""
    routes = APIRouter(tags=["observability"])

    @routes.get("/healthz", summary="Whether PostgreSQL and Redis answer: 200, or 503 with the one that does not.")
    def healthz() -> JSONResponse:
        components = {"postgres": _answers(lambda: _ask(stores)), "redis": _answers(stores.redis.ping)}
        well = all(components.values())
        told = {name: "ok" if answers else "no answer" for name, answers in components.items()}
        return JSONResponse({"status": "ok" if well else "degraded", **told}, 200 if well else 503)

    return routes


def _ask(stores: Stores) -> None:
    with stores.warehouse.begin() as connection:
        connection.execute(text("select 1"))


def _answers(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except (SQLAlchemyError, RedisError) as error:
        log.critical("a server does not answer: %s", type(error).__name__)
        return False
    return True
