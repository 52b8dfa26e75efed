"""Text of a log made fit to show: nothing in it can steer a terminal, a spreadsheet or a browser.

Bodies are evidence and may hold anything a body can; what is shown of them goes through here first.
"""

from html import escape

_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "﹢", "﹣", "﹫", "﹦")


def clean(text: str) -> str:
    """Control, direction and other invisible characters as `\\u{…}`; all others as they are."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else f"\\u{{{ord(char):x}}}" for char in text)


def cell(value: object) -> str:
    """One cell of a CSV file that no spreadsheet takes for a formula."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    text = clean(str(value))
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text


def markup(value: object) -> str:
    """Text inside HTML, in an element or an attribute."""
    return escape(clean(str(value)), quote=True)
