"""Secrets from files and from the environment, and the units that hand them over."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from vault.cli import concealed, process
from vault.cli.failures import CommandError
from vault.cli.main import app
from vault.settings import read_settings

UNITS = sorted((Path(__file__).parents[2] / "deploy/systemd").glob("*.service"))
WITH = "postgresql+asyncpg://strongroom_audit:hunter2@db/data"


def test_url_comes_from_a_file(tmp_path):
    """The one line of the file becomes the URL; an empty file is no URL; both forms together are refused."""
    (tmp_path / "url").write_text(f"{WITH}\n")
    (tmp_path / "none").touch()
    told = {"STRONGROOM_DATA_URL_FILE": f"{tmp_path}/url", "STRONGROOM_KEYSTORE_URL_FILE": f"{tmp_path}/none"}
    told |= {"STRONGROOM_VAULT_ADDR": "https://vault", "STRONGROOM_IDENTITIES": "/ids"}
    concealed.unfold(told)
    settings = read_settings(told)
    assert (settings.data_url, settings.keystore_url) == (WITH, None)
    for wrong in (
        {"STRONGROOM_DATA_URL_FILE": "/no/such"},
        {"STRONGROOM_DATA_URL": "x", "STRONGROOM_DATA_URL_FILE": "y"},
    ):
        with pytest.raises(CommandError, match="STRONGROOM_DATA_URL_FILE") as refused:
            concealed.unfold(dict(wrong))
        assert "hunter2" not in refused.value.line


def test_secrets_are_what_has_a_password(monkeypatch):
    """URLs with a password, tokens and a client's secret are secrets; all can be forgotten."""
    plain = {
        "STRONGROOM_KEYSTORE_URL": "sqlite+aiosqlite:///d.db?timeout=5",
        "STRONGROOM_VAULT_ADDR": "https://vault",
        "HOME": "/",
    }
    hidden = {
        "STRONGROOM_REVEAL_KEYSTORE_URL": WITH,
        "STRONGROOM_DATA_URL": "postgresql+asyncpg://db/data?user=x&password=hunter2",
        "STRONGROOM_CLIENT_SECRET": "srs_x",
        "VAULT_TOKEN": "hvs.x",
    }
    assert concealed.secrets_in(plain | hidden) == hidden
    for name, value in hidden.items():
        monkeypatch.setenv(name, value)
    concealed.forget()
    assert concealed.secrets_in(process.os.environ) == {}


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_unit_names_what_exists_and_is_hardened(path):
    """The command, its options and the settings of a unit exist; it has no rights, no swap, no core dumps."""
    text = path.read_text()
    words = re.search(r"^ExecStart=/opt/strongroom/bin/strongroom (.*)$", text, re.MULTILINE)[1].split()
    command = get_command(app).commands[words[0]]
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options
    named = dict(re.findall(r"^Environment=(STRONGROOM_[A-Z_]+)=(.*)$", text, re.MULTILINE))
    assert read_settings(
        {name.removesuffix("_FILE"): "/x" for name in named} | {"STRONGROOM_VAULT_ADDR": "https://x"}
    )
    credentials = set(re.findall(r"^LoadCredential=([^:]+):", text, re.MULTILINE))
    assert set(re.findall(r"%d/(\S+)", text)) == credentials
    for line in ("LimitCORE=0", "MemorySwapMax=0", "UMask=0077", "NoNewPrivileges=yes",
                 "CapabilityBoundingSet=", "ProtectSystem=strict", "ProtectHome=yes", "PrivateDevices=yes",
                 "RestrictNamespaces=yes",
                 "ProtectProc=invisible", "SystemCallFilter=~@privileged"):  # fmt: skip
        assert f"\n{line}\n" in text, line
    assert not re.search(r"postgresql|password|secret_id|User=root", text)
