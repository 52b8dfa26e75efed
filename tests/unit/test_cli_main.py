"""Claims about the command line's entry: help, exit statuses, one line for every failure, no secrets."""

import re

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from keys.errors import KeysError, Overprivileged, Unreachable
from vault.cli.failures import CommandError, explain
from vault.cli.main import app, main, refuse_secrets
from vault.errors import Conflict, Unavailable
from vault.model import crockford
from vault.policy.rules import PolicyError
from vault.settings import SettingsError

SECRET = "srs_" + crockford.encode(12345, length=52)


def every_command():
    """("tenants", "create"), ("serve",) …"""
    found = []
    for name, command in get_command(app).commands.items():
        below = getattr(command, "commands", None)
        found += [(name, sub) for sub in below] if below else [(name,)]
    return found


@pytest.fixture(autouse=True)
def bare(monkeypatch, tmp_path):
    """No settings of whoever runs the tests, and no development vault in the current folder."""
    for name in ("DATA_URL", "URL", "CLIENT_ID", "CLIENT_SECRET", "CLIENT_SECRET_FILE", "HOME", "DEBUG"):
        monkeypatch.delenv(f"STRONGROOM_{name}", raising=False)
    monkeypatch.delenv("VAULT_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)


def run(capsys, *arguments):
    """Exit status, output and errors of the real entry."""
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    return (end.value.code or 0, *capsys.readouterr())


@pytest.mark.parametrize("command", every_command(), ids=" ".join)
def test_every_command_has_help_with_an_example(command):
    """Whoever asks any command for help sees how it is called."""
    shown = CliRunner().invoke(app, [*command, "--help"])
    assert shown.exit_code == 0
    assert re.search(rf"Example:\s+strongroom\s+{command[0]}", shown.output)


@pytest.mark.parametrize("command", every_command(), ids=" ".join)
def test_every_option_says_what_it_is_for(command):
    """Nothing a command takes is without a word, and no word is lost where it is drawn: `[x]` would be."""
    one = get_command(app)
    for name in command:
        one = one.commands[name]
    said = {p.name: p.help or "" for p in one.params if not getattr(p, "hidden", False)}
    assert {name for name, words in said.items() if not words or "[" in words} == set()


def test_no_option_takes_a_secret():
    """No command has an option for a token, password or secret itself; only for files that hold one."""
    options = [
        option
        for command in get_command(app).commands.values()
        for one in [command, *getattr(command, "commands", {}).values()]
        for parameter in one.params
        for option in parameter.opts
    ]
    secret = re.compile(r"secret|token|password")
    taken = {one for one in options if secret.search(one)}
    files = {"--token-file", "--secret-file", "--second-secret-file"}
    assert taken == files | {"--passwords", "--secret-id-days", "--destroy-secret-ids", "--token"}
    assert "--token" not in {p.opts[0] for p in get_command(app).commands["provision"].params}


def test_version(capsys):
    """--version names the version and nothing else."""
    status, out, _ = run(capsys, "--version")
    assert status == 0
    assert re.fullmatch(r"strongroom \d+\.\d+\.\d+\n", out)


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("serve",),
        ("serve", "--plane", "all", "--port", "0"),
        ("serve", "--plane", "vault"),
        ("serve", "--plane", "audit,audit"),
        ("serve", "--plane", "audit", "--host", "0.0.0.0"),
        ("serve", "--plane", "audit", "--host", "vault.example.com"),
        ("credentials", "create", "x"),
        ("events", "--limit", "0"),
        ("events", "--follow", "--oldest"),
        ("policy", "check", "absent.toml"),
        ("provision", "--vault-addr", "https://vault:8200", "--tenant", "acme"),
        ("provision",),
        ("dev", "--signups", "1"),
        ("credentials", "list"),
        ("doctor",),
        ("migrate",),
        ("serve", "--plane", "all"),
    ],
    ids=" ".join,
)
def test_asked_wrongly_exits_2(capsys, arguments):
    """A command that makes no sense, or lacks its settings, ends with status 2 and changes nothing."""
    status, out, err = run(capsys, *arguments)
    assert status == 2
    assert err
    assert "Traceback" not in out + err


@pytest.mark.parametrize("secret", [SECRET, f"--client-secret={SECRET}", "hvs." + "A" * 90, "s." + "b" * 24])
def test_a_secret_as_an_argument_is_refused(capsys, secret):
    """A secret among the arguments is refused and not repeated: others could read it there."""
    status, out, err = run(capsys, "events", "--subject", secret)
    assert status == 2
    assert "rotate it" in err
    assert secret not in out + err


@pytest.mark.parametrize("text", ["tok_pan_1m3vqxq3b9w0zk7a8ph2n5rcyd5g", "s.3", "acme.payouts", "srs_file"])
def test_other_arguments_pass(text):
    """A token, a credential's name or a path is not taken for a secret."""
    refuse_secrets([text])


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (SettingsError("STRONGROOM_X is not a setting"), 2, "STRONGROOM_X"),
        (Unreachable("deadline"), 3, "does not answer"),
        (Overprivileged("ingest may unwrap"), 1, "ingest may unwrap"),
        (KeysError("what"), 1, "what"),
        (Unavailable("store_unavailable"), 3, "database"),
        (Conflict("tenant_exists"), 1, "tenant_exists"),
        (PolicyError("missing", "version"), 1, "version: missing"),
        (PermissionError(13, "Permission denied", "file"), 1, "file: Permission denied"),
        (CommandError("as it is", 7), 7, "as it is"),
    ],
)
def test_known_failures_have_a_sentence_and_a_status(error, status, words):
    """Refused is 1, asked wrongly 2, not available 3; the line names the rule."""
    told = explain(error)
    assert told is not None
    assert told.status == status
    assert words in told.line
    assert "\n" not in told.line


def test_a_bug_is_one_line(capsys, monkeypatch):
    """A failure nobody foresaw shows its kind, never its message or a traceback."""
    monkeypatch.setattr("vault.cli.main.app", lambda _: {}["a value that must not be shown"])
    status, out, err = run(capsys, "events")
    assert status == 1
    assert out + err == "strongroom: a bug: KeyError; STRONGROOM_DEBUG=1 shows where\n"
