"""What the servers really export, beside the dashboard, the alerts and the table that speak of it."""

import json
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.support.promql import grouped_labels, metric_of, selectors
from tests.support.running_stack import run_stack
from tests.support.scripted_engine import scripted_engine_variable

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "deploy" / "observability"
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())
PROMETHEUS = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
ALERTS = [rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]

# What Prometheus adds to each sample, and what it counts by itself.
TARGET_LABELS = {"job", "instance"}
OF_PROMETHEUS = {"up": TARGET_LABELS}

# Nothing that is asked for here makes a sample of these: it would take a stream that fails in the middle, a connection
# that is ended, a disk that fails.
UNSAMPLED = {
    "runstream_bridge_stream_errors": {"code"},
    "runstream_bridge_connections_ended": {"reason"},
    "runstream_batch_store_errors": {"kind"},
}


def expressions():
    """Every query, with where it stands."""
    for panel in PANELS:
        for target in panel["targets"]:
            written = target["expr"].replace("$__rate_interval", "5m").replace("$model", ".*")
            yield pytest.param(written, id=f"panel {panel['title']} {target['refId']}")
    for alert in ALERTS:
        yield pytest.param(alert["expr"], id=alert["alert"])


def ask(url, body):
    """Posts JSON; the answer's, or None if it is an error."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        return json.load(urllib.request.urlopen(request))
    except urllib.error.HTTPError:
        return None


def exported(stack):
    """All families of both servers, once something of each kind was asked for."""
    run_url = f"{stack.url}/client/v4/accounts/acc/ai/run/@runstream/demo"
    assert ask(run_url, {"prompt": "Where is New York?", "max_tokens": 9})
    assert ask(run_url, {"prompt": 7}) is None, "it is refused"
    assert ask(f"{stack.url}/v1/completions", {"model": "@cf/no/such", "prompt": "x", "stream": True}) is None
    batch = ask(f"{run_url}?queueRequest=true", {"requests": [{"prompt": "x", "max_tokens": 1}]})["result"]
    while "responses" not in ask(run_url, {"request_id": batch["request_id"]})["result"]:
        pass
    urls = (f"{stack.url}/metrics", f"http://127.0.0.1:{stack.metrics_port}/metrics")
    pages = [urllib.request.urlopen(url).read().decode() for url in urls]
    return [family for page in pages for family in text_string_to_metric_families(page)]


@pytest.fixture(scope="module")
def families(running_stack):
    return exported(running_stack)


@pytest.fixture(scope="module", params=[1, 2], ids=["one bridge process", "two bridge processes"])
def families_of(request, families):
    if request.param == 1:
        yield families
        return
    with run_stack(RUNSTREAM_BRIDGE_WORKERS=str(request.param), **scripted_engine_variable()) as stack:
        yield exported(stack)


@pytest.fixture(scope="module")
def labels(families_of):
    """The labels of each sample's name, those of its target included."""
    found = dict(OF_PROMETHEUS)
    for family in families_of:
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels, TARGET_LABELS)
    for name, names in UNSAMPLED.items():
        found.setdefault(f"{name}_total", names | TARGET_LABELS)
    return found


@pytest.mark.parametrize("expression", list(expressions()))
def test_every_query_finds_its_metric_with_its_labels(expression, labels):
    parsed = promql_parser.parse(expression)
    found = list(selectors(parsed))
    assert found
    for selector in found:
        name, matched = metric_of(selector)
        assert name in labels, f"nobody exports {name}"
        assert matched <= labels[name], f"{name} has no such label"
    known = set().union(*(labels[metric_of(selector)[0]] for selector in found))
    assert grouped_labels(parsed) <= known


def table():
    """The rows of the table of metrics: name, type, labels, meaning."""
    section = OPERATIONS.partition("\n## Metrics\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(runstream_\w+)` \| (\w+) \|(.*)\| (.*) \|$", section, re.MULTILINE)
    return [(name, kind, tuple(re.findall(r"`(\w+)`", names)), meaning) for name, kind, names, meaning in rows]


def test_the_table_of_metrics_is_what_is_exported(families):
    rows = set()
    for family in families:
        if not family.name.startswith("runstream_"):
            continue
        names = {label for sample in family.samples for label in sample.labels} - {"le"}
        names |= UNSAMPLED.get(family.name, set())
        name = f"{family.name}_total" if family.type == "counter" else family.name
        rows.add((name, family.type, tuple(sorted(names)), family.documentation))
    assert {(name, kind, tuple(sorted(names)), meaning) for name, kind, names, meaning in table()} == rows


def test_the_jobs_that_queries_name_are_scraped():
    jobs = {config["job_name"] for config in PROMETHEUS["scrape_configs"]}
    written = (FOLDER / "alerts.yml").read_text() + json.dumps(DASHBOARD)
    for pattern in re.findall(r'job=~\\*"([^"\\]+)', written):
        assert set(pattern.replace("runstream-.*", "|".join(jobs)).split("|")) == jobs
    assert all((FOLDER / name).exists() for name in PROMETHEUS["rule_files"])


def test_each_alert_has_a_row_that_says_what_to_do():
    section = OPERATIONS.partition("\n## Alerts\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(Runstream\w+)` \|", section, re.MULTILINE) == [alert["alert"] for alert in ALERTS]
    assert all(alert["labels"]["severity"] in ("critical", "warning") for alert in ALERTS)
    assert all(alert["annotations"]["summary"] for alert in ALERTS)


def test_no_panel_covers_another_and_all_ask_the_chosen_source():
    places: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & places, panel["title"]
        assert max(x for x, _ in cells) < 24
        places |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    sources = {json.dumps(panel["datasource"]) for panel in PANELS}
    assert sources == {json.dumps({"type": "prometheus", "uid": "${datasource}"})}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_takes_configuration_and_rules():
    subprocess.run(["promtool", "check", "config", FOLDER / "prometheus.yml"], check=True)
