"""The source as the rules look at it: tracked files, parsed modules, functions."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCT = (
    "vault", "keys", "clients/python/strongroom", "clients/python/strongroom_audit",
    "clients/python/strongroom_witness",
)  # fmt: skip
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def tracked() -> tuple[Path, ...]:
    """Every file of the repository as git knows it; without git, every source file there is."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        return tuple(path for folder in (*PRODUCT, "tests", "docs") for path in (ROOT / folder).rglob("*.*"))
    return tuple(path for name in listed.stdout.splitlines() if (path := ROOT / name).is_file())


@cache
def modules(*folders: str) -> tuple[Path, ...]:
    """The Python files below these folders."""
    below = tuple(f"{folder}/" for folder in folders)
    return tuple(path for path in tracked() if path.suffix == ".py" and name_of(path).startswith(below))


@cache
def tree_of(path: Path) -> ast.Module:
    """A module's syntax tree."""
    return ast.parse(path.read_text("utf-8"))


def name_of(path: Path) -> str:
    """A file's name inside the repository."""
    return path.relative_to(ROOT).as_posix()


def functions(path: Path) -> Iterator[Function]:
    """Every function of a module, inner ones included."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, Function):
            yield node


def depth(node: ast.AST) -> int:
    """How deeply blocks are nested inside a function. An `elif` lies beside its `if`."""
    nesting = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)
    deepest = 0
    for child in ast.iter_child_nodes(node):
        chained = isinstance(node, ast.If) and node.orelse == [child] and isinstance(child, ast.If)
        own = isinstance(child, nesting) and not chained
        if not isinstance(child, (*Function.__args__, ast.ClassDef)):
            deepest = max(deepest, own + depth(child))
    return deepest
