"""New secrets of credentials: minted, hashed, handed out once."""

from dataclasses import dataclass

from vault.model.register import CredentialEntry
from vault.model.secret import Secret
from vault.service.amend import Control, NewSecret
from vault.service.client_secrets import fingerprint, mint


@dataclass(frozen=True, slots=True)
class Issued:
    """A credential, and its secret if a new one was made: shown now and never again."""

    entry: CredentialEntry
    secret: Secret[str] | None = None


async def new_secret(credential: str, control: Control) -> tuple[Secret[str], NewSecret]:
    """A secret for its owner, and what is kept of it. Raises: Unavailable."""
    secret = mint(control.random(32))
    hashed = await control.hasher.hash(secret)
    return secret, NewSecret(credential, fingerprint(hashed), hashed)


async def secret_if(
    wanted: bool,  # noqa: FBT001  # reads as the question it answers
    credential: str,
    control: Control,
) -> tuple[Secret[str] | None, NewSecret | None]:
    """A new secret where there is to be one."""
    return await new_secret(credential, control) if wanted else (None, None)
