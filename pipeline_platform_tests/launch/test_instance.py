"""The instance of Dagster as it is shipped, in PostgreSQL."""

import sqlalchemy as sa

from pipeline_platform.launch.instance import command_instance, prepare_dagster_home
from pipeline_platform.storage.servers import sqlalchemy_url
from pipeline_platform.storage.stores import Stores

CUT_OFF = "select pg_terminate_backend(pid) from pg_stat_activity where pid != pg_backend_pid() and datname is not null"


def test_a_server_that_was_started_again_is_not_noticed(stores: Stores) -> None:
    prepare_dagster_home(stores.settings)
    assert stores.settings.postgres_url is not None
    engine = sa.create_engine(sqlalchemy_url(stores.settings.postgres_url.get_secret_value()))
    with command_instance(stores.settings.home) as instance:
        assert instance.get_runs_count() == 0
        with engine.connect() as connection:
            cut_off = connection.execute(sa.text(CUT_OFF)).all()
        assert cut_off
        assert instance.get_runs_count() == 0
    engine.dispose()
