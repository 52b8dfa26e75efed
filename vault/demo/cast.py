"""Who plays in the demonstration: four services, each with a credential and no more rights than needed."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from vault.cli.access import Access
from vault.cli.home import Home, read_json
from vault.cli.http import Api, Problem
from vault.model.secret import Secret


@dataclass(frozen=True, slots=True)
class Role:
    """A service, the human answerable for it, and what it may do."""

    name: str
    person: str
    grants: tuple[str, ...]


ROLES = (
    Role("signup", "Asha Rao, sign-up team", ("tokenize",)),
    Role("payout", "Vikram Shah, payments", ("detokenize:payment@payment", "inspect")),
    Role("marketing", "Neha Gowda, marketing", ("detokenize:marketing_display",)),
    Role("auditor", "Farah Khan, data protection", ("events",)),
)


def gather(home: Home, url: str, stack: ExitStack) -> Mapping[str, Api]:
    """A connection for each role; credentials that are not there yet are made. Raises: Problem."""
    kept = read_json(home.admin)
    access = Access(url, kept["client_id"], Secret(kept["client_secret"]))
    with Api(access) as admin:
        for role in ROLES:
            if not home.credential(role.name).exists():
                _create(admin, role, home)
    return {role.name: stack.enter_context(Api(_access(home, role.name, url))) for role in ROLES}


def _create(admin: Api, role: Role, home: Home) -> None:
    body = {"name": role.name, "person": role.person, "grants": list(role.grants)}
    try:
        made = admin.post("/v1/credentials", body)
    except Problem as problem:
        if problem.code != "credential_exists":
            raise
        # It was made by a start that ended before its secret was written down.
        made = admin.post(f"/v1/credentials/{admin.access.tenant}.{role.name}/rotate", {})
    home.keep_credential(role.name, made["credential"], made["client_secret"])


def _access(home: Home, name: str, url: str) -> Access:
    client, _, secret = home.credential(name).read_text().strip().partition(":")
    return Access(url, client, Secret(secret))
