"""How a service reaches PostgreSQL: over TLS with an authority of its own, and on whichever host takes writes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.certificates import Authority
from kit.postgres_tls import TlsFront
from kit.servers import PostgresServer, run_async
from visapi.admin.databases import accepts
from visapi.stack import postgres
from visapi.stack.ports import any_free
from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Pool, open_pool
from visapi_common.core.errors import TransientFault
from visapi_common.runtime.connections import check_postgres_url
from visapi_common.runtime.settings import SettingsError

PASSWORDS = postgres.new_passwords()


@pytest.fixture
def front(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[TlsFront]:
    """The server over TLS, for which the authority in `ours.pem` vouches."""
    ours = Authority("ours")
    (tmp_path / "ours.pem").write_text(ours.pem)
    (tmp_path / "theirs.pem").write_text(Authority("theirs").pem)
    opened = TlsFront(ours, tmp_path, postgres_server.server.port)
    yield opened
    opened.close()


async def test_the_authority_of_the_url_is_believed_and_no_other(
    front: TlsFront, postgres_server: PostgresServer, tmp_path: Path
):
    plain = postgres_server.server.url("postgres", "postgres")
    url = plain.replace(f":{postgres_server.server.port}/", f":{front.port}/")
    await asked(f"{url}?sslmode=verify-full&sslrootcert={tmp_path}/ours.pem")
    assert front.versions == ["TLSv1.3"]
    with pytest.raises(TransientFault, match="certificate verify failed"):
        await asked(f"{url}?sslmode=verify-full&sslrootcert={tmp_path}/theirs.pem")


async def test_a_server_without_tls_is_refused_where_it_was_asked_for(postgres_server: PostgresServer):
    with pytest.raises(TransientFault, match="SSL"):
        await asked(f"{postgres_server.server.url('postgres', 'postgres')}?sslmode=require")


async def asked(url: str) -> None:
    pool = await open_pool(url, size=1, application="t")
    try:
        with pg_faults():
            await pool.fetchval("select 1")
    finally:
        pool.terminate()


@pytest.fixture
def primary() -> Iterator[PostgresServer]:
    yield from started()


@pytest.fixture
def standby() -> Iterator[PostgresServer]:
    """A server that waits to be promoted."""
    for server in started():
        server.process.stop()
        (server.server.cluster / "standby.signal").touch()
        server.process.start()
        yield server


def started() -> Iterator[PostgresServer]:
    server = PostgresServer(passwords=PASSWORDS)
    try:
        server.start()
        yield server
    finally:
        server.close()


async def test_of_several_hosts_the_one_that_takes_writes_serves(
    primary: PostgresServer, standby: PostgresServer
):
    ports = (any_free(), standby.server.port, primary.server.port)
    places = ",".join(f"127.0.0.1:{port}" for port in ports)
    user = f"postgres:{PASSWORDS['postgres']}"
    pool = await open_pool(
        f"postgresql://{user}@{places}/postgres?target_session_attrs=read-write", size=2, application="t"
    )
    assert await writes_on(pool) == primary.server.port

    primary.kill()
    with pytest.raises(TransientFault):
        await writes_on(pool)
    promoter = await open_pool(standby.server.url("postgres", "postgres"), size=1, application="t")
    assert await promoter.fetchval("select pg_promote()")
    await promoter.close()
    assert await writes_on(pool) == standby.server.port
    await pool.close()


async def test_of_several_hosts_a_standby_is_passed_over_though_the_url_does_not_say_so(
    primary: PostgresServer, standby: PostgresServer
):
    places = f"127.0.0.1:{standby.server.port},127.0.0.1:{primary.server.port}"
    url = f"postgresql://postgres:{PASSWORDS['postgres']}@{places}/postgres"
    pool = await open_pool(url, size=1, application="t")
    assert await writes_on(pool) == primary.server.port
    await pool.close()


async def writes_on(pool: Pool) -> int:
    """The port of the server that took a write."""
    with pg_faults():
        await pool.execute("create table if not exists public.written (at timestamptz)")
        return int(await pool.fetchval("select current_setting('port')"))


def test_a_standby_alone_takes_no_session_that_must_write(standby: PostgresServer):
    url = standby.server.url("postgres", "postgres")
    assert run_async(accepts(url))
    assert not run_async(accepts(f"{url}?target_session_attrs=read-write"))


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("http://h/d", "it must begin with postgresql://"),
        ("postgresql://h/d", "it names no user; write postgresql://user@host/database"),
        ("postgresql://u@h", "it names no database; write postgresql://user@host/database"),
        ("postgresql://u:p@ss@h/d", "a password with an '@' must have it written as %40"),
        ("postgresql://u@h:0/d", "the port '0' is no number from 1 to 65535"),
        ("postgresql://u@h,/d", "it names no host in 'h,'"),
        ("postgresql://u:p@ss\uff0f@h/d", "it cannot be read; write special characters of the password as %XX"),
        ("postgresql://u:[p@ss@h/d", "it cannot be read; write special characters of the password as %XX"),
        ("postgresql://u@h/d?sslmode=verify-full", "sslmode=verify-full needs sslrootcert, the file of the authority to trust"),
        ("postgresql://u@h/d?sslmode=require&sslrootcert=/no/ca.pem", "sslrootcert cannot read /no/ca.pem: No such file or directory"),
    ],
)  # fmt: skip
def test_a_wrong_url_is_refused_before_anything_connects(url: str, line: str):
    with pytest.raises(SettingsError) as refused:
        check_postgres_url("postgres_url", url)
    assert str(refused.value).removeprefix("VISAPI_POSTGRES_URL is wrong: ") == line
    assert "p@ss" not in str(refused.value)


def test_an_unknown_parameter_and_a_wrong_choice_name_what_is_allowed():
    for query, allowed in (
        ("channel_binding=require", "known: sslmode, sslrootcert"),
        ("target_session_attrs=writer", "is unknown; allowed: any, primary, read-write"),
        *(
            (f"target_session_attrs={value}", "takes? no writes; allowed: any, primary, read-write")
            for value in ("standby", "prefer-standby", "read-only")
        ),
    ):
        with pytest.raises(SettingsError, match=allowed):
            check_postgres_url("postgres_url", f"postgresql://u@h/d?{query}")
