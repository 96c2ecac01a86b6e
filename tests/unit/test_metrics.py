"""Values that workers share are written by our own code into prometheus_client's files: it must read what we wrote."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rights.metrics import forget_worker, scrape_registry

_WORKER = """
from rights import metrics
metrics.REPLAYS.labels("settle").inc()
metrics.REPLAYS.labels("settle").inc(3)
metrics.LANE_QUEUE_LENGTH.inc(5)
metrics.LANE_QUEUE_LENGTH.inc(-2)
metrics.budget_remaining("demo", "budget/b-1").set({left})
for size in (1, 2, 3, 256, 5000):
    metrics.BATCH_SIZE.observe(size)
metrics.GRPC_HANDLING_SECONDS.labels("unary", "s", "m").observe_all([0.001, 0.002, 99])
for each in range(2000):  # the file grows, and is mapped anew
    metrics.budget_remaining("demo", f"quota/q-{{each}}" + "x" * 600).set(each)
metrics.REPLAYS.labels("settle").inc()
"""


def _work(directory: Path, left: int) -> int:
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(directory)}
    worker = subprocess.Popen([sys.executable, "-c", _WORKER.format(left=left)], env=environment)
    assert worker.wait(60) == 0
    return worker.pid


def test_what_workers_wrote_adds_up(tmp_path: Path) -> None:
    pids = [_work(tmp_path, 70), _work(tmp_path, 60)]
    read = scrape_registry(tmp_path).get_sample_value
    assert read("rights_replays_total", {"operation": "settle"}) == 10
    assert (
        read("rights_budget_remaining", {"tenant": "demo", "budget": "budget/b-1"}) == 60
    )  # of who wrote last
    assert read("rights_budget_remaining", {"tenant": "demo", "budget": "quota/q-1999" + "x" * 600}) == 1999
    assert read("rights_lane_queue_length") == 6
    buckets = {
        le: read("rights_batch_size_bucket", {"le": le}) for le in ("1.0", "2.0", "4.0", "256.0", "4096.0")
    }
    assert buckets == {"1.0": 2, "2.0": 4, "4.0": 6, "256.0": 8, "4096.0": 8}
    assert read("rights_batch_size_bucket", {"le": "+Inf"}) == 10
    assert read("rights_batch_size_sum") == pytest.approx(2 * (1 + 2 + 3 + 256 + 5000))
    labels = {"grpc_type": "unary", "grpc_service": "s", "grpc_method": "m"}
    assert read("grpc_server_handling_seconds_count", labels) == 6
    assert read("grpc_server_handling_seconds_bucket", {**labels, "le": "0.001"}) == 2
    for pid in pids:
        forget_worker(tmp_path, pid)
    assert scrape_registry(tmp_path).get_sample_value("rights_lane_queue_length") in (None, 0)
    assert scrape_registry(tmp_path).get_sample_value("rights_replays_total", {"operation": "settle"}) == 10
