"""The generated parts of docs/reference are what the code says today, and every name is spelled once."""

import re
import subprocess
import sys
from pathlib import Path

import msgspec
from prometheus_client import Counter, Gauge, Histogram

from visapi_common.contracts import subjects
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.instruments import Instrument
from visapi_common.telemetry.setup import open_metrics
from visapi_notifier import channels
from visapi_pdf_worker import functions

ROOT = Path(__file__).resolve().parents[2]
VALUES = ROOT / "deploy/helm/visapi/values.yaml"
DECLARED = {name: value for name, value in vars(Metrics).items() if isinstance(value, Instrument)}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_reference_pages_are_fresh():
    checked = run("tools/reference.py", "--check")
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_the_values_of_the_chart_are_those_of_the_settings():
    checked = run("tools/chart.py", "--check")
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_the_consumers_of_autoscaling_are_those_of_the_services():
    values = msgspec.yaml.decode(VALUES.read_bytes())
    lag = {
        key: values[key]["autoscaling"]["lag"]["consumers"]
        for key in ("orchestrator", "pdfWorker", "notifier")
    }
    assert lag == {
        "orchestrator": [subjects.CONSUMER_RESULTS, subjects.CONSUMER_TRIGGERS],
        "pdfWorker": [subjects.task_consumer(subjects.BUILTIN, each) for each in functions.declared()],
        "notifier": lag["notifier"],
    }
    assert set(lag["notifier"]) == {
        subjects.task_consumer(subjects.BUILTIN, each) for each in channels.declared()
    }


def test_the_tree_holds_nothing_that_must_not_be_there():
    checked = run("tools/check_tree.py")
    assert (checked.returncode, checked.stdout) == (0, "tree: ok\n")


def test_every_metric_is_on_its_page():
    page = (ROOT / "docs/reference/metrics.md").read_text()
    assert [metric.name for metric in DECLARED.values() if f"| `{metric.name}` |" not in page] == []


def test_names_follow_the_convention():
    wrong = [
        metric.name
        for metric in DECLARED.values()
        if not re.fullmatch(r"visapi_[a-z_]+", metric.name)
        or (metric.kind == "counter") != metric.name.endswith("_total")
        or (
            metric.kind == "histogram"
            and not metric.name.endswith(("_seconds", "_bytes", "_rows", "_messages", "_pages"))
        )
    ]
    assert wrong == []


def test_no_label_carries_an_id():
    labels = {label for metric in DECLARED.values() for label in metric.labels}
    assert labels.isdisjoint(
        {"run", "run_id", "tenant", "key", "task", "path", "trace_id", "request_id", "url"}
    )


def test_each_declaration_makes_its_instrument_once():
    metrics = open_metrics()
    kinds = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}
    for attribute, declared in DECLARED.items():
        instrument = getattr(metrics, attribute)
        assert isinstance(instrument, kinds[declared.kind])
        assert getattr(metrics, attribute) is instrument


def test_every_metric_is_used():
    sources = "\n".join(path.read_text() for path in ROOT.glob("*/*/src/**/*.py"))
    assert [name for name in DECLARED if not re.search(rf"metrics\.{name}\b|\bm\.{name}\b", sources)] == []
