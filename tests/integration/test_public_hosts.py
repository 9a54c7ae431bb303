"""The names that SHORT_DRAMA_PUBLIC_HOSTS adds are answered by every service, and no others."""

from pathlib import Path

from short_drama.wiring.components import Component
from tests.noop_engine import NOOP
from tests.stack import running_stack


async def test_every_service_answers_to_its_public_names(tmp_path: Path) -> None:
    async with running_stack(tmp_path, NOOP, public_hosts="Shots.Example.com, render-box") as stack:
        for component in list(Component):
            for host, expected in {
                "shots.example.com": 200,
                "render-box:8443": 200,
                "127.0.0.1": 200,
                "example.com": 421,
            }.items():
                url = f"{stack.urls[component]}/ready"
                async with stack.http.get(url, headers={"Host": host}) as answer:
                    assert answer.status == expected, (component, host)
