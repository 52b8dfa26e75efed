"""Examples and shared shapes for the OpenAPI document. All data is invented."""

from typing import Any

_TOKEN = "tok_pan_1m3vqxq3b9w0zk7a8ph2n5rcyd5g"  # noqa: S105  # an example
_RECEIPT = "rcp_AQZBuk…"

REQUESTS: dict[str, Any] = {
    "tokenize": {
        "subject": "cust-8472",
        "items": [
            {"type": "pan", "value": "ABCPE1234F"},
            {
                "type": "bank_account",
                "value": {"number": "123456789012", "ifsc": "HDFC0000123", "holder": "Asha Traders"},
            },
        ],
    },
    "detokenize": {
        "purpose": "payment",
        "reference": "payout-2026-11-07",
        "items": [{"token": _TOKEN}],
    },
    "search": {"type": "pan", "value": "ABCPE1234F", "purpose": "payment"},
    "inspect": {"tokens": [_TOKEN]},
    "erase": {"tokens": [_TOKEN], "reason": "case-118"},
    "query": {"token": _TOKEN, "limit": 100},
    "bodies": {"from": 0, "limit": 1024},
    "create": {"name": "payouts", "person": "Asha Rao", "grants": ["detokenize:payment@payment"]},
    "grant": {"grants": ["inspect"]},
    "ungrant": {"grants": ["inspect"]},
    "revoke": {},
    "rotate": {},
    "apply": {"toml": 'version = 1\n[purposes.payment]\ntitle = "…"\nbasis = "contract"\nlaw = "…"\n'},
}

ANSWERS: dict[str, Any] = {
    "tokenize": {
        "items": [
            {
                "token": _TOKEN,
                "type": "pan",
                "subject": "cust-8472",
                "masked": "******234F",
                "receipt": _RECEIPT,
            }
        ]
    },
    "detokenize": {"items": [{"token": _TOKEN, "type": "pan", "value": "ABCPE1234F", "receipt": _RECEIPT}]},
    "search": {"tokens": [_TOKEN], "receipt": _RECEIPT},
    "inspect": {
        "items": [
            {
                "token": _TOKEN,
                "type": "pan",
                "subject": "cust-8472",
                "state": "active",
                "versions": 1,
                "created": "2026-11-07T09:30:00.000000Z",
            }
        ]
    },
    "erase": {
        "items": [
            {
                "token": _TOKEN,
                "state": "shredded",
                "erased": "2026-11-07T09:30:00.000000Z",
                "receipt": _RECEIPT,
                "tell": ["mailer"],
            }
        ]
    },
    "query": {
        "events": [{"v": 1, "verb": "detokenize", "decision": "allow", "token": _TOKEN}],
        "next": None,
        "dropped_before": None,
    },
}

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "code", "request_id"],
    "properties": {
        "type": {"type": "string", "description": "Resolves to a page about this problem."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Stable."},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "description": "The problem of each item that has one, by its position.",
            "items": {"type": "object", "required": ["index", "code"]},
        },
    },
}

OAUTH_ERROR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
}

SECURITY: dict[str, Any] = {
    "client_credentials": {
        "type": "oauth2",
        "flows": {"clientCredentials": {"tokenUrl": "/oauth2/token", "scopes": {}}},
    }
}

THROTTLED_HEADERS: dict[str, Any] = {
    name: {"description": text, "schema": {"type": "string"}}
    for name, text in {
        "Retry-After": "Seconds to wait.",
        "RateLimit-Policy": 'What a credential may send, where a limit is set: `"values";q=1000;w=10`.',
        "RateLimit": 'What is left of it: `"values";r=0;t=10`. Good answers have both headers too.',
    }.items()
}
IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,64}$"},
}

TOKEN_REQUEST: dict[str, Any] = {
    "required": True,
    "content": {
        "application/x-www-form-urlencoded": {
            "schema": {
                "type": "object",
                "required": ["grant_type"],
                "properties": {
                    "grant_type": {"type": "string", "enum": ["client_credentials"]},
                    "scope": {
                        "type": "string",
                        "enum": ["ingest", "reveal", "office", "audit", "control"],
                    },
                    "client_id": {"type": "string"},
                    "client_secret": {"type": "string"},
                    "client_assertion_type": {"type": "string"},
                    "client_assertion": {"type": "string"},
                },
            }
        }
    },
}
