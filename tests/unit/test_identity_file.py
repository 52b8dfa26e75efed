"""The file that says who a process is: four forms, read strictly, and never by anybody else."""

import json
from pathlib import Path

import pytest

from keys.errors import Misconfigured
from keys.identity import mark_spent, read_identity, write_identity
from keys.methods import AppRole, Certificate, Identity, Jwt, WrappedAppRole


def written(path: Path, body: dict[str, str] | bytes) -> Path:
    path.write_bytes(body if isinstance(body, bytes) else json.dumps(body).encode())
    path.chmod(0o600)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ingest.json"


@pytest.mark.parametrize(
    "identity",
    [
        AppRole("role", "s3cret"),
        AppRole("role", "s3cret", "approle-2"),
        WrappedAppRole("role", "s3cret"),
        Jwt("strongroom-ingest", Path("/run/token")),
        Certificate(Path("/run/tls.pem"), Path("tls.key"), "strongroom-ingest"),
        Certificate(Path("/run/tls.pem"), Path("tls.key"), mount="cert-2"),
    ],
)
def test_each_form_is_read_as_it_was_written(path: Path, identity: Identity):
    """Every form comes back as it was, from a file for its owner alone, and shows no secret."""
    written(path.parent / "tls.key", b"key")
    write_identity(path, identity)
    assert path.stat().st_mode & 0o777 == 0o600
    found = read_identity(path)
    assert type(found) is type(identity)
    assert str(path.parent) not in path.read_text()
    assert "s3cret" not in repr(found)
    write_identity(path.with_name("again.json"), found)
    assert read_identity(path.with_name("again.json")) == found


def test_paths_are_relative_to_the_file(path: Path):
    """A token named without a folder is beside the file that names it."""
    written(path, {"method": "jwt", "role": "r", "jwt_file": "token"})
    assert read_identity(path) == Jwt("r", path.parent / "token")


@pytest.mark.parametrize(
    "body",
    [
        {"role_id": "r", "secret_id": "s3cret", "wrapped_secret_id": "w"},
        {"role_id": "r", "secret_id": "s3cret", "jwt_file": "t"},
        {"role_id": "r", "secret_id": ""},
        {"role_id": "r", "secret_id": "s3cret", "mount": "../sys"},
        {"role_id": "r", "secret_id": "s3cret", "more": "x"},
        {"method": "token", "role_id": "r", "secret_id": "s3cret"},
        {"method": "jwt", "role": "r"},
        {"method": "jwt", "jwt_file": "t"},
        {"method": "jwt", "role_id": "r", "secret_id": "s3cret"},
        {"method": "cert", "cert_file": "c"},
        {"method": "cert", "cert_file": "c", "key_file": "k", "jwt_file": "t"},
    ],
)
def test_a_mixture_of_forms_is_refused(path: Path, body: dict[str, str]):
    """Members of two forms, missing or unknown ones are no identity, and are not quoted."""
    with pytest.raises(Misconfigured, match=r"ingest\.json") as caught:
        read_identity(written(path, body))
    assert "s3cret" not in str(caught.value)


def test_a_key_others_can_read_is_refused(path: Path):
    """The private key of a certificate is held to the same rule as the file that names it."""
    key = written(path.parent / "tls.key", b"key")
    written(path, {"method": "cert", "cert_file": "tls.pem", "key_file": "tls.key"})
    assert isinstance(read_identity(path), Certificate)
    key.chmod(0o640)
    with pytest.raises(Misconfigured, match="chmod 600"):
        read_identity(path)
    key.unlink()
    with pytest.raises(Misconfigured, match=r"ingest\.json: No such file"):
        read_identity(path)


def test_a_wrapping_is_opened_by_nobody_who_just_logs_in(path: Path):
    """An identity that is still wrapped cannot be logged in with, and one that is spent says so."""
    with pytest.raises(Misconfigured, match="wrapped"):
        WrappedAppRole("r", "s3cret").request()
    mark_spent(path, WrappedAppRole("r", "s3cret"), "2026-11-25T08:00:00+00:00")
    assert "s3cret" not in path.read_text()
    with pytest.raises(Misconfigured, match="unwrapped at a start, 2026-11-25T08:00:00"):
        read_identity(path)


@pytest.mark.parametrize(
    "token", [b"", b"s3cret", b"a.b", b"a.b.c.d", b"a.b.c d", b"a" * 20_000, b"\xff.a.b"]
)
def test_what_is_no_token_is_not_sent(path: Path, token: bytes):
    """A file that holds no JWT is an error that names it and quotes nothing."""
    path.write_bytes(token)
    with pytest.raises(Misconfigured, match=r"ingest\.json: not a JWT") as caught:
        Jwt("r", path).request()
    assert "s3cret" not in str(caught.value)


def test_the_token_is_read_at_each_login(path: Path):
    """A token that was renewed on disk is the one that is sent."""
    identity = Jwt("r", path)
    bodies = []
    for token in ("a.b.c\n", "d.e.f"):
        path.write_text(token)
        bodies.append(json.loads(identity.request().body))
    assert bodies == [{"role": "r", "jwt": "a.b.c"}, {"role": "r", "jwt": "d.e.f"}]
    path.unlink()
    with pytest.raises(Misconfigured, match="No such file"):
        identity.request()
