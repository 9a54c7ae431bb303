"""The door of every application: each of its routes, with every key that must not open it."""

import contextlib
import re
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from starlette.routing import Route

from short_drama.domain.api_keys import Given, make
from short_drama.domain.principal import Scope
from short_drama.web.door import ROUTES
from short_drama.wiring.components import Component
from short_drama.wiring.stack import Stack, open_stack
from tests.noop_engine import NOOP
from tests.stack import stack_settings
from tests.unit.web.asgi import Answer, answered

ADDRESSES = {component: f"http://127.0.0.1:{9000 + n}" for n, component in enumerate(Component)}
EVERY = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class Site:
    stack: Stack

    async def key(self, scopes: Iterable[Scope], owner: str = "lin") -> Given:
        key, given = make(owner=owner, scopes=scopes, now=time.time())
        await self.stack.backend.keys.add(key)
        return given

    async def ask(
        self, component: Component, method: str, path: str, key: Given | str | None = None
    ) -> Answer:
        own = {} if key is None else {"Authorization": f"Bearer {key}"}
        headers = [("Host", "localhost"), *own.items()]
        return await answered(self.stack.apps[component], path, method=method, headers=headers)

    def routes(self) -> Iterator[tuple[Component, str, str]]:
        """Each method at each address, with something in place of its parameters."""
        for component, app in self.stack.apps.items():
            for route in app.routes:
                if isinstance(route, Route | APIRoute):
                    path = re.sub(r"\{[^}]*\}", "x1", route.path)
                    for method in sorted((route.methods or set()) - {"HEAD"}):
                        yield component, method, path


def needed(method: str, path: str) -> Scope | None:
    """What the table says, looked up in another way than the door does."""
    for (its_method, template), scope in ROUTES.items():
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))
        if its_method == method and re.fullmatch(pattern, path):
            return scope
    raise AssertionError(f"nobody has said what {method} {path} needs")


@contextlib.asynccontextmanager
async def opened(tmp_path: Path, **changes: object) -> AsyncIterator[Site]:
    settings = stack_settings(tmp_path, **changes)
    async with open_stack(settings, ADDRESSES, engines=NOOP) as stack:
        yield Site(stack)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with opened(tmp_path, require_keys=True) as found:
        yield found


async def test_every_route_is_refused_to_whoever_may_not(site: Site) -> None:
    revoked, nothing = await site.key(EVERY), Given("aaaaaaaa", "x" * 48)
    await site.stack.backend.keys.revoke(revoked.key_id, at=time.time())
    known = await site.key(EVERY)
    forged = Given(known.key_id, nothing.secret)
    without = {scope: await site.key(EVERY - {scope}) for scope in Scope}
    seen = 0
    for component, method, path in site.routes():
        scope, seen = needed(method, path), seen + 1
        for bad in (revoked, nothing, forged, "x", "sd_"):
            answer = await site.ask(component, method, path, bad)
            assert answer.status == 401, (component, method, path, bad)
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.headers["content-type"] == "application/problem+json"
        if scope is not None:
            assert (await site.ask(component, method, path)).status == 401
            assert (await site.ask(component, method, path, without[scope])).status == 403
    assert seen > 60


async def test_face_kinds_need_their_own_scope_too(site: Site) -> None:
    without = await site.key(EVERY - {Scope.FACE_SWAP})
    for kind in ("face-swap", "full-face-swap"):
        answer = await site.ask(
            Component.CPU_ORCHESTRATOR, "POST", f"/api/v1/{kind}/tasks", without
        )
        assert (answer.status, answer.json["code"]) == (403, "scope_missing")


async def test_what_load_balancers_ask_is_open_and_tells_little(site: Site) -> None:
    key = await site.key([Scope.TASKS_READ])
    for component in Component:
        answer = await site.ask(component, "GET", "/health")
        assert set(answer.json) == {"service", "status", "version"}
    told = await site.ask(Component.ORCHESTRATOR, "GET", "/health", key)
    assert "queue" in told.json


