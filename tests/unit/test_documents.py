"""What README and docs/ name exists: files, tests, commands, settings."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from vault.cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / name for name in ("README.md", "SECURITY.md", "CHANGELOG.md")] + sorted(
    page for page in (ROOT / "docs").rglob("*.md") if page.parent.name != "errors"
)
_FOLDERS = "vault|keys|docs|tests|docker|clients"


def pages(pattern: str) -> list[tuple[str, str]]:
    """(page, what it names) for every match of `pattern`."""
    return [
        (str(page.relative_to(ROOT)), match)
        for page in PAGES
        for match in re.findall(pattern, page.read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize(("page", "path"), pages(rf"`((?:{_FOLDERS})/[\w./-]*)"))
def test_every_path_that_is_named_exists(page: str, path: str):
    """A file or folder in backquotes is in the repository."""
    assert (ROOT / path).exists(), f"{page} names {path}"


@pytest.mark.parametrize(("page", "target"), pages(r"\]\((?!https?:|#)([^)#]+)"))
def test_every_link_leads_somewhere(page: str, target: str):
    """A relative link leads to a file or folder that exists."""
    assert ((ROOT / page).parent / target).exists(), f"{page} links to {target}"


def test_every_test_that_threats_name_exists():
    """Each test in docs/THREATS.md is a function of the file it is named with."""
    text = (ROOT / "docs" / "THREATS.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+)`|`:((?:[\s,]*`test_\w+`)+))", text)
    assert len(named) > 15
    for file, one, several in named:
        names = {one} if one else set(re.findall(r"`(\w+)`", several))
        assert names <= _functions(ROOT / file), f"{names - _functions(ROOT / file)} not in {file}"


def test_every_command_that_is_shown_exists():
    """Each line that begins with `strongroom` names a command there is, with options it takes."""
    shown = pages(r"(?m)^(?:docker compose run --rm )?strongroom ([a-z-][^\n`#]*)$")
    assert len(shown) > 15
    for page, line in shown:
        _assert_command(page, line)


def _assert_command(page: str, line: str) -> None:
    words = line.split()
    command: Any = get_command(app)
    while words and hasattr(command, "commands"):
        assert words[0] in command.commands, f"{page}: strongroom {line}"
        command = command.commands[words.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    given = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert given <= known, f"{page}: {given - known} is no option of strongroom {line}"


def _functions(file: Path) -> set[str]:
    tree = ast.parse(file.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
