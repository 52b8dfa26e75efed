"""One line of text that people wrote for people, fit to be signed, logged and shown. Pure."""

import re
import unicodedata

_LINE = re.compile(
    r"[^\x00-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    r"\U000e0000-\U000e007f]+"
)
"""No control, direction or invisible characters; joiners stay, scripts of India are written with them."""

LONGEST = 200


def acceptable_line(text: object, *, longest: int = LONGEST) -> bool:
    """Whether `text` is one tidy line: normalised, not blank, nothing in it that steers or hides."""
    if not isinstance(text, str) or not 1 <= len(text) <= longest or _LINE.fullmatch(text) is None:
        return False
    return text == text.strip() and unicodedata.is_normalized("NFC", text)
