"""`strongroom provision-db` against a real PostgreSQL: run once, twice, and with what it must refuse."""

import asyncio
import stat

import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from tests.plugins.postgres import Pair, Postgres
from tests.plugins.service import PASSWORDS
from vault.cli.failures import CommandError
from vault.cli.provision_db import kept_passwords, provision_db


@pytest.fixture
def pair(postgres: Postgres, monkeypatch: pytest.MonkeyPatch, tmp_path) -> Pair:
    """Fresh databases, named by the environment as for an operator."""
    made = asyncio.run(postgres.pair(tmp_path.name))
    for name, url in (("DATA", made.data), ("KEYSTORE", made.keystore)):
        monkeypatch.setenv(f"STRONGROOM_{name}_URL", url.render_as_string(hide_password=False))
    return made


def _log_in(postgres: Postgres, url, role: str, password: str) -> None:
    async def connect() -> None:
        engine = create_async_engine(postgres.url(str(url.database), user=role, password=password))
        try:
            async with engine.connect():
                pass
        finally:
            await engine.dispose()

    asyncio.run(connect())


def _given(folder, words: dict[str, str]) -> None:
    """Password files as an operator would write them: roles are shared by the server, and so are theirs."""
    for name in ("data", "keystore"):
        file = folder / f"{name}-passwords"
        file.write_text("".join(f"{role}={word}\n" for role, word in words.items()))
        file.chmod(0o600)


def test_roles_log_in_with_the_passwords_of_the_file(postgres: Postgres, pair: Pair, tmp_path, capsys):
    """After one run, and after a second, each role logs in with its password; none is printed."""
    _given(tmp_path, PASSWORDS)
    for _ in range(2):
        provision_db(tmp_path)
    _log_in(postgres, pair.data, "strongroom_reveal", PASSWORDS["strongroom_reveal"])
    _log_in(postgres, pair.keystore, "strongroom_operator", PASSWORDS["strongroom_operator"])
    with pytest.raises(DBAPIError):
        _log_in(postgres, pair.keystore, "strongroom_audit", PASSWORDS["strongroom_audit"])
    said = capsys.readouterr()
    assert "data: rights of 9 roles in force" in said.out
    assert not any(word in said.out + said.err for word in PASSWORDS.values())


def test_missing_passwords_are_made_and_kept_for_their_owner_alone(tmp_path):
    """What was there stays, what was missing is random, and the file is 0600."""
    file = tmp_path / "kept" / "data-passwords"
    first = kept_passwords(file, ["strongroom_ingest"])
    both = kept_passwords(file, ["strongroom_ingest", "strongroom_reveal"])
    assert both["strongroom_ingest"] == first["strongroom_ingest"]
    assert len(set(both.values())) == 2
    assert min(map(len, both.values())) >= 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert kept_passwords(file, list(both)) == both


def test_a_file_that_others_may_read_is_refused(tmp_path):
    """Passwords that others could have read are not put in force."""
    _given(tmp_path, PASSWORDS)
    (tmp_path / "data-passwords").chmod(0o640)
    with pytest.raises(CommandError, match="chmod 600"):
        kept_passwords(tmp_path / "data-passwords", ["strongroom_ingest"])


def test_a_line_that_is_none_is_named_and_not_repeated(tmp_path):
    """The refusal gives the line's number, never its text: it may be a password."""
    file = tmp_path / "data-passwords"
    file.write_text("strongroom_ingest=abcdefghijklmnopqrst\nhunter2hunter2hunter2\n")
    file.chmod(0o600)
    with pytest.raises(CommandError, match="line 2") as refusal:
        kept_passwords(file, ["strongroom_ingest"])
    assert "hunter2" not in str(refusal.value)


def test_sqlite_is_refused(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """Where there are no roles the command says so instead of pretending."""
    monkeypatch.setenv("STRONGROOM_DATA_URL", f"sqlite+aiosqlite:///{tmp_path / 'data.db'}")
    monkeypatch.delenv("STRONGROOM_KEYSTORE_URL", raising=False)
    with pytest.raises(CommandError, match="knows no roles"):
        provision_db(tmp_path)
