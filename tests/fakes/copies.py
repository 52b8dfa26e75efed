"""What the tests of copies share: people of a desk that makes them, and how one is asked for."""

from typing import Any

import httpx

from tests.plugins.world import World

NOTICE = {
    "version": "2026-04",
    "language": "en",
    "title": "Privacy notice",
    "effective": "2026-04-01T00:00:00+05:30",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "purposes": ["marketing_display", "payment"],
}


async def staff(world: World) -> World:
    """Hire somebody who makes copies, and those who give what is copied; publish the notice."""
    await world.hire("copier", ["export"], person="Farah Khan")
    await world.hire("part", ["export@contact,identity"], person="Part Time")
    await world.hire("payer", ["detokenize:payment"], person="Ravi Kumar")
    await world.hire("backend", ["consent", "notices", "subjects", "retention", "replace"])
    await world.hire("officer", ["cases"], person="Mira Sen")
    await world.hire("approver", ["release"], person="Dev Mehta")
    published = await world.post("/v1/notices", NOTICE, who="backend")
    assert published.status_code == 201, published.text
    return world


async def seal(
    world: World, subject: str, *items: tuple[str, Any], tenant: str = "acme", **more: Any
) -> list[str]:
    made = await world.tokenize(items, subject=subject, tenant=tenant, **more)
    assert made.status_code == 200, made.text
    tokens = [str(one["token"]) for one in made.json()["items"]]
    for token in tokens:
        world.journal.values.pop(token, None)
    return tokens


async def export(world: World, subject: str, *, who: str = "copier", **more: Any) -> httpx.Response:
    body = {"subject": subject, "reference": "request-118", **more}
    return await world.post("/v1/export", body, who=who)


async def copy_of(world: World, subject: str, **more: Any) -> dict[str, Any]:
    answer = await export(world, subject, **more)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())
