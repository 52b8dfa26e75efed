"""Claims about commands that need no service: policy files, migration, operator's token, core dumps."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vault.cli.checkup import machine
from vault.cli.failures import UsageFault
from vault.cli.main import main
from vault.cli.provision import read_token
from vault.model.grants import CLASSES
from vault.policy.load import DEFAULT, parse_toml

TEXT = DEFAULT.read_text()


def run(capsys, *arguments):
    """Exit status, output and errors of the real entry."""
    try:
        main(list(arguments))
    except SystemExit as end:
        return (end.code or 0, *capsys.readouterr())
    return (0, *capsys.readouterr())


def test_policy_check(capsys, tmp_path):
    """A good file is shown with its hash; a bad one is refused with the rule and the place."""
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text(TEXT)
    bad.write_text(
        TEXT.replace("[purposes.analytics]", '[purposes.analytics]\nopens = { payment = "plain" }')
    )
    status, out, _ = run(capsys, "policy", "check", str(good), "--json")
    assert (status, json.loads(out)["hash"]) == (0, parse_toml(TEXT).hash)
    status, out, err = run(capsys, "policy", "check", str(bad))
    assert (status, out) == (1, "")
    assert "class payment opens to the purpose payment and to no other" in err


def test_policy_shows_closed_classes(capsys):
    """A class that no purpose opens stands in the table as well: closed is told, not left out."""
    _, out, _ = run(capsys, "policy", "check", str(DEFAULT))
    assert set(CLASSES) <= set(out.splitlines()[0].split())


def test_policy_diff_of_two_files(capsys, tmp_path):
    """What changes between two files, and that it widens access, is told offline."""
    old, new = tmp_path / "old.toml", tmp_path / "new.toml"
    old.write_text(TEXT)
    new.write_text(TEXT.replace("searchable = []", 'searchable = ["pan"]'))
    _, out, _ = run(capsys, "policy", "diff", str(old), str(new), "--json")
    (change,) = json.loads(out)["changes"]
    assert change == {"effect": "widens", "where": "searchable pan", "before": "no", "after": "yes"}
    assert run(capsys, "policy", "diff", str(old), str(old))[1] == "no difference\n"


def test_migrate_twice(capsys, tmp_path, monkeypatch):
    """Migrating makes both databases, says so, and does no harm a second time; --check only looks."""
    for name in ("data", "keystore"):
        monkeypatch.setenv(f"STRONGROOM_{name.upper()}_URL", f"sqlite+aiosqlite:///{tmp_path}/{name}.db")
    assert run(capsys, "migrate", "--check")[0] == 1
    status, out, _ = run(capsys, "migrate", "--json")
    assert (status, set(json.loads(out))) == (0, {"data", "keystore"})
    assert "created" in out
    assert "already" in run(capsys, "migrate")[1]
    assert run(capsys, "migrate", "--check")[0] == 0


@pytest.mark.parametrize("url", ["nonsense", "mysql://x", "sqlite:///x"])
def test_a_database_url_of_no_use(capsys, monkeypatch, url):
    """A URL this service cannot use is a wrong setting, named, its value not repeated."""
    monkeypatch.setenv("STRONGROOM_DATA_URL", url)
    status, out, err = run(capsys, "migrate")
    assert status == 2
    assert "STRONGROOM_DATA_URL" in err
    assert url not in out + err


def test_the_service_does_not_start_on_an_old_schema(tmp_path):
    """`serve` on a database that was never migrated says what to do, before it listens."""
    settings = {
        "STRONGROOM_DATA_URL": f"sqlite+aiosqlite:///{tmp_path}/data.db",
        "STRONGROOM_VAULT_ADDR": "http://127.0.0.1:1",
        "STRONGROOM_IDENTITIES": str(tmp_path),
    }
    command = [sys.executable, "-P", "-m", "vault.cli", "serve", "--plane", "audit"]
    root = str(Path(__file__).parents[2])
    ended = subprocess.run(
        command,
        env={**os.environ, **settings, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "strongroom migrate" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_operators_token_from_file_or_environment(tmp_path, monkeypatch):
    """The operator's token comes from a file or the environment, and never from nowhere."""
    file = tmp_path / "token"
    file.write_text("hvs.file\n")
    monkeypatch.setenv("VAULT_TOKEN", "hvs.environment")
    assert read_token(file) == "hvs.file"
    assert read_token(None) == "hvs.environment"
    file.write_text("\n")
    with pytest.raises(UsageFault, match="empty"):
        read_token(file)


def test_a_proxy_in_the_environment_is_told():
    """Whoever set a proxy learns that nothing of ours goes through it."""
    found = machine.surroundings({"HTTPS_PROXY": "http://proxy"})
    assert any(one.check == "proxies" for one in found)
    assert not any(one.check == "proxies" for one in machine.surroundings({}))


def test_a_hardened_process_leaves_no_core_and_nobody_reads_it():
    """After hardening the limit for core dumps is zero, and on Linux the kernel calls it undumpable."""
    code = (
        "import resource, ctypes, sys; from vault.cli.process import harden; assert harden();"
        "assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0);"
        "assert sys.platform != 'linux' or ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) == 0"
    )
    root = str(Path(__file__).parents[2])
    ended = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": root}, check=False)
    assert ended.returncode == 0
