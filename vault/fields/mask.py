"""How much of a value may be shown. One mark, one fixed length: a mask does not tell how long a value is."""

from collections.abc import Callable, Mapping

from vault.fields.rule import Plain

HIDDEN = "****"


def window(text: str, *, first: int = 0, last: int = 0) -> str:
    """Show `first` and `last` characters, or nothing unless more stays hidden than is shown."""
    shown = first + last
    if len(text) <= 2 * shown:
        return HIDDEN
    return text[:first] + HIDDEN + text[len(text) - last :]


def last_four(text: str) -> str:
    """Show the last four characters of nine or more, else nothing."""
    return window(text, last=4)


def hide(text: str) -> str:  # noqa: ARG001 - a mask like the others
    """Show nothing."""
    return HIDDEN


def initial(name: str) -> str:
    """Show the first letter of a name of three characters or more.

    Nothing is shown in scripts whose one character can be a whole surname (Han, Hangul, kana).
    """
    letter = name[:1]
    whole_names = "\u1100" <= letter <= "\u11ff" or letter >= "\u2e80"
    return HIDDEN if whole_names or not letter.isalpha() else window(name, first=1)


def address(text: str) -> str:
    """Show the first character of what stands before the last @, and all that follows it."""
    local, _, domain = text.rpartition("@")
    return f"{window(local, first=1)}@{domain}"


def of_text(conceal: Callable[[str], str]) -> Callable[[Plain], Plain]:
    """Lift a mask of text; an object it cannot mask is hidden whole."""
    return lambda plain: conceal(plain) if isinstance(plain, str) else HIDDEN


def of_parts(conceal: Mapping[str, Callable[[str], str]]) -> Callable[[Plain], Plain]:
    """Lift one mask per part; parts without a mask are hidden."""

    def conceal_each(plain: Plain) -> Plain:
        if isinstance(plain, str):
            return HIDDEN
        return {part: conceal.get(part, hide)(text) for part, text in plain.items()}

    return conceal_each


def show(text: str) -> str:
    """Show everything; for parts that name no one by themselves, like a country."""
    return text
