"""The wall itself: plaintext on one side, sealed records on the other. Bytes: docs/FORMATS.md §2 and §3."""

from hashlib import sha256

import msgspec
import orjson

from keys.envelope import bind, committed, dek_id_of, open_sealed, seal
from keys.errors import EnvelopeError
from keys.pool import Dek
from vault.model.secret import Secret
from vault.store.records import Stored
from vault.store.unit import NewRecord

INDEX_BYTES = 16


class Place(msgspec.Struct, frozen=True):
    """Where a record belongs. All of it is bound into the seal, so a moved record does not open."""

    tenant: str
    subject: str
    token: str
    field_type: str
    version: int = 1

    def aad(self, dek_id: bytes) -> bytes:
        """The additional authenticated data of the record sealed here under this DEK."""
        return bind(
            [
                "strongroom",
                self.version.to_bytes(4),
                self.tenant,
                self.subject,
                self.token,
                self.field_type,
                dek_id,
            ]
        )


def seal_record(
    value: Secret[bytes], place: Place, dek: Dek, *, nonce: bytes, notice: str | None = None
) -> NewRecord:
    """Seal a value in its place under a DEK that nothing else will use. `notice`: what was shown with it."""
    aad = place.aad(dek.dek_id)
    return NewRecord(
        tenant=place.tenant,
        token=place.token,
        version=place.version,
        subject=place.subject,
        field_type=place.field_type,
        dek_id=dek.dek_id,
        sealed=seal(value.reveal(), dek=dek.key, dek_id=dek.dek_id, nonce=nonce, aad=aad),
        dek_lease=dek.lease_until,
        notice=notice,
    )


def open_record(tenant: str, stored: Stored, *, dek: bytes) -> Secret[bytes]:
    """Open a record. Raises: EnvelopeError when it is not the one that was sealed for this place, or no JSON.

    Values go into answers as they are: one that is more, or less, than one JSON value could write its
    neighbours' lines, and whoever took over ingest may seal what he likes.
    """
    place = Place(tenant, stored.subject, stored.token, stored.field_type, stored.version)
    if dek_id_of(stored.sealed) != stored.dek_id:
        raise EnvelopeError("another DEK")
    value = Secret(open_sealed(stored.sealed, dek=dek, aad=place.aad(stored.dek_id)))
    if not _is_json(value):
        raise EnvelopeError("not JSON")
    return value


def is_committed(tenant: str, stored: Stored, *, dek: bytes) -> bool:
    """Whether a record was sealed for this place under this DEK. Opens no value. Raises: EnvelopeError."""
    place = Place(tenant, stored.subject, stored.token, stored.field_type, stored.version)
    return dek_id_of(stored.sealed) == stored.dek_id and committed(
        stored.sealed, dek=dek, aad=place.aad(stored.dek_id)
    )


def _is_json(value: Secret[bytes]) -> bool:
    try:
        orjson.loads(value.reveal())
    except orjson.JSONDecodeError:
        return False
    return True


def digest(sealed: bytes) -> str:
    """What the tokenize event carries, so that a record swapped later is caught."""
    return sha256(sealed).hexdigest()


def index_input(tenant: str, field_type: str, value: Secret[bytes]) -> bytes:
    """What the key server turns into a blind index."""
    return bind(["strongroom/bidx/v1", tenant, field_type, value.reveal()])
