"""Personal data behind tokens, written by hand: FastAPI, hvac and SQLAlchemy, as a competent team would.

Each value is one call to transit; ciphertext and audit row are written in one transaction; before a value is
answered, that it was read is committed. Routes are plain functions, which FastAPI runs in its pool of
threads, and the connections to transit and to the database are as many as the threads. An API key says who
calls.

It knows no policy, no consent, no erasure, no proof of its log; it keeps one key for everything.

    BY_HAND_DATABASE=postgresql+psycopg://… BY_HAND_VAULT=http://… BY_HAND_VAULT_TOKEN=… \\
    BY_HAND_API_KEY=… granian --interface asgi --workers 2 benchmarks.by_hand.service:app
"""

import base64
import json
import os
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hmac import compare_digest
from typing import Annotated

import anyio.to_thread
import hvac
import requests
from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel, Field
from requests.adapters import HTTPAdapter
from sqlalchemy import insert, select

from benchmarks.by_hand.tables import audit, open_engine, value

THREADS = int(os.environ.get("BY_HAND_THREADS", "16"))
KEY, MOUNT = "by-hand", os.environ.get("BY_HAND_MOUNT", "strongroom")
API_KEY = os.environ["BY_HAND_API_KEY"]
_IFSC = re.compile(r"[A-Z]{4}0[A-Z0-9]{6}")

engine = open_engine(os.environ["BY_HAND_DATABASE"], THREADS)


def _transit() -> hvac.Client:
    session = requests.Session()
    session.trust_env = False
    session.mount("http://", HTTPAdapter(pool_connections=1, pool_maxsize=THREADS, pool_block=True))
    return hvac.Client(os.environ["BY_HAND_VAULT"], os.environ["BY_HAND_VAULT_TOKEN"], session=session)


transit = _transit().secrets.transit


@asynccontextmanager
async def _threads(_: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    yield


app = FastAPI(lifespan=_threads)


class BankAccount(BaseModel):
    """A value, validated."""

    number: str = Field(pattern=r"^[0-9]{9,18}$")
    ifsc: str = Field(pattern=_IFSC.pattern)
    holder: str = Field(min_length=1, max_length=100)


class Tokenize(BaseModel):
    """`POST /tokenize`"""

    subject: str = Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")
    value: BankAccount


class Detokenize(BaseModel):
    """`POST /detokenize`"""

    token: str = Field(max_length=40)
    purpose: str = Field(pattern="^payment$")


def caller(authorization: Annotated[str, Header()]) -> str:
    """Who calls."""
    if not compare_digest(authorization, f"Bearer {API_KEY}"):
        raise HTTPException(401)
    return "payments"


Caller = Annotated[str, Depends(caller)]


@app.post("/tokenize")
def tokenize(body: Tokenize, who: Caller) -> dict[str, str]:
    """A value in, a token out."""
    plaintext = base64.b64encode(body.value.model_dump_json().encode()).decode()
    answer = transit.encrypt_data(KEY, plaintext=plaintext, mount_point=MOUNT)
    token = f"tok_{secrets.token_hex(16)}"
    with engine.begin() as connection:
        row = {"token": token, "subject": body.subject, "type": "bank_account"}
        connection.execute(insert(value), row | {"ciphertext": answer["data"]["ciphertext"]})
        connection.execute(insert(audit), _audited(who, "tokenize", token))
    return {"token": token}


@app.post("/detokenize")
def detokenize(body: Detokenize, who: Caller) -> dict[str, object]:
    """A token in, its value out."""
    with engine.begin() as connection:
        wanted = select(value.c.ciphertext).where(value.c.token == body.token)
        ciphertext = connection.execute(wanted).scalar_one_or_none()
        if ciphertext is None:
            raise HTTPException(404)
        connection.execute(insert(audit), _audited(who, "detokenize", body.token, body.purpose))
    answer = transit.decrypt_data(KEY, ciphertext=ciphertext, mount_point=MOUNT)
    return {"value": json.loads(base64.b64decode(answer["data"]["plaintext"]))}


def _audited(who: str, verb: str, token: str, purpose: str | None = None) -> dict[str, str | None]:
    return {"id": secrets.token_hex(16), "actor": who, "verb": verb, "token": token, "purpose": purpose}
