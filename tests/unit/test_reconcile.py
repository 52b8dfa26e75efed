"""Judging the key server's audit log: what is honest, what is not, and what is remembered of it."""

import gzip
import json
from dataclasses import replace

import pytest

from keys.context import context_of
from keys.keystore import CANARY
from vault.cli.failures import CommandError
from vault.cli.reconcile import files
from vault.cli.reconcile.files import log_files
from vault.cli.reconcile.growing import Cut, Growing
from vault.cli.reconcile.running import Run, placed
from vault.cli.reconcile.state import Places, load, save
from vault.errors import Unavailable
from vault.log.event import canonical, timestamp
from vault.model.names import show_id
from vault.reconcile.audit_log import Unreadable, read_entry
from vault.reconcile.watch import Place, look
from vault.service.reconcile import Reconciler
from vault.store.events import StoredEvent

T0 = 1_800_000_000_000_000
SECOND = 1_000_000
LIST = T0.to_bytes(7) + bytes(9)
DEKS = [bytes([n]) * 16 for n in range(1, 6)]


def hashed(text):
    return f"hmac-sha256:{text}"


class Ledger:
    """Our log in memory: a list that allows some DEKs. Also judges provenance, and may be away."""

    def __init__(self):
        self.rows = [_event(LIST, n, dek) for n, dek in enumerate(DEKS[:3])]
        self.genuine_ids = {row.event_id for row in self.rows}
        self.away = False
        self.asked = 0

    async def events(self, tenant, list_ids):
        if self.away:
            raise Unavailable("store_unavailable")
        return [row for row in self.rows if tenant == "acme" and row.list_id in list_ids]

    async def genuine(self, tenant, events):
        return {row.event_id: row for row in events if row.event_id in self.genuine_ids}

    async def audit_hash(self, device, text):
        self.asked += 1
        return hashed(text)


def _event(list_id, n, dek, at=T0, **more):
    body = {"dek_id": dek.hex(), "decision": "allow", "batch": show_id("lst", list_id), "time": timestamp(at)}
    return StoredEvent(bytes(15) + bytes([n]), b"", b"", canonical(body | more), list_id)


def line(request, deks=DEKS[:1], *, at=T0 + SECOND, answered=True, number="0" * 16, **more):
    """One line as OpenBao writes it."""
    items = [{"ciphertext": hashed("c"), "context": hashed(context_of("acme", dek))} for dek in deks]
    auth = {"entity_id": "reveal-1", "metadata": {"role_name": "strongroom-reveal"},
            "policies": more.pop("policies", ["strongroom-reveal"])}  # fmt: skip
    asked = {
        "id": request, "operation": "update", "path": "strongroom/decrypt/kek-acme",
        "remote_address": "10.0.0.1", "data": {"batch_input": items}, "namespace": {"id": "root"},
        "headers": {"x-strongroom-batch": [f"{show_id('lst', LIST)} {number}"]},
    }  # fmt: skip
    error = {"error": more.pop("error")} if "error" in more else {}
    whole = {"time": timestamp(at), "type": "response" if answered else "request", "auth": auth,
             "request": asked | more} | error  # fmt: skip
    return json.dumps(whole).encode() + b"\n"


def entry(*args, **more):
    return read_entry(line(*args, **more))


@pytest.fixture
def ledger():
    return Ledger()


@pytest.fixture
def judge(ledger):
    return Reconciler(ledger, ledger, ledger)


async def kinds(judge, *entries):
    return [found.kind for found in await judge.take(entries)]


async def test_request_and_answer_are_one_unwrap(judge, ledger):
    """A request, its answer and the same from a second device are judged once, the list asked for once."""
    pair = [entry("a", DEKS[:3], answered=False), entry("a", DEKS[:3])]
    assert await kinds(judge, *pair, *pair) == []
    assert (judge.tally.unwraps, judge.tally.items, ledger.asked) == (1, 3, 3)


@pytest.mark.parametrize(
    ("second", "kind"),
    [
        ({"number": "1" * 16, "at": T0 + 3 * SECOND}, ["repeated"]),
        ({"number": "1" * 16, "at": T0 + 30 * SECOND}, ["batch_reused"]),
        ({"number": "1" * 16, "remote_address": "10.9.9.9"}, ["batch_reused"]),
        ({"at": T0 + 2 * SECOND}, ["batch_reused", "repeated"]),
    ],
)
async def test_replay_of_a_success_is_named(judge, second, kind):
    """What came out may come out again for a lost answer: soon, from the same place, newly numbered."""
    assert await kinds(judge, entry("a"), entry("b", **second)) == kind


