"""Dockerfile and docker-compose.yml name only what exists, and keep apart what must be apart.

No container is started here: there is no engine where these tests run. tests/contract/test_first_start.py has
the scripts and logins on real servers.
"""

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

import keys.roles
import vault.store.roles
from keys.policies import IDENTITIES
from vault.cli.main import app
from vault.settings import PLANES, SEQUENCER, read_settings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
STEPS = ("certificates", "unseal", "provision", "migrate", "provision-db", "tenants")
KEYSTORE_PLANES = ("ingest", "reveal", "office")
PROCESSES = (*PLANES, SEQUENCER)


def mounts(service: str) -> dict[str, str]:
    """{volume or path: where it is mounted}"""
    return dict(entry.split(":")[:2] for entry in SERVICES[service].get("volumes", ()))


def certificates() -> Any:
    """docker/certificates.py"""
    spec = spec_from_file_location("certificates_under_test", ROOT / "docker" / "certificates.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("plane", PLANES)
def test_every_plane_starts_with_settings_that_exist(plane: str):
    """The environment of each plane is one that the service starts with, under the plane's own role."""
    settings = read_settings(SERVICES[plane]["environment"])
    assert f"//strongroom_{plane}@data:" in settings.data_url_of(plane)
    if plane in KEYSTORE_PLANES:
        assert f"//strongroom_{plane}@keystore:" in settings.keystore_url_of(plane)
    else:
        assert settings.keystore_url is None
    assert settings.server.ca is not None


@pytest.mark.parametrize("step", STEPS)
def test_every_setting_of_a_step_exists(step: str):
    """No step is told a STRONGROOM_ name that the service would refuse."""
    told = SERVICES[step].get("environment", {})
    least = {"STRONGROOM_VAULT_ADDR": "https://vault:8200", "STRONGROOM_IDENTITIES": "/run", **told}
    read_settings({"STRONGROOM_DATA_URL": "sqlite+aiosqlite://", **least})


@pytest.mark.parametrize("service", [*PROCESSES, "migrate", "provision-db", "tenants"])
def test_every_command_exists(service: str):
    """What a service runs is a command of `strongroom`, with options it knows."""
    words = [*SERVICES[service].get("entrypoint", ["strongroom"])[1:], *SERVICES[service]["command"]]
    command: Any = get_command(app)
    while words and hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    command.make_parser(command.context_class(command)).parse_args(list(words))


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_mounts_its_own_identity_alone(process: str):
    """A plane or the sequencer mounts its own identity and cannot write to it; no other mounts it."""
    kept = ["sequencer-state:/var/lib/strongroom"] if process == SEQUENCER else []
    assert SERVICES[process]["volumes"] == [f"{process}:/run/strongroom:ro", *kept]
    assert [other for other in PROCESSES if process in mounts(other)] == [process]


def test_the_sequencer_is_started_with_what_it_needs():
    """One sequencer runs under its own role and identity, keeps what it signed in a volume of its own that
    the image gives to its user, and is asked how it is on the port where it serves its metrics."""
    told = SERVICES[SEQUENCER]
    settings = read_settings(told["environment"])
    assert "//strongroom_sequencer@data:" in settings.data_url_of(SEQUENCER)
    assert settings.keystore_url is None
    assert settings.server.ca is not None
    assert str(settings.sequencer_folder) == mounts(SEQUENCER)["sequencer-state"]
    assert [name for name in SERVICES if "sequencer-state" in mounts(name)] == [SEQUENCER]
    owned = re.search(r"install -d -o 10001 -g 10001 -m 0700 ((?:[/a-z]+|\\\n|\s)+)", DOCKERFILE)
    assert owned is not None
    assert str(settings.sequencer_folder) in owned[1].split()
    port = told["command"][told["command"].index("--metrics-port") + 1]
    assert told["healthcheck"]["test"][-1] == f"http://127.0.0.1:{port}/metrics"
    assert told["restart"] == "unless-stopped"


@pytest.mark.parametrize("plane", PLANES)
def test_planes_wait_until_control_has_vouched(plane: str):
    """Every process waits for the provisioning steps, and every plane but control for control to serve."""
    needs = SERVICES[plane]["depends_on"]
    steps = {"provision", "provision-db"}
    assert {needs[step]["condition"] for step in steps} == {"service_completed_successfully"}
    assert set(SERVICES[SEQUENCER]["depends_on"]) == steps
    if plane == "control":
        assert set(needs) == steps
    else:
        assert needs["control"] == {"condition": "service_healthy"}


def test_identities_of_operators_reach_no_plane():
    """What opens the key server for operators, and the authority's key, is mounted by steps alone."""
    for volume, allowed in {
        "authority": {"certificates"},
        "unseal": {"unseal", "provision"},
        "operators": {"provision", "tenants"},
        "setup": {"certificates", "unseal", "provision", "migrate", "provision-db"},
    }.items():
        assert {name for name in SERVICES if volume in mounts(name)} == allowed, volume


def test_the_provision_step_hands_each_process_its_file():
    """hand_over.sh gives each process the file of its own name, into the volume that the process mounts."""
    script = (ROOT / "docker" / "hand_over.sh").read_text()
    named = re.search(r"for plane in ([a-z ]+); do", script)
    assert named is not None
    assert sorted(named[1].split()) == sorted(PROCESSES)
    assert set(PROCESSES) <= set(IDENTITIES)
    assert {mounts("provision")[name] for name in PROCESSES} == {f"/planes/{name}" for name in PROCESSES}


@pytest.mark.parametrize("plane", PLANES)
def test_a_plane_meets_no_other_plane(plane: str):
    """A plane is in its own network, which leads nowhere, and in the one where published ports come in, whose
    members cannot talk to each other. Control and audit do not even reach the keystore."""
    assert SERVICES[plane]["networks"] == [plane, "edge"]
    assert COMPOSE["networks"][plane]["internal"] is True
    company = {name for name in SERVICES if plane in (SERVICES[name].get("networks") or ())}
    assert company == {plane, "data", "vault"} | ({"keystore"} if plane in KEYSTORE_PLANES else set())


def test_the_sequencer_meets_the_two_servers_it_needs_alone():
    """The sequencer's network leads nowhere and holds it, the data database and the key server."""
    assert SERVICES[SEQUENCER]["networks"] == [SEQUENCER]
    assert COMPOSE["networks"][SEQUENCER]["internal"] is True
    company = {name for name in SERVICES if SEQUENCER in (SERVICES[name].get("networks") or ())}
    assert company == {SEQUENCER, "data", "vault"}


def test_nothing_talks_over_the_edge():
    """The network of the published ports lets its members neither talk to each other nor out."""
    options = COMPOSE["networks"]["edge"]["driver_opts"]
    assert options["com.docker.network.bridge.enable_icc"] == "false"
    assert options["com.docker.network.bridge.enable_ip_masquerade"] == "false"
    assert {name for name in SERVICES if "edge" in (SERVICES[name].get("networks") or ())} == set(PLANES)


def test_only_planes_publish_ports_and_on_loopback():
    """No database and no key server is published; a plane's port is the one it listens on."""
    published = {name: SERVICES[name]["ports"] for name in SERVICES if "ports" in SERVICES[name]}
    assert sorted(published) == sorted(PLANES)
    assert len({port for ports in published.values() for port in ports}) == len(PLANES)
    for plane, (port,) in published.items():
        command = SERVICES[plane]["command"]
        address, _, inside = port.split(":")
        assert address == "127.0.0.1"
        assert command[command.index("--port") + 1] == inside
        assert f"https://127.0.0.1:{inside}/readyz" in SERVICES[plane]["healthcheck"]["test"]
    assert COMPOSE["x-key-server"]["STRONGROOM_PUBLIC_URL"].rsplit(":", 1)[1] in published["control"][0]


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_every_container_is_hardened(service: str):
    """Read-only, without capabilities or new privileges, not root: but for the step that gives files away."""
    told = SERVICES[service]
    assert told["read_only"] is True
    assert told["cap_drop"] == ["ALL"]
    assert told["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in told
    if service == "certificates":
        assert (told["user"], told["cap_add"]) == ("0:0", ["CHOWN", "DAC_OVERRIDE"])
        assert told["network_mode"] == "none"
    else:
        assert "cap_add" not in told
        assert not told["user"].startswith("0")


def test_images_are_pinned_by_tag():
    """Every image has an exact version; nothing is `latest`."""
    images = {SERVICES[name]["image"] for name in SERVICES} | set(re.findall(r"ARG PYTHON=(\S+)", DOCKERFILE))
    assert len(images) == 4
    for image in images:
        assert re.fullmatch(r"[a-z/]+:\d+\.\d+(\.\d+)?(-[a-z-]+)?", image), image


def test_no_secret_stands_in_a_file():
    """No password, token or key in the compose file, the image or the files beside them."""
    files = [ROOT / "docker-compose.yml", ROOT / "Dockerfile", *(ROOT / "docker").iterdir()]
    for file in (one for one in files if one.is_file()):
        text = file.read_text()
        assert not re.search(r"(?i)(password|secret|token)\s*[:=]\s*[\"']?[a-z0-9+/]{16,}", text), file
        assert not re.search(r"hvs\.|BEGIN [A-Z ]*PRIVATE KEY", text), file
        assert not re.search(r"postgresql\+asyncpg://\w+:[^@/\s]+@", text), file


def test_every_volume_and_network_is_declared():
    """What services name at the bottom of the file exists, and nothing else is declared."""
    used = {name for service in SERVICES for name in mounts(service) if not name.startswith(".")}
    assert used == set(COMPOSE["volumes"])
    joined = {name for service in SERVICES.values() for name in service.get("networks") or ()}
    assert joined == set(COMPOSE["networks"])


def test_every_dependency_and_mounted_file_exists():
    """A service waits for services that exist, and mounts files that are in the repository."""
    for service, told in SERVICES.items():
        assert set(told.get("depends_on", {})) <= set(SERVICES)
        for source in mounts(service):
            assert not source.startswith(".") or (ROOT / source).is_file(), source


def test_what_the_image_copies_exists_and_is_not_ignored():
    """Every file that the Dockerfile copies is in the repository and let through by .dockerignore."""
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    assert "requirements.txt" in copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert any(source == one or source.startswith(f"{one}/") for one in kept), source


def test_scripts_that_run_are_in_the_image():
    """Whatever the compose file runs from /opt/strongroom/docker is copied there, and nothing else is."""
    run = re.findall(r"/opt/strongroom/docker/([a-z_]+\.\w+)", (ROOT / "docker-compose.yml").read_text())
    copied = next(line for line in DOCKERFILE.splitlines() if line.endswith("/opt/strongroom/docker/"))
    assert set(run) == {Path(one).name for one in copied.split()[1:-1]}


def test_the_image_is_built_from_hashes_and_is_not_root():
    """Every installed file is checked against a hash; the image runs as a user of its own."""
    installs = re.findall(r"pip install (.*)", DOCKERFILE)
    assert all("--require-hashes" in one or "--no-deps /wheel" in one for one in installs)
    assert re.search(r"^USER 10001:10001$", DOCKERFILE, re.MULTILINE)
    assert "/healthz" in DOCKERFILE
    for name in ("requirements.txt", "requirements-build.txt"):
        text = (ROOT / name).read_text()
        assert text.count("==") <= text.count("--hash=sha256:")


def test_passwords_are_made_for_every_role():
    """The first-start passwords cover exactly the roles that provision-db makes."""
    script = certificates()
    for database, rights in (("data", vault.store.roles.RIGHTS), ("keystore", keys.roles.KEYSTORE_RIGHTS)):
        started = {f"strongroom_{name}" for name, reach in script.REACH.items() if database in reach}
        assert started | set(script.IDLE_ROLES[database]) == set(rights)
    assert set(script.PLANES) == set(PLANES)
    assert set(script.REACH) == set(PROCESSES)


def test_passwords_of_an_older_start_are_kept(tmp_path: Path):
    """A password that was made stays; one for a role that came later is added."""
    script = certificates()
    before = script.read_passwords(tmp_path, "data")
    kept = tmp_path / "data-passwords"
    lines = kept.read_text().splitlines(keepends=True)
    kept.write_text("".join(line for line in lines if not line.startswith("strongroom_retention=")))
    after = script.read_passwords(tmp_path, "data")
    assert after | {"strongroom_retention": ""} == before | {"strongroom_retention": ""}
    assert after["strongroom_retention"] not in (before["strongroom_retention"], "")
    assert script.read_passwords(tmp_path, "data") == after


def test_passwords_are_complete(tmp_path: Path):
    """provision-db finds a password for each of its roles, and need not write where it cannot."""
    certificates().prepare(tmp_path)
    for database, rights in (("data", vault.store.roles.RIGHTS), ("keystore", keys.roles.KEYSTORE_RIGHTS)):
        lines = (tmp_path / "setup" / f"{database}-passwords").read_text().splitlines()
        assert sorted(line.partition("=")[0] for line in lines) == sorted(rights)