async def test_a_key_opens_what_it_is_for(site: Site) -> None:
    key = await site.key([Scope.TASKS_READ])
    found = await site.ask(Component.ORCHESTRATOR, "GET", "/api/v1/tasks", key)
    assert (found.status, found.json["tasks"]) == (200, [])
    assert (await site.ask(Component.ORCHESTRATOR, "GET", "/nowhere", key)).status == 404
    assert (await site.ask(Component.ORCHESTRATOR, "PUT", "/api/v1/tasks", key)).status == 405
    assert (await site.ask(Component.ORCHESTRATOR, "GET", "/nowhere")).status == 401


async def test_a_route_that_the_table_forgot_is_closed(site: Site) -> None:
    app = site.stack.apps[Component.ORCHESTRATOR]

    @app.get("/forgotten")
    async def forgotten() -> str:
        return "secret"

    key = await site.key(EVERY)
    assert (await site.ask(Component.ORCHESTRATOR, "GET", "/forgotten", key)).status == 403


async def test_a_key_is_one_header_of_one_form(site: Site) -> None:
    key, other = await site.key(EVERY), await site.key(EVERY)
    expected: dict[tuple[str, ...], int] = {
        (f"Bearer {key}",): 200,
        (f"bearer   {key} ",): 200,
        ("Basic YTpi", f"BEARER {key}"): 200,  # the proxy's own
        (f"Bearer {key}", f"Bearer {other}"): 401,
        (f"Bearer {key}", f"Bearer {key}"): 401,
        (f"Bearer {str(key).upper()}",): 401,
        (f"Bearer {key}x",): 401,
        (f"Bearer {key},",): 401,
        (f'Bearer "{key}"',): 401,
        (f"Bearer {key} {key}",): 401,
        (str(key),): 401,
        (f"Token {key}",): 401,
        ("Bearer",): 401,
        ("Bearer \xff\u0131",): 401,
    }
    app = site.stack.apps[Component.ORCHESTRATOR]
    for lines, status in expected.items():
        headers = [("Host", "localhost"), *(("Authorization", line) for line in lines)]
        answer = await answered(app, "/api/v1/tasks", headers=headers)
        assert answer.status == status, lines
    for query in (f"key={key}", f"api_key={key}", f"access_token={key}", f"ticket={key}"):
        answer = await site.ask(Component.ORCHESTRATOR, "GET", f"/api/v1/tasks?{query}")
        assert answer.status == 401, query


async def test_no_other_method_is_a_way_round(site: Site) -> None:
    without = await site.key(EVERY - {Scope.TASKS_READ})
    for method in ("HEAD", "OPTIONS", "TRACE", "PROPFIND", "get"):
        assert (await site.ask(Component.ORCHESTRATOR, method, "/api/v1/tasks")).status == 401
    assert (await site.ask(Component.ORCHESTRATOR, "HEAD", "/api/v1/tasks", without)).status == 403
    for path in ("/api/v1/tasks/", "//api/v1/tasks", "/API/v1/tasks", "/api/v1/../v1/tasks"):
        assert (await site.ask(Component.ORCHESTRATOR, "GET", path)).status == 401, path


async def test_the_documents_say_what_the_door_asks(site: Site) -> None:
    for app in site.stack.apps.values():
        for path, methods in app.openapi()["paths"].items():
            for method, told in methods.items():
                scope = needed(method.upper(), re.sub(r"\{[^}]*\}", "x1", path))
                expected: list[dict[str, list[str]]] = [{"key": []}] if scope else [{}, {"key": []}]
                assert told["security"] == expected, (method, path)


async def test_without_a_demand_all_is_as_simple_as_ever(tmp_path: Path) -> None:
    async with opened(tmp_path) as site:
        answer = await site.ask(Component.ORCHESTRATOR, "GET", "/api/v1/tasks")
        assert answer.status == 200
        wrong = await site.ask(Component.ORCHESTRATOR, "GET", "/api/v1/tasks", "sd_wrong")
        assert wrong.status == 401