async def test_retry_of_a_failed_call_is_silent(judge):
    """A call that failed as a whole, or was never answered, may be made again without a word."""
    failed = entry("a", error="internal error")
    lost = entry("b", answered=False, number="1" * 16)
    assert await kinds(judge, failed, lost, entry("c", number="2" * 16)) == ["refused"]


async def test_seventeenth_second_call_is_no_retry(judge):
    """However quickly they come, more calls than a deadline has room for are no retries."""
    many = [entry(f"r{n}", number=f"{n:016x}", at=T0 + n * 1000) for n in range(20)]
    found = await kinds(judge, *many)
    assert (found.count("repeated"), found.count("batch_reused")) == (15, 4)


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({"deks": DEKS[3:4]}, "unwrap_unmatched"),
        ({"at": T0 + 301 * SECOND}, "unwrap_unmatched"),
        ({"at": T0 - 61 * SECOND}, "unwrap_unmatched"),
        ({"headers": None}, "unwrap_unmatched"),
        ({"headers": {"x-strongroom-batch": [show_id("lst", LIST)]}}, "unwrap_unmatched"),
        ({"path": "strongroom/decrypt/kek-globex"}, "unwrap_unmatched"),
        ({"path": "strongroom/decrypt/another"}, "unwrap_unmatched"),
        ({"data": {"batch_input": "hmac-sha256:00"}}, "unwrap_unmatched"),
        ({"data": {"context": hashed(context_of("acme", DEKS[4]))}}, "unwrap_unmatched"),
        ({"data": None}, "unwrap_unmatched"),
        ({"data": {"batch_input": [{"context": context_of("acme", DEKS[0])}]}}, "raw_log"),
        ({"headers": {"x-strongroom-batch": ["canary " + "0" * 16]}}, "unwrap_unmatched"),
    ],
)
async def test_what_no_event_tells_is_named(judge, more, kind):
    """Another DEK, time, tenant, key or shape; no header or another's; the canary's name for a real DEK."""
    assert await kinds(judge, entry("a", **more)) == [kind]


async def test_canary_and_list_of_several_calls_are_honest(judge):
    """The reserved DEK under the canary's name, and a list in two calls, are as they should be."""
    canary = {"headers": {"x-strongroom-batch": ["canary " + "f" * 16]}}
    calls = entry("a", DEKS[:2]), entry("b", DEKS[2:3], number="1" * 16), entry("c", [CANARY], **canary)
    assert await kinds(judge, *calls) == []
    assert judge.finish().untouched == 0


async def test_unsigned_event_tells_nothing(judge, ledger):
    """An event that nobody signed for who may unwrap, that denied, or that tells of after, allows nothing."""
    forms = ({}, {"decision": "deny"}, {"failure": "erased"}, {"action": "reseal"}, {"batch": "lst_other"})
    deks = [bytes([50 + number]) * 16 for number in range(len(forms))]
    for number, (dek, form) in enumerate(zip(deks, forms, strict=True)):
        ledger.rows.append(_event(LIST, 100 + number, dek, **form))
        if form:
            ledger.genuine_ids.add(ledger.rows[-1].event_id)
    assert await kinds(judge, entry("a", deks)) == ["unwrap_unmatched"] * len(forms)


async def test_outage_forgets_nothing_and_remembers_nothing(judge, ledger):
    """While our log cannot be read the same lines are given again, and are judged then."""
    ledger.away = True
    with pytest.raises(Unavailable):
        await judge.take([entry("a"), entry("a", at=T0 + 2 * SECOND)])
    assert judge.dump()["seen"] == {}
    ledger.away = False
    assert await kinds(judge, entry("a")) == []


async def test_memory_is_bounded_by_the_window(judge, ledger):
    """What is older than any unwrap may be is forgotten, and lists that nobody touched are counted then."""
    await judge.take([entry(f"r{n}", number=f"{n:016x}", at=T0 + n * SECOND) for n in range(2)])
    await judge.take([entry("late", path="strongroom/encrypt/kek-acme", at=T0 + 3600 * SECOND)])
    assert (len(judge.seen), judge.once.items, judge.once.numbers, judge._told) == (1, {}, {}, {})
    assert judge.tally.untouched == 2


