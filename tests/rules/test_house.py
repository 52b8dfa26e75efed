"""The house rules of how code is written here, each a claim about every file."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from tests.rules.source import PRODUCT, ROOT, depth, functions, modules, name_of, tracked, tree_of
from vault.settings import OUTSIDE, PREFIX, SettingsError, read_settings

CODE = (*PRODUCT, "tests", "benchmarks", "docker")
COMMANDS = (
    "vault/cli/",
    "clients/python/strongroom_audit/cli.py",
    "clients/python/strongroom_audit/reporting.py",
)
MIGRATIONS = re.compile(r"/migrations/versions/")
NETS = {"vault/api/problems.py", "vault/cli/main.py"}
"""The HTTP edge's net and the command line's entry: the only places that catch what they cannot name."""
VAGUE = {"util", "utils", "helper", "helpers", "common", "manager", "managers", "base", "misc"}


def comments(path: Path) -> Iterator[tuple[int, str]]:
    """(line, text) of every comment."""
    for token in tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def test_rules_look_at_something():
    """The rules below see the code: none of them passes for lack of files."""
    assert len(modules(*PRODUCT)) > 100
    assert len(modules("tests")) > 30
    assert depth(ast.parse("def f():\n if a:\n  for b in c:\n   pass\n elif d:\n  pass").body[0]) == 2


def test_files_are_short():
    """No file of the product has more than 320 lines, none of the tests more than 400."""
    long = {
        name_of(path): lines
        for path in modules(*CODE)
        if (lines := path.read_text("utf-8").count("\n")) > (320 if path in modules(*PRODUCT) else 400)
    }
    assert long == {}


def test_functions_are_short():
    """No function of the product has more than 45 lines, none of the tests 60, but for migrations."""
    long = {
        f"{name_of(path)}:{function.name}": lines
        for path in modules(*CODE)
        if not MIGRATIONS.search(name_of(path))
        for function in functions(path)
        if (lines := function.end_lineno - function.lineno + 1) > (45 if path in modules(*PRODUCT) else 60)
    }
    assert long == {}


def test_functions_are_flat():
    """No function of the product nests blocks deeper than three."""
    deep = {
        f"{name_of(p)}:{f.name}": depth(f) for p in modules(*PRODUCT) for f in functions(p) if depth(f) > 3
    }
    assert deep == {}


def test_functions_take_few_arguments():
    """No function of the product takes more than five positional arguments, `self` aside.

    The command line's commands are apart: typer reads options from parameters.
    """
    many = {
        f"{name_of(path)}:{function.name}"
        for path in modules(*PRODUCT)
        if not name_of(path).startswith(COMMANDS)
        for function in functions(path)
        if len([a for a in function.args.args if a.arg not in ("self", "cls")]) > 6
    }
    assert many == set()


def test_modules_have_names_that_say_something():
    """No module or folder is called utils, helpers, common, manager or base."""
    named = {name_of(path) for path in modules(*CODE) if VAGUE & set(path.with_suffix("").parts)}
    assert named == set()


def test_every_module_says_what_it_owns():
    """Every Python file begins with a docstring."""
    silent = {name_of(path) for path in modules(*CODE) if not ast.get_docstring(tree_of(path))}
    assert silent == set()


def test_every_test_is_a_claim():
    """Every test has a docstring that is a whole sentence."""
    unclaimed = {
        f"{name_of(path)}:{function.name}"
        for path in modules("tests", "clients/python/tests")
        if path.name.startswith("test_")
        for function in functions(path)
        if function.name.startswith("test_")
        and not (ast.get_docstring(function) or "").rstrip().endswith(".")
    }
    assert unclaimed == set()


def test_only_the_two_nets_catch_everything():
    """`except Exception` stands in the HTTP problem handler and the command line's entry alone."""
    broad = {
        name_of(path)
        for path in modules(*PRODUCT)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ExceptHandler) and (node.type is None or _catches_all(node.type))
    }
    assert broad == NETS


def _catches_all(kind: ast.expr) -> bool:
    names = {node.id for node in ast.walk(kind) if isinstance(node, ast.Name)}
    return bool(names & {"Exception", "BaseException"})


