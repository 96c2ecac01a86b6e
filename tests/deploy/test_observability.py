"""Prometheus' and Grafana's files ask for metrics that the service has, in expressions Prometheus takes."""

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from promql_names import names_in
from ruamel.yaml import YAML

from rights import metrics

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CONFIG = DEPLOY / "prometheus" / "prometheus.yml"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "rights.json"
OWN_LABELS = {"job", "instance"}  # Prometheus adds them to what it scrapes


def yaml(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path)


def declared() -> dict[str, set[str]]:
    """Each series the service can have, with its labels."""
    registry = CollectorRegistry()
    supervisor = metrics.SupervisorMetrics(registry)
    found = {"up": set(OWN_LABELS)}
    for collector in (*vars(metrics).values(), *vars(supervisor).values()):
        if not hasattr(collector, "_labelnames"):
            continue
        (family,) = collector.describe()
        labels = {*collector._labelnames, *OWN_LABELS}
        if family.type == "counter":
            found[f"{family.name}_total"] = labels
        elif family.type == "histogram":
            found |= {f"{family.name}_sum": labels, f"{family.name}_count": labels}
            found[f"{family.name}_bucket"] = labels | {"le"}
        else:
            found[family.name] = labels
    return found


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml(ALERTS)["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def queries() -> list[str]:
    """All expressions of the dashboard, those of its filters too."""
    filters = [v["definition"] for v in json.loads(DASHBOARD.read_text())["templating"]["list"][1:]]
    asked = [re.fullmatch(r"label_values\((.+), (\w+)\)", text) for text in filters]
    shown = [target["expr"] for panel in panels() for target in panel["targets"]]
    return shown + [f"sum by ({match[2]}) ({match[1]})" for match in asked if match]


@pytest.fixture(scope="session")
def promtool() -> str:
    beside = Path(sys.executable).with_name("promtool")
    found = str(beside) if beside.exists() else shutil.which("promtool")
    if found is None:
        missing = "promtool is missing: run `make promtool` (deploy/get-promtool.sh .venv/bin)"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return found


def run(*command: object) -> None:
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_names_are_found_in_expressions() -> None:
    names = names_in('sum by (a, b) (rate(x_total{c="by (z)",d!~"q"}[5m:1m])) / on (a) y_sum offset 5m > 1e3')
    assert names.metrics == {"x_total", "y_sum"}
    assert names.selected == {"x_total": {"c", "d"}}
    assert names.grouped == {"a", "b"}


def test_metrics_and_labels_are_declared() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    known = declared() | {name: set(OWN_LABELS) for name in recorded}
    wrong = []
    for expression in [*(rule["expr"] for rule in rules()), *queries()]:
        names = names_in(expression)
        assert names.metrics, expression
        wrong += [f"{name} in {expression}" for name in names.metrics - known.keys()]
        for metric, labels in names.selected.items():
            wrong += [f"{metric}{{{label}}}" for label in labels - known.get(metric, set())]
        labels = set().union(*(known.get(name, set()) for name in names.metrics))
        wrong += [f"by ({label}) in {expression}" for label in names.grouped - labels]
    assert not wrong


def test_every_metric_of_the_service_is_on_the_dashboard() -> None:
    shown = set().union(*(names_in(expression).metrics for expression in queries()))
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in declared()}
    assert families == {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}


def test_buckets_that_rules_name_exist() -> None:
    bounds = {f"{bound:g}" for bound in metrics.GRPC_HANDLING_SECONDS._upper_bounds}
    named = set(re.findall(r'handling_seconds_bucket\{[^}]*le="([^"]+)"', ALERTS.read_text()))
    assert named == {"0.1"}
    assert named <= bounds


def test_dashboard_is_what_its_source_makes() -> None:
    source = runpy.run_path(str(DEPLOY / "grafana" / "make_dashboard.py"))
    assert DASHBOARD.read_text() == source["rendered"](), "run deploy/grafana/make_dashboard.py"
    assert f'grpc_code=~"{source["FAILED"]}"' in ALERTS.read_text()


def test_panels_can_be_read() -> None:
    places = []
    for panel in panels():
        assert panel["title"], panel
        assert panel["description"], panel["title"]
        assert panel["targets"], panel["title"]
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        places += [(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in [place["y"]]]
    assert len(places) == len(set(places)), "panels lie over one another"


def test_grafana_is_provisioned_with_what_the_dashboard_asks_for() -> None:
    provisioning = DEPLOY / "grafana" / "provisioning"
    (source,) = yaml(provisioning / "datasources" / "prometheus.yaml")["datasources"]
    variable = json.loads(DASHBOARD.read_text())["templating"]["list"][0]
    assert (variable["query"], variable["current"]["value"]) == (source["type"], source["uid"])
    (provider,) = yaml(provisioning / "dashboards" / "rights.yaml")["providers"]
    mounts = yaml(DEPLOY / "compose.yaml")["services"]["grafana"]["volumes"]
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in mounts


def test_alerts_say_what_to_do() -> None:
    alerts = [rule for rule in rules() if "alert" in rule]
    assert {rule["labels"]["severity"] for rule in alerts} == {"page", "ticket"}
    for rule in alerts:
        assert rule["annotations"]["summary"], rule["alert"]
        assert rule["annotations"]["description"], rule["alert"]


def test_promtool_takes_the_configuration(promtool: str) -> None:
    run(promtool, "check", "config", CONFIG)


def test_promtool_takes_the_alerts(promtool: str) -> None:
    run(promtool, "check", "rules", ALERTS)


def test_promtool_takes_the_expressions_of_the_dashboard(promtool: str, tmp_path: Path) -> None:
    recorded = [
        {"record": f"dashboard:query:{number}", "expr": re.sub(r"\$__\w+", "5m", expression)}
        for number, expression in enumerate(queries())
    ]
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": recorded}]}))
    run(promtool, "check", "rules", path)


def test_alerts_fire_when_they_should_and_only_then(promtool: str) -> None:
    run(promtool, "test", "rules", Path(__file__).with_name("alerts_test.yml"))
