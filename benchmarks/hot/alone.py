"""The vault alone on its stage: nobody to be compared with."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from benchmarks.hot.contenders import SEEDED, Ours
from benchmarks.hot.fleet import Shape, serve, watched
from benchmarks.hot.stage import Stage
from benchmarks.stage import vault


def _nothing(_: Stage) -> None:
    """Before the first request nothing is looked at."""


async def alone(
    stack: AsyncExitStack,
    folder: Path,
    shape: Shape,
    *,
    records: int = SEEDED,
    before: Callable[[Stage], None] = _nothing,
) -> Stage:
    """Start a vault, tokenize what will be opened. `before` is called while nobody has asked for anything."""
    world = await stack.enter_async_context(vault(kind=shape.database))
    fleet = await serve(stack, world, folder, shape, {})
    ours = Ours(fleet.urls(), world.secrets)
    place = Stage({"ours": ours}, watched(world, fleet), fleet.shared())
    before(place)
    await ours.seed(records)
    return place
