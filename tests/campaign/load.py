"""Callers at work beside a fault: some seal, some open. Everything they were told is in the ledger."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.campaign.ledger import Call, Ledger
from tests.campaign.rig import Rig

SEALING, OPENING = 6, 6
PAUSE = 0.02
MOST_OPENED = 3
_UNKNOWN = {"outcome_unknown", "deadline_passed", "no_answer"}


class Load:
    """The callers. Bounded: each has one request under way, and pauses."""

    def __init__(self, rig: Rig, ledger: Ledger, seed: int) -> None:
        self._rig, self.ledger = rig, ledger
        self._choice = random.Random(seed)
        self._name = f"{seed}-{self._choice.randrange(10**9)}"
        self._going = True

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """At work meanwhile; every doubt is settled afterwards."""
        await asyncio.gather(*(self._seal(f"{self._name}-first-{n}") for n in range(8)))
        work = [*(self._sealing(n) for n in range(SEALING)), *(self._opening() for _ in range(OPENING))]
        work.append(self._watching_the_clock())
        tasks = [asyncio.create_task(one) for one in work]
        try:
            yield
        finally:
            self._going = False
            await asyncio.gather(*tasks)
        await self._settle()

    async def healed(self, seconds: float = 25.0) -> None:
        """Return once nothing has been refused for a while; the ledger tells how long it took."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end:
            await asyncio.sleep(0.2)
            since = loop.time() - 1.5
            lately = [call for call in self.ledger.calls[-200:] if call.ended > since]
            kinds = {call.kind for call in lately if call.status == 200}
            quiet = self.ledger.over and since > self.ledger.over[-1]
            if quiet and {"tokenize", "detokenize"} <= kinds and all(c.status == 200 for c in lately):
                return

    async def served(self, count: int, seconds: float = 20.0) -> None:
        """Return once so many more were acknowledged."""
        before = self.ledger.acknowledged
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.ledger.acknowledged < before + count:
                    await asyncio.sleep(0.05)

    async def pay(self, tokens: Sequence[str], kind: str) -> bool:
        """One call that opens as many tokens; whether all came out."""
        body = {"purpose": "payment", "reference": kind, "items": [{"token": token} for token in tokens]}
        answer = await self._timed(kind, self._post("/v1/detokenize", body, who="payments"))
        if answer is None or answer.status_code != 200:
            return False
        for token, item in zip(tokens, answer.json()["items"], strict=True):
            self.ledger.receipts.append(item["receipt"])
            if item.get("value") != self._value(token):
                self.ledger.wrong.append(token)
        return True

    async def _sealing(self, caller: int) -> None:
        turn = 0
        while self._going:
            key, turn = f"{self._name}-{caller}-{turn}", turn + 1
            done = await self._seal(key)
            await asyncio.sleep(PAUSE if done else 5 * PAUSE)

    async def _opening(self) -> None:
        while self._going:
            known = list(self.ledger.values)
            count = self._choice.randint(1, MOST_OPENED)
            tokens = self._choice.choices(known[-2000:], k=count) if known else []
            done = bool(tokens) and await self.pay(list(dict.fromkeys(tokens)), "detokenize")
            await asyncio.sleep(PAUSE if done else 5 * PAUSE)

    async def _watching_the_clock(self) -> None:
        loop = asyncio.get_running_loop()
        while self._going:
            due = loop.time() + 0.1
            await asyncio.sleep(0.1)
            self.ledger.lag = max(self.ledger.lag, loop.time() - due)

    async def _seal(self, key: str, value: str = "") -> bool:
        value = value or self._rig.canary()
        body = {"subject": f"cust-{key[-8:]}", "items": [{"type": "person_name", "value": value}]}
        answer = await self._timed("tokenize", self._post("/v1/tokenize", body, who="signup", key=key))
        if answer is not None and answer.status_code == 200:
            item = answer.json()["items"][0]
            self.ledger.values[item["token"]] = value
            self.ledger.receipts.append(item["receipt"])
            return True
        code = "no_answer" if answer is None else _code(answer)
        if code in _UNKNOWN:
            self.ledger.doubtful[key] = value
        return False

    async def _post(self, path: str, body: Any, *, who: str, key: str = "") -> httpx.Response:
        headers = self._rig.headers(who) | ({"idempotency-key": key} if key else {})
        return await self._rig.client.post(path, json=body, headers=headers)

    async def _timed(self, kind: str, asked: Awaitable[httpx.Response]) -> httpx.Response | None:
        loop = asyncio.get_running_loop()
        sent, answer, code = loop.time(), None, "no_answer"
        try:
            answer = await asked
        except httpx.ConnectError:
            code = "not_reached"
        except httpx.HTTPError:
            code = "no_answer"
        status = answer.status_code if answer is not None else 0
        code = code if answer is None else "" if status == 200 else _code(answer)
        if answer is not None and status != 200 and self._rig.marker in answer.text:
            self.ledger.told.append(code)
        self.ledger.calls.append(Call(kind, sent, loop.time(), status, code))
        return answer

    async def _settle(self) -> None:
        """Ask again, twice, under the same key: it is one record, whatever happened to the first request."""
        doubts = list(self.ledger.doubtful.items())
        for start in range(0, len(doubts), 16):
            await asyncio.gather(*(self._settle_one(*doubt) for doubt in doubts[start : start + 16]))

    async def _settle_one(self, key: str, value: str) -> None:
        if len({await self._settled(key, value) for _ in range(2)}) != 1:
            self.ledger.wrong.append(f"one key, two tokens: {key}")

    async def _settled(self, key: str, value: str) -> str:
        body = {"subject": f"cust-{key[-8:]}", "items": [{"type": "person_name", "value": value}]}
        async with asyncio.timeout(15):
            while (
                answer := await self._post("/v1/tokenize", body, who="signup", key=key)
            ).status_code != 200:
                await asyncio.sleep(0.2)
        item = answer.json()["items"][0]
        self.ledger.values[item["token"]] = value
        self.ledger.receipts.append(item["receipt"])
        return str(item["token"])

    def _value(self, token: str) -> str | None:
        return self.ledger.values.get(token) or self._rig.journal.values.get(token)


def _code(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["code"])
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status_code}"
