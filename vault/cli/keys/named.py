"""Which tenants a command is about."""

from vault.cli.failures import CommandError


def wanted(tenants: list[str], tenant: str | None) -> list[str]:
    """All of them, or the one that was named. Raises: CommandError for one there is not."""
    if tenant is None:
        return sorted(tenants)
    if tenant not in tenants:
        raise CommandError("there is no such tenant: `strongroom tenants list` shows those there are")
    return [tenant]