@pytest.mark.parametrize(
    ("path", "operation", "more", "kind"),
    [
        ("sys/policies/acl/x", "update", {}, "policy_changed"),
        ("sys/policies/acl/x", "read", {}, None),
        ("sys/policies/acl/x", "update", {"error": "permission denied"}, "refused"),
        ("sys/audit/file", "delete", {}, "audit_changed"),
        ("sys/audit-hash/file", "update", {}, None),
        ("sys/config/auditing/request-headers/X-Strongroom-Batch", "delete", {}, "audit_changed"),
        ("sys/auth/jwt", "update", {}, "access_changed"),
        ("auth/approle/role/strongroom-reveal", "update", {}, "access_changed"),
        ("auth/approle/login", "update", {}, None),
        ("auth/token/create", "update", {}, "access_changed"),
        ("auth/token/renew-self", "update", {}, None),
        ("identity/entity", "update", {}, "access_changed"),
        ("sys/raw/core", "read", {}, "server_changed"),
        ("sys/mounts/strongroom/tune", "update", {}, "server_changed"),
        ("sys/storage/raft/snapshot-force", "update", {}, "server_changed"),
        ("auth/ours/jwt/role/strongroom-reveal", "update", {}, "access_changed"),
        ("auth/ours/jwt/login", "update", {}, None),
        ("strongroom/export/encryption-key/kek-acme", "read", {}, "key_taken"),
        ("strongroom/export/signing-key/worker-reveal", "read", {"error": "permission denied"}, None),
        ("strongroom/export/signing-key/worker-reveal", "read", {}, "key_taken"),
        ("strongroom/backup/kek-acme", "read", {"error": "permission denied"}, "key_taken"),
        ("strongroom/keys/kek-acme", "delete", {}, "key_changed"),
        ("strongroom/keys/kek-acme/soft-delete", "delete", {"error": "permission denied"}, "key_changed"),
        ("strongroom/keys/no-such-key/config", "update", {"error": "permission denied"}, None),
        ("strongroom/keys/kek-acme/config", "update", {"data": {"min_decryption_version": 2}}, "key_changed"),
        ("strongroom/datakey/plaintext/kek-acme", "update", {}, "key_changed"),
        ("strongroom/config/keys", "update", {}, "key_changed"),
        ("strongroom/rewrap/kek-acme", "update", {}, "rewrap_stranger"),
        ("strongroom/encrypt/kek-acme", "update", {}, None),
        ("other/keys/x/config", "update", {}, None),
    ],
)
def test_unusual_act_is_named(path, operation, more, kind):
    """Policies, keys, audit and ways in: done or tried; what planes do every day is passed over."""
    found = look(entry("a", path=path, operation=operation, **more), Place())
    assert (found and found.kind) == kind


@pytest.mark.parametrize(
    ("path", "data", "who", "named"),
    [
        ("keys/kek-acme/rotate", None, "rotator", False),
        ("keys/kek-acme/config", {"min_decryption_version": 2}, "rotator", False),
        ("keys/kek-acme/config", {"min_decryption_version": 2, "exportable": True}, "rotator", True),
        ("keys/kek-acme/trim", {"min_available_version": 2}, "shredder", False),
        ("keys/kek-acme/trim", {"min_available_version": 2}, "rotator", True),
        ("keys/kek-new", {"type": "aes256-gcm96"}, "provisioner", False),
        ("keys/kek-acme/import", {}, "provisioner", True),
        ("rewrap/kek-acme", {}, "rotator", False),
    ],
)
def test_operators_work_is_passed_over(path, data, who, named):
    """What each operator's identity is there for is no incident; anything besides is."""
    one = entry("a", path=f"strongroom/{path}", data=data, policies=[f"strongroom-{who}"])
    assert (look(one, Place()) is not None) is named


@pytest.mark.parametrize("text", [b"", b"{}", b"[1]", b"\xff", b'{"time":"x","type":"request","request":{}}'])
def test_line_of_another_kind_is_unreadable(text):
    """A line that is no entry is said to be none."""
    with pytest.raises(Unreadable):
        read_entry(text)


