"""An operator's day at the command line: set up, found, look after, and notice that something is wrong."""

import asyncio
import json
import stat

import pytest
from sqlalchemy import select, update

from keys.policies import IDENTITIES, LENT
from vault.cli.main import main
from vault.store.schema import record


def run(capsys, *arguments):
    """Exit status and JSON of the real entry."""
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--json"])
    out, err = capsys.readouterr()
    return end.value.code or 0, json.loads(out or "{}"), out + err


@pytest.fixture
def told(monkeypatch):
    """Sets the environment of the commands that follow."""

    def tell(**settings):
        for name, value in settings.items():
            monkeypatch.setenv(f"STRONGROOM_{name.upper()}", str(value))

    return tell


def test_from_nothing_to_two_tenants(bao, tmp_path, told, monkeypatch, capsys):
    """Provisioning makes everything once, says so, writes secrets to 0600 files only, and repeats safely."""
    monkeypatch.setenv("VAULT_TOKEN", bao.root_token)
    ids, admin = tmp_path / "ids", tmp_path / "admin"
    for name in ("data", "keystore"):
        told(**{f"{name}_url": f"sqlite+aiosqlite:///{tmp_path}/{name}.db"})
    setup = ["provision", "--vault-addr", bao.addr, "--mount", "by_hand", "--out", str(ids)]
    found = ["--tenant", "acme", "--person", "Asha Rao", "--admin-file", str(admin)]
    assert run(capsys, *setup, *found)[0] == 2  # nobody is both administrators
    assert run(capsys, *setup, *found, "--second-person", "ASHA  RAO")[0] == 1
    found += ["--second-person", "Vikram Shah"]

    status, _, said = run(capsys, *setup, *found)
    assert status == 1
    assert "strongroom migrate" in said
    assert run(capsys, "migrate")[0] == 0
    status, report, said = run(capsys, *setup, *found)
    assert (status, report["created"]) == (0, [])
    assert report["tenant"]["administrator"] == "acme.admin"
    assert report["tenant"]["second_administrator"] == "acme.admin2"
    second = tmp_path / "admin2"
    assert second.read_text().startswith("acme.admin2:srs_")
    assert {path.stem for path in ids.iterdir()} == set(IDENTITIES) - set(LENT)
    client, _, secret = admin.read_text().strip().partition(":")
    assert client == "acme.admin"
    assert secret not in said
    assert bao.root_token not in said
    assert {stat.S_IMODE(path.stat().st_mode) for path in (admin, second, *ids.iterdir())} == {0o600}
    again = run(capsys, *setup, *found)[1]["tenant"]
    assert "nothing was changed" in again["state"]
    assert admin.read_text() == f"{client}:{secret}\n"

    told(vault_addr=bao.addr, vault_mount="by_hand", identities=ids)
    monkeypatch.delenv("VAULT_TOKEN")
    files = ["--secret-file", str(tmp_path / "g"), "--second-secret-file", str(tmp_path / "h")]
    made = run(capsys, "tenants", "create", "globex", "--person", "G", "--second-person", "H", *files)
    assert (made[0], made[1]["administrator"]) == (0, "globex.admin")
    added = run(
        capsys, "tenants", "administrator", "globex", "--person", "I", "--secret-file", str(tmp_path / "i")
    )
    assert (added[0], added[1]["administrator"]) == (0, "globex.admin3")
    assert (tmp_path / "i").read_text().startswith("globex.admin3:srs_")
    assert run(capsys, "tenants", "keys", "globex", "pan")[1]["created"] == ["key bidx-globex-pan"]
    assert run(capsys, "tenants", "keys", "globex", "pan")[1]["created"] == []
    listed = run(capsys, "tenants", "list")[1]["tenants"]
    assert [(one["tenant"], one["active_credentials"]) for one in listed] == [("acme", 2), ("globex", 3)]
    status, report, _ = run(capsys, "doctor")
    assert (status, report["ok"]) == (0, True)
    warned = {one["check"] for one in report["findings"] if one["state"] != "ok"}
    assert warned - {"swap"} == {"backup of acme", "backup of globex"}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_doctor_notices_a_swapped_record(kind, found_world, told, capsys):
    """Two sealed records exchanged in the database are found, and no value is opened to find them."""
    world = await found_world(kind)
    settings = world.settings
    told(data_url=settings.data_url, keystore_url=settings.keystore_url, vault_addr=settings.vault_addr)
    told(identities=settings.identities, **settings.plane_urls)
    tokens = await world.seal(2)
    report = (await asyncio.to_thread(run, capsys, "doctor"))[1]
    assert [one for one in report["findings"] if one["state"] == "bad"] == []

    async with world.owner.begin() as connection:
        sealed = dict((await connection.execute(select(record.c.token, record.c.sealed))).all())
        for token, other in (tokens, tokens[::-1]):
            await connection.execute(
                update(record).where(record.c.token == token).values(sealed=sealed[other])
            )
    status, report, _ = await asyncio.to_thread(run, capsys, "doctor")
    bad = {one["check"]: one["says"] for one in report["findings"] if one["state"] == "bad"}
    assert (status, set(bad)) == (1, {"sealed records of acme", "keys of records of acme"})
    assert all(tokens[0] in says for says in bad.values())
    assert await world.events(verb="detokenize") == []
    unwrapped = await world.events(verb="doctor")
    assert sorted(one["token"] for one in unwrapped) == sorted(tokens * 2)
    assert await asyncio.to_thread(run, capsys, "doctor", "--no-unwrap")
    assert len(await world.events(verb="doctor")) == 4


def test_doctor_without_its_key_server(tmp_path, told, capsys, identities):
    """With the key server away every check that needs it is red with its reason, and the others still run."""
    told(vault_addr="http://127.0.0.1:1", identities=identities)
    for name in ("data", "keystore"):
        told(**{f"{name}_url": f"sqlite+aiosqlite:///{tmp_path}/{name}.db"})
    status, report, _ = run(capsys, "doctor")
    states = {one["check"]: one["state"] for one in report["findings"]}
    assert status == 1
    assert states["key server"] == states["privileges"] == states["data database"] == "bad"
    assert states["identity ingest"] == states["core dumps"] == "ok"
    assert all(one["do"] or one["says"] for one in report["findings"])
