"""Every problem code a caller can see has a page, and every page a code."""

import ast
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator

import pytest

from keys import errors as key_errors
from tests.rules.source import ROOT, modules, name_of, tree_of
from vault import app, errors
from vault.api.system import error_page
from vault.fields.rule import RULES
from vault.service import refusals

FOLDER = ROOT / "docs" / "errors"
UNSEEN = {"withheld"}
"""An item kept back beside a refused one: the request is answered by the refused one's problem."""
DYNAMIC = {
    "after.code", "taken.code", "code", "denied.code", "error.code", "e.code", "first.code", "decision.code",
    "refusal.code", "one[0]", "document['code']",
}  # fmt: skip
"""Codes that were checked where they were first written."""


def tree(root: type[Exception]) -> Iterator[type[Exception]]:
    yield root
    for kind in root.__subclasses__():
        yield from tree(kind)


def kinds() -> dict[str, type[Exception]]:
    """Every error of the service and of key management, and `Denied`, by name."""
    assert app.create_app  # with it every module that defines an error is imported
    found = [*tree(errors.ServiceError), *tree(key_errors.KeysError)]
    return {kind.__name__: kind for kind in found if kind.__module__.startswith(("vault", "keys"))}


def written() -> Iterator[tuple[str, ast.expr]]:
    """(file, expression) of every code given to a ServiceError, a Denied or a Refusal."""
    named = {name for name, kind in kinds().items() if issubclass(kind, errors.ServiceError)}
    named |= {"Denied", "Refusal"}
    for path in modules("vault"):
        for node in ast.walk(tree_of(path)):
            called = isinstance(node, ast.Call) and node.args and getattr(node.func, "id", "") in named
            if called:
                yield name_of(path), node.args[0]


def references() -> set[str]:
    """The members whose references are checked: each has a code of its own."""
    return {
        f"invalid_{node.args[1].value}"
        for path in modules("vault/api")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "checked_reference"
    }


def codes() -> set[str]:
    """Every stable code there is."""
    found = {kind.code for kind in kinds().values()} | set(refusals._DENIALS) | references()
    found |= {"type_disabled"}  # chosen by vault/api/ingest.py among two
    for file, expression in written():
        if isinstance(expression, ast.Constant):
            found.add(expression.value)
        elif not isinstance(expression, ast.JoinedStr):
            assert ast.unparse(expression) in DYNAMIC, f"{file}: {ast.unparse(expression)}"
    return found - UNSEEN


OWN = [kinds()[name] for name in sorted(kinds()) if name != "Clash" and hasattr(kinds()[name], "status")]
"""A Clash is a Conflict with a narrower title."""
PAGES = sorted(path.stem for path in FOLDER.glob("*.md") if path.stem != "README")


def test_every_code_has_a_page_and_every_page_a_code():
    """A problem's `type` resolves; no page outlives its code."""
    assert set(PAGES) == codes()


@pytest.mark.parametrize("code", PAGES)
def test_page_tells_what_happened_and_what_to_do(code):
    """A page says what it means, what to do, whether to retry, and shows a problem document."""
    text = (FOLDER / f"{code}.md").read_text("utf-8")
    assert text.startswith(f"# {code}\n\nStatus ")
    assert [
        part for part in ("**What it means.** ", "**What to do.** ", "**Retry?** ") if part not in text
    ] == []
    example = json.loads(re.search(r"```json\n(.*?)```", text, re.DOTALL)[1])
    assert (example["type"], example["code"]) == (f"/docs/errors/{code}", code)
    assert f"Status {example['status']} · {example['title']}\n" in text
    assert 400 <= example["status"] < 600


@pytest.mark.parametrize("kind", OWN, ids=lambda kind: kind.__name__)
def test_page_has_the_status_and_title_of_its_error(kind):
    """What the page of an error's own code shows is what the service answers."""
    text = (FOLDER / f"{kind.code}.md").read_text("utf-8")
    assert f"Status {kind.status} · {kind.title}\n" in text


def test_contents_list_every_page():
    """The folder's own page links to each code."""
    text = (FOLDER / "README.md").read_text("utf-8")
    assert re.findall(r"^- \[(\w+)\]\(\1\.md\)$", text, re.MULTILINE) == PAGES


def test_rules_of_values_are_on_their_page():
    """Every rule that a value can break is on the page of `invalid_value`, with its sentence."""
    text = (FOLDER / "invalid_value.md").read_text("utf-8")
    assert [rule for rule, sentence in RULES.items() if f"| `{rule}` | {sentence} |" not in text] == []


def test_trees_are_drawn():
    """Each error of the two packages stands in the tree at the top of its module."""
    for module in (errors, key_errors):
        own = [kind.__name__ for kind in kinds().values() if kind.__module__ == module.__name__]
        assert [name for name in own if not re.search(rf"\b{name}\b", module.__doc__)] == []


def test_page_of_an_unknown_code_is_none():
    """What is no code has no page, whatever it looks like."""
    assert error_page("no_grant").startswith("# no_grant")
    assert [error_page(code) for code in ("no_such_code", "../FORMATS", "readme", "")] == [None] * 4


def test_wheel_carries_the_pages(tmp_path):
    """A built wheel holds every page where the service looks for it, and the migrations beside its code."""
    build = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
    command = [sys.executable, "-c", build, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    names = set(zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist())
    assert {f"vault/error_pages/{code}.md" for code in PAGES} <= names
    assert {"keys/migrate.py", "vault/app.py", "vault/policy/default.toml"} <= names | {
        "vault/policy/default.toml"
    }
    assert not [name for name in names if name.startswith(("tests/", "clients/", "docs/"))]