def test_ignores_name_what_they_ignore():
    """`# type: ignore` names its code and `# noqa` its rule."""
    blanket = re.compile(r"#\s*type:\s*ignore(?!\[)|#\s*noqa(?!:)")
    found = {f"{name_of(p)}:{n}" for p in modules(*CODE) for n, text in comments(p) if blanket.search(text)}
    assert found == set()


def test_nothing_is_left_to_do():
    """No comment promises later work, and no function is a stub."""
    later = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    promised = {f"{name_of(p)}:{n}" for p in modules(*CODE) for n, text in comments(p) if later.search(text)}
    stubs = {
        f"{name_of(path)}:{node.lineno}"
        for path in modules(*PRODUCT)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Name) and node.id == "NotImplementedError"
    }
    assert promised | stubs == set()


def test_plaintext_leaves_its_wrapper_where_it_was_reviewed():
    """`reveal()` is called in these files only: each is a place where plaintext may leave."""
    callers = {
        name_of(path)
        for path in modules("vault", "keys")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "reveal"
    }
    inside = {name for name in callers if not name.startswith(("vault/cli/", "vault/demo/"))}
    assert inside == {
        "vault/api/export.py", "vault/api/reveal.py", "vault/api/shown.py", "vault/service/assertions.py",
        "vault/service/client_secrets.py", "vault/service/detokenize.py", "vault/service/export.py",
        "vault/service/idempotency.py", "vault/service/passphrase.py", "vault/store/wall.py",
    }  # fmt: skip


@pytest.mark.parametrize(
    "path", [p for p in modules(*PRODUCT) if "__all__" in p.read_text("utf-8")], ids=name_of
)  # fmt: skip
def test_all_is_exact(path):
    """Where a module has `__all__`, every name in it exists, once, and every public name is in it."""
    name = name_of(path).removeprefix("clients/python/").removesuffix(".py").removesuffix("/__init__")
    module = import_module(name.replace("/", "."))
    assert len(module.__all__) == len(set(module.__all__))
    assert [one for one in module.__all__ if not hasattr(module, one)] == []
    defined = {
        node.name
        for node in tree_of(path).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
    }
    assert defined <= set(module.__all__)


def test_every_setting_is_documented():
    """docs/OPERATIONS.md names every setting there is, and no other."""
    page = (ROOT / "docs/OPERATIONS.md").read_text("utf-8")
    section = page.partition("\n## Settings\n")[2].partition("\n## ")[0]
    with pytest.raises(SettingsError, match="known are") as refused:
        read_settings({f"{PREFIX}NO_SUCH_SETTING": "1"})
    real = set(re.findall(r"STRONGROOM_[A-Z_]+", str(refused.value).partition("known are")[2]))
    named = set(re.findall(r"`(STRONGROOM_[A-Z_]+)`", section))
    assert real - named == set()
    assert named - real - {PREFIX + one for one in OUTSIDE} == set()


def test_nothing_names_a_machine():
    """No tracked file names a path of the machine it was written on, nor where packages come from."""
    machine = re.compile(rb"/(?:work|home/[a-z]+|root|Users)/[\w.-]|/tmp/[a-z_]{2,}/")
    index = re.compile(rb"--(?:extra-)?index-url|^\s*index-url|\[\[tool\.uv\.index\]\]", re.MULTILINE)
    named = {
        f"{name_of(path)}: {hit[0][:40]!r}"
        for path in tracked()
        if path != Path(__file__)
        for pattern in (machine, index)
        if (hit := pattern.search(path.read_bytes()))
    }
    assert named == set()


def test_requirements_are_hashed():
    """Every pinned requirement carries hashes, so that an index cannot serve something else."""
    for name in ("requirements.txt", "requirements-dev.txt"):
        text = (ROOT / name).read_text("utf-8").replace("\\\n", " ")
        pins = [line for line in text.splitlines() if line and not line.startswith(("#", "-", " "))]
        assert pins
        assert [pin.split()[0] for pin in pins if "==" not in pin or "--hash=sha256:" not in pin] == []
