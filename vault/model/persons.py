"""Whether two names are one person's: four eyes means two persons, however one of them is spelled. Pure."""

import unicodedata


def same_person(one: str, other: str) -> bool:
    """Whether the names differ in nothing but case, spaces and Unicode spelling."""
    return _folded(one) == _folded(other)


def _folded(name: str) -> str:
    """Folding can leave what is not normalised, so it is normalised before and after."""
    folded = unicodedata.normalize("NFC", name).casefold()
    return " ".join(unicodedata.normalize("NFC", folded).split())
