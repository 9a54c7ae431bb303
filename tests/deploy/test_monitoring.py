"""Rules, dashboard, scrape configuration and docs/monitoring.md name what there is, and promtool
has nothing to remark."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from short_drama import metrics
from short_drama.domain.kinds import Lane
from short_drama.settings import Settings
from short_drama.wiring.components import Component
from tests.deploy.prometheus import CONFIGURATION, PROMTOOL, expressions, promtool
from tests.emulators.server import ROOT

PAGE = ROOT / "docs" / "monitoring.md"

needs_promtool = pytest.mark.skipif(
    not PROMTOOL.exists(), reason="promtool is missing: run `make deploy-tools`"
)


def families() -> Mapping[str, str]:
    """The type of each of our own metrics, by its name in the text format."""
    found = re.findall(r"^# TYPE (short_drama_\S+) (\S+)$", metrics.render().decode(), re.MULTILINE)
    return dict(found)


def series() -> set[str]:
    """Every name that a query may use."""
    names = set(families())
    for name, kind in families().items():
        if kind == "histogram":
            names |= {f"{name}_bucket", f"{name}_sum", f"{name}_count"}
    return names


def named_in(text: str) -> set[str]:
    return set(re.findall(r"\bshort_drama_\w+", text))


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((CONFIGURATION / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


# --- promtool -----------------------------------------------------------------------------


@needs_promtool
def test_what_metrics_tells_is_accepted_without_a_remark() -> None:
    assert promtool("check", "metrics", stdin=metrics.render().decode()) == ""
    assert promtool("check", "metrics", stdin=metrics.pointer("http://127.0.0.1:1").decode()) == ""


@needs_promtool
def test_the_configuration_and_its_rules_are_accepted() -> None:
    assert "SUCCESS" in promtool("check", "config", "--lint-fatal", "prometheus.yml")
    assert "SUCCESS" in promtool("check", "rules", "--lint-fatal", "alerts.yml")


@needs_promtool
def test_each_alert_comes_when_it_must_and_not_otherwise() -> None:
    assert "SUCCESS" in promtool("test", "rules", "alerts_test.yml")


@needs_promtool
def test_every_panel_asks_what_prometheus_understands(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(expressions())
    ]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", file)


# --- Names --------------------------------------------------------------------------------


def test_each_alert_says_how_bad_it_is_and_what_to_read() -> None:
    found = alerts()
    assert len({alert["alert"] for alert in found}) == len(found)
    for alert in found:
        name = alert["alert"]
        assert re.fullmatch("ShortDrama[A-Z][A-Za-z]+", name)
        assert alert["labels"]["severity"] in ("critical", "warning"), name
        assert alert["annotations"]["runbook"] == f"docs/runbook.md#{name.lower()}"
        assert alert["annotations"]["summary"].endswith("."), name


def test_each_alert_is_tried_both_ways() -> None:
    tests = yaml.safe_load((CONFIGURATION / "alerts_test.yml").read_text())["tests"]
    tried = {
        (check["alertname"], bool(check.get("exp_alerts")))
        for test in tests
        for check in test["alert_rule_test"]
    }
    assert tried == {(alert["alert"], fires) for alert in alerts() for fires in (True, False)}


def test_alerts_and_panels_ask_for_metrics_that_there_are() -> None:
    assert named_in((CONFIGURATION / "alerts.yml").read_text()) <= series()
    assert named_in((CONFIGURATION / "alerts_test.yml").read_text()) <= series()
    assert named_in(" ".join(expressions())) <= series()


def test_every_metric_is_on_the_dashboard() -> None:
    asked = named_in(" ".join(expressions()))
    for name in families():
        assert any(one.startswith(name) for one in asked), name


def test_queues_that_are_missing_are_missed() -> None:
    [rule] = [alert for alert in alerts() if alert["alert"] == "ShortDramaQueuesUnknown"]
    expected = {name for lane in Lane for name in (lane.queue, lane.dead_letter_queue)}
    assert set(re.findall(r'queue="(\w+)"', rule["expr"])) == expected


def test_every_component_is_scraped() -> None:
    [job] = yaml.safe_load((CONFIGURATION / "prometheus.yml").read_text())["scrape_configs"]
    assert job["job_name"] == "short-drama"
    found = {one["labels"]["component"]: one["targets"] for one in job["static_configs"]}
    ports = {
        component: Settings.model_fields[component.process.port].default for component in Component
    }
    assert found == {str(component): [f"127.0.0.1:{port}"] for component, port in ports.items()}


def test_the_page_explains_every_metric_and_alert_and_no_others() -> None:
    page = PAGE.read_text()
    explained = re.findall(r"^\| `(short_drama_\w+)` \|", page, re.MULTILINE)
    assert sorted(explained) == sorted(families())
    assert named_in(page) <= series()
    table = dict(re.findall(r"^\| `(ShortDrama\w+)` \| (\w+) \|", page, re.MULTILINE))
    assert table == {alert["alert"]: alert["labels"]["severity"] for alert in alerts()}


def test_other_pages_name_metrics_that_there_are() -> None:
    for page in (ROOT / "docs").glob("*.md"):
        assert named_in(page.read_text()) <= series(), page
