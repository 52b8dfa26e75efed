"""The manifest of a copy: one spelling, and nothing but a refusal for every other."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.cli.backup.folder import new_folder
from vault.cli.backup.manifest import Manifest, TableFile, goes_on, parse, to_bytes
from vault.cli.failures import CommandError
from vault.store.copies.snapshot import TenantFacts

FACTS = TenantFacts(7, 5, bytes(range(32)), bytes(16), 1_800_000_000_000_000, {1: 3, 2: 10**7})
MANIFEST = Manifest(
    kind="databases",
    taken_at=1_800_000_000_000_000,
    data_schema="0006",
    keystore_schema="0001",
    tables={"data/record": TableFile(2, "ab" * 32), "keystore/dek": TableFile(0, "cd" * 32)},
    tenants={"acme": FACTS, "globex": TenantFacts()},
)
RAW = to_bytes(MANIFEST)


def test_a_manifest_reads_as_it_was_written():
    """Everything comes back, and its name is the SHA-256 of its bytes."""
    assert parse(RAW) == MANIFEST
    assert len(MANIFEST.digest) == 64


@given(place=st.integers(0, len(RAW) - 1), byte=st.integers(0, 255))
def test_a_changed_byte_is_another_manifest_or_none(place: int, byte: int):
    """Whatever is changed is refused in our words, or is another copy under another name."""
    changed = RAW[:place] + bytes([byte]) + RAW[place + 1 :]
    try:
        found = parse(changed)
    except CommandError:
        return
    assert (found.digest == MANIFEST.digest) == (changed == RAW)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"data/record"', b'"../record"'),
        (b'"data/record"', b'"data/../x"'),
        (b'"acme"', b'"ACME"'),
        (b'"rows":2', b'"rows":-2'),
        (b'"rows":2', b'"rows":true'),
        (b'"v":1', b'"v":2'),
        (b'"databases"', b'"everything"'),
        (b'{"1":3', b'{"01":3'),
        (b'"log_size":7', b'"log_size":"7"'),
        (b'"checkpoint_root":"00', b'"checkpoint_root":"0'),
    ],
)
def test_a_manifest_that_no_backup_wrote_is_refused(old: bytes, new: bytes):
    """A path that leaves the folder, a tenant that cannot exist, numbers that are none: refused."""
    assert old in RAW
    with pytest.raises(CommandError):
        parse(RAW.replace(old, new))


@pytest.mark.parametrize(
    ("then", "so"),
    [
        (FACTS, True),
        (replace(FACTS, log_size=9, checkpoint_size=9, checkpoint_root=bytes(32)), True),
        (replace(FACTS, log_size=6), False),
        (replace(FACTS, checkpoint_root=bytes(32)), False),
        (TenantFacts(), False),
        (None, False),
    ],
)
def test_copies_of_one_log_are_told_from_those_of_another(then: TenantFacts | None, *, so: bool):
    """A later copy has every tenant, whose log is as long at least, and the same where it is as long."""
    tenants = MANIFEST.tenants | ({"acme": then} if then else {})
    if then is None:
        tenants = {"globex": TenantFacts()}
    assert goes_on(replace(MANIFEST, tenants=tenants), MANIFEST) is so


def test_a_copy_is_not_written_through_a_link(tmp_path: Path):
    """Where somebody left a link under the name a copy has while it is made, nothing is written."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".copy.new").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError), new_folder(tmp_path / "copy"):
        pytest.fail("it was entered")
    assert not list((tmp_path / "elsewhere").iterdir())
    with new_folder(tmp_path / "deep" / "copy") as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
