"""The machine a process of the service would run on: who can read its files, its memory, and its swap."""

import os
import resource
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from keys.errors import KeysError
from keys.identity import read_identity
from keys.policies import IDENTITIES
from vault.cli import process
from vault.cli.checkup.finding import Finding, failed
from vault.settings import PLANE_URLS, PLANES, Settings, SettingsError

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
_SQLITE = "sqlite+aiosqlite:///"


async def identities(settings: Settings) -> list[Finding]:
    """Each identity file here is one, and its owner's alone."""
    found = []
    for name in IDENTITIES:
        path = settings.identity_file(name)
        if not path.exists():
            if name in PLANES:
                found.append(
                    Finding(f"identity {name}", "warn", "not on this machine", "fine if it is elsewhere")
                )
            continue
        try:
            read_identity(path)
            found.append(Finding(f"identity {name}", "ok", "readable by its owner alone"))
        except KeysError as error:
            found.append(failed(f"identity {name}", error, f"chmod 600 {path}, or provision it anew"))
    return found


async def files(settings: Settings) -> list[Finding]:
    """Databases in files, the sequencer's memory and the folder of identities are closed to others."""
    places = [settings.identities, *_sqlite_files(settings)]
    with suppress(SettingsError):  # it runs elsewhere, or says so itself when it starts
        places.append(settings.sequencer_folder)
    bad = [path for path in places if path.exists() and _is_open(path)]
    names = ", ".join(map(str, bad))
    if bad:
        return [
            Finding(
                "files", "bad", f"others may read or write {names}", f"chmod go= {' '.join(map(str, bad))}"
            )
        ]
    return [
        Finding(
            "files", "ok", "identities, databases in files and the sequencer's folder are closed to others"
        )
    ]


def surroundings(environment: Mapping[str, str], swaps: Path = process.SWAPS) -> list[Finding]:
    """What this shell and this machine would do to a process started here."""
    soft, _ = resource.getrlimit(resource.RLIMIT_CORE)
    dumps = "off here" if soft == 0 else "on here; every command of ours switches them off for itself"
    found = [Finding("core dumps", "ok", dumps), _swap(swaps), _umask()]
    if proxies := [name for name in _PROXIES if environment.get(name)]:
        says = f"{', '.join(proxies)} set; nothing of ours uses them"
        found.append(Finding("proxies", "ok", says))
    return found


def _swap(swaps: Path) -> Finding:
    if used := process.swaps(swaps):
        do = "swapoff -a, or encrypt it: what a process holds in memory may be written there"
        return Finding("swap", "warn", f"memory may be written to {', '.join(used)}", do)
    return Finding("swap", "ok", "none on a disk")


def _umask() -> Finding:
    mask = os.umask(0o077)
    os.umask(mask)
    says = f"{mask:03o} here; every command of ours that writes files sets 077 for itself"
    return Finding("umask", "ok", says)


def _sqlite_files(settings: Settings) -> list[Path]:
    told = [settings.data_url, settings.keystore_url or "", *map(settings.plane_urls.get, PLANE_URLS)]
    paths = {Path(url.removeprefix(_SQLITE)) for url in told if url and url.startswith(_SQLITE)}
    beside = {path.with_name(path.name + end) for path in paths for end in ("", "-wal", "-shm")}
    return sorted(beside)


def _is_open(path: Path) -> bool:
    """A folder that others may not enter closes what is in it, and so may a file's own mode."""
    mode = stat.S_IMODE(path.stat().st_mode)
    closed = any(not stat.S_IMODE(one.stat().st_mode) & 0o055 for one in path.resolve().parents[:2])
    return bool(mode & 0o077) and not (closed and path.is_file())
