"""The program that encrypts to a passphrase for the reveal plane: standard input in, an age file out.

Input: the passphrase's length in four bytes, the passphrase, and all the rest is what to encrypt.
"""

import sys

from pyrage import passphrase

from vault.cli.process import harden


def main() -> None:
    """Encrypt what comes in. Says nothing about what goes wrong but that something did."""
    if not harden():
        raise SystemExit(1)
    sys.excepthook = lambda *_: None  # a message could quote what it was given
    told = sys.stdin.buffer.read()
    end = 4 + int.from_bytes(told[:4])
    sealed = passphrase.encrypt(told[end:], told[4:end].decode())
    sys.stdout.buffer.write(sealed)


if __name__ == "__main__":
    main()