def test_hashicorp_vault_writes_the_same(judge):
    """Without OpenBao's additional members, and with HashiCorp Vault's, an entry reads the same."""
    theirs = json.loads(line("a"))
    theirs["request"] |= {"mount_class": "secret", "client_id": "x", "replication_cluster": "c"}
    theirs["request"]["headers"] = {"X-Strongroom-Batch": theirs["request"]["headers"]["x-strongroom-batch"]}
    del theirs["request"]["namespace"]
    assert replace(read_entry(json.dumps(theirs).encode()), data=None) == replace(entry("a"), data=None)


async def test_state_carries_a_run_into_the_next(judge, ledger, tmp_path):
    """A second run skips what was judged, though the file was compressed, and knows what was used."""
    log, state, found = tmp_path / "audit.log", tmp_path / "state", []
    log.write_bytes(line("a"))
    run = Run(judge, Places(), found.append)
    await run.files(log_files([log]), lambda _: None)
    save(state, judge, run.places)
    (tmp_path / "audit.log.1.gz").write_bytes(
        gzip.compress(line("a") + line("b", at=T0 + 60 * SECOND, number="1" * 16))
    )
    log.write_bytes(line("c", at=T0 + 61 * SECOND, number="2" * 16) + b'{"half')
    again = Reconciler(ledger, ledger, ledger)
    run = Run(again, load(state, again), found.append)
    await run.files(log_files([tmp_path]), lambda _: None)
    assert [one.kind for one in found] == ["batch_reused", "batch_reused"]
    state.write_text("{}")
    with pytest.raises(CommandError):
        load(state, again)


async def test_missing_or_shortened_log_is_named(judge, tmp_path):
    """A log that was being written and is gone, or is shorter than what was read of it, is an incident."""
    log, found = tmp_path / "audit.log", []
    log.write_bytes(line("a") + line("b", number="1" * 16))
    run = Run(judge, Places(), found.append)
    await run.files(log_files([log]), lambda _: None)
    log.write_bytes(line("a"))
    await run.files(log_files([log]), lambda _: None)
    log.write_bytes(line("c", number="2" * 16))
    await run.files(log_files([log]), lambda _: None)
    assert [one.kind for one in found if one.kind != "repeated"] == ["log_cut", "log_cut"]


async def test_nobody_hides_behind_a_line_that_is_not_read(judge, tmp_path, monkeypatch):
    """A line too long or too deep is an incident, first of its file or not, and what follows is judged."""
    long, deep = line("a", data={"x": [1] * 4000}), line("b", data={"x": "?"})
    deep = deep.replace(b'"?"', b"[" * 1500 + b"]" * 1500)
    monkeypatch.setattr(files, "LONGEST", len(deep))
    log, found = tmp_path / "audit.log", []
    log.write_bytes(long + deep + line("c", DEKS[3:4]) + long[:-1])
    run = Run(judge, Places(), found.append)
    await run.files(log_files([log]), lambda _: None)
    growing = Growing(log)
    assert [placed(one).hidden for one in growing.read()] == [True, True, False]
    growing.close()
    with log.open("ab") as file:
        file.write(b"\n")
    await run.files(log_files([log]), lambda _: None)
    assert [one.kind for one in found] == ["hidden", "hidden", "unwrap_unmatched", "hidden"]
    assert run.incidents == 4


def ids(growing):
    return [json.loads(one.text)["request"]["id"] for one in growing.read()]


def test_growing_log_is_followed_through_rotation(tmp_path):
    """Renamed, late lines in the old file included; copied and cut; and cut without a copy, which is said."""
    log = tmp_path / "audit.log"
    growing = Growing(log)
    assert ids(growing) == []
    log.write_bytes(line("a") + line("b")[:-5])
    assert ids(growing) == ["a"]
    log.write_bytes(line("a") + line("b"))
    log.rename(tmp_path / "audit.log.1")
    assert ids(growing) == ["b"]
    with (tmp_path / "audit.log.1").open("ab") as old:
        old.write(line("late"))
    log.write_bytes(line("c"))
    assert ids(growing) == ["late", "c"]
    (tmp_path / "audit.log.2").write_bytes(log.read_bytes() + line("d"))
    log.write_bytes(line("e") + line("f"))
    assert ids(growing) == ["d", "e", "f"]
    log.write_bytes(line("g"))
    with pytest.raises(Cut):
        ids(growing)
    assert ids(growing) == ["g"]
    growing.close()
