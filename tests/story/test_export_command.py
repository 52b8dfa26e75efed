"""`strongroom export` and the client's `export`, against the service over a socket."""

import json
import os
import stat
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pyrage
import pytest
import pytest_asyncio
from strongroom import AsyncStrongroom, Misused, NotAllowed, Strongroom

from tests.fakes.copies import seal, staff
from tests.plugins.process import Served
from tests.plugins.world import World
from vault.cli.main import main

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("service", ["sqlite"], indirect=True),
]
PASSPHRASE = "correct horse battery staple"
WHO = ("STRONGROOM_URL", "STRONGROOM_CLIENT_ID", "STRONGROOM_CLIENT_SECRET")
_numbers = count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(service: World, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """All planes in one process, and somebody who makes copies."""
    await staff(service)
    async with Served(service.environment(), tmp_path_factory.mktemp("served") / "log") as running:
        yield running


@pytest.fixture
def run(service: World, served: Served, monkeypatch, capfdbinary):
    """Runs a command as whoever makes copies; answers (status, output, errors)."""
    for name in [one for one in os.environ if one.startswith("STRONGROOM_")]:
        monkeypatch.delenv(name)
    for name, value in zip(WHO, (served.url, "acme.copier", service.secrets["acme.copier"]), strict=True):
        monkeypatch.setenv(name, value)

    def command(*arguments: str) -> tuple[int, bytes, str]:
        with pytest.raises(SystemExit) as end:
            main(["export", *arguments, "--reference", "request-118"])
        out, err = capfdbinary.readouterr()
        return int(end.value.code or 0), out, err.decode()

    return command


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """A file with the passphrase, its owner's alone."""
    file = tmp_path / "words.txt"
    file.write_text(PASSPHRASE + "\n")
    file.chmod(0o600)
    return file


@pytest_asyncio.fixture(loop_scope="module")
async def somebody(service: World) -> tuple[str, str]:
    """A subject and its name."""
    subject, name = f"asked-{next(_numbers)}", service.canary()
    await seal(service, subject, ("person_name", name))
    return subject, name


async def test_the_command_writes_a_copy_for_its_owner_alone(run, somebody, tmp_path):
    """Mode 0600, complete; a file that is there is not touched, and nothing was opened for it."""
    subject, name = somebody
    out = tmp_path / "copy.html"
    status, said, err = run(subject, "--html", "--out", str(out))
    assert (status, said) == (0, b""), err
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert name in out.read_text("utf-8")
    before = out.read_bytes()
    status, _, err = run(subject, "--out", str(out))
    assert (status, out.read_bytes()) == (1, before)
    assert "exists already" in err
    assert name not in err


async def test_the_command_prints_json_for_programs(run, somebody):
    """Without --out the document goes to standard output, and only the document."""
    subject, name = somebody
    status, out, _ = run(subject)
    assert status == 0
    assert [one["value"] for one in json.loads(out)["records"]] == [name]


async def test_the_command_encrypts_to_the_words_of_a_file(run, somebody, words, tmp_path):
    """The passphrase comes from a file that is its owner's alone, and stands in no message."""
    subject, name = somebody
    out = tmp_path / "copy.age"
    status, _, err = run(subject, "--passphrase-file", str(words), "--out", str(out))
    assert status == 0, err
    assert name in pyrage.passphrase.decrypt(out.read_bytes(), PASSPHRASE).decode()
    words.chmod(0o644)
    status, _, err = run(subject, "--passphrase-file", str(words), "--out", str(tmp_path / "other.age"))
    assert status == 2
    assert "chmod 600" in err
    assert PASSPHRASE not in err


async def test_the_client_takes_a_copy(service: World, served: Served, somebody, tmp_path):
    """As data, and as a page in a file of its owner's; what is in it does not print."""
    subject, name = somebody
    async with AsyncStrongroom(served.url, "acme.copier", service.secrets["acme.copier"]) as vault:
        copy = await vault.export(subject, reference="request-118")
        assert [one["value"] for one in copy.document()["records"]] == [name]
        assert copy.document()["receipt"] == copy.receipt
        assert name not in repr(copy)
        page = await vault.export(subject, reference="request-118", html=True)
        page.save(tmp_path / "copy.html")
        assert stat.S_IMODE((tmp_path / "copy.html").stat().st_mode) == 0o600
        with pytest.raises(FileExistsError):
            page.save(tmp_path / "copy.html")
        with pytest.raises(Misused):
            page.document()
    with (
        Strongroom(served.url, "acme.payer", service.secrets["acme.payer"]) as other,
        pytest.raises(NotAllowed),
    ):
        other.export(subject, reference="request-118")


async def test_the_client_waits_for_an_encrypted_copy(service: World, served: Served, somebody):
    """Encrypting takes longer than other calls may: the client's limits do not cut it off."""
    subject, name = somebody
    secret = service.secrets["acme.copier"]
    async with AsyncStrongroom(served.url, "acme.copier", secret, timeout=2.0, deadline=2.0) as vault:
        copy = await vault.export(subject, reference="request-118", passphrase=PASSPHRASE)
    assert copy.media == "application/age"
    assert name in pyrage.passphrase.decrypt(copy.content, PASSPHRASE).decode()


async def test_values_are_nowhere_but_in_the_answers(service: World):
    """Every promise still holds, and no file of the service has a value in it."""
    await service.recheck()
