"""Asks a running plane how it is: exit 0 when the address answers 200. For HEALTHCHECK.

health.py https://127.0.0.1:8443/readyz ca.pem
"""

import ssl
import sys
import urllib.error
import urllib.request


def healthy(address: str, authority: str | None) -> bool:
    """Whether `address` answers 200, over TLS under `authority` where it is https."""
    if not address.startswith(("http://127.0.0.1:", "https://127.0.0.1:")):
        raise SystemExit("only a process of this container is asked")
    context = ssl.create_default_context(cafile=authority) if authority else None
    # No proxy: what the environment names has no business in a question to ourselves.
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if context is not None:
        handlers.append(urllib.request.HTTPSHandler(context=context))
    try:
        with urllib.request.build_opener(*handlers).open(address, timeout=4) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, TimeoutError, OSError):
        return False


if __name__ == "__main__":
    sys.exit(0 if healthy(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None) else 1)
