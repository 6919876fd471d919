"""The health page at `/` for people, and `/healthz` for load balancers and probes."""

import logging
from collections.abc import Callable

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, JSONResponse
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from pipeline_platform.serve.health_facts import health_facts
from pipeline_platform.serve.health_view import page, unknown
from pipeline_platform.storage.stores import Stores

log = logging.getLogger(__name__)

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


def router(stores: Stores) -> APIRouter:
    """The route over `stores`."""
    routes = APIRouter(tags=["observability"])

    @routes.get("/", response_class=HTMLResponse, summary="The health page.")
    def health() -> HTMLResponse:
        try:
            return HTMLResponse(page(health_facts(stores)), headers=HEADERS)
        except SQLAlchemyError as error:
            log.critical("PostgreSQL does not answer: %s", type(error).__name__)
            return HTMLResponse(unknown("PostgreSQL does not answer, so nothing can be told."), 503, headers=HEADERS)

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
