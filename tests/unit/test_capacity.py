"""The capacity model against sums made by hand."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.capacity import Assumptions, Cost, needs

# 100 us and 50 us of CPU, 2 kB of WAL, 1 kB of disk, 100 settlements a commit.
COST = Cost(worker_cpu_us=100, postgres_cpu_us=50, wal_bytes=2_000, disk_bytes=1_000, per_transaction=100)
ASSUMED = Assumptions(
    peak=100_000,
    busy=0.5,
    worker_node_cores=8,
    database_node_cores=4,
    database_node_wal_mb=1_000,
    database_node_commits=10_000,
    copies=2,
    mean_over_peak=0.1,
    kept_days=10,
)


def test_the_sums() -> None:
    found = needs(COST, ASSUMED)
    assert (found.worker_cores, found.worker_nodes) == (
        20,
        3,
    )  # 100,000 x 100 us = 10 busy cores, half of them
    assert (found.database_cores, found.database_primaries, found.database_nodes) == (10, 3, 6)
    assert found.wal_gb_per_second == pytest.approx(0.2)
    assert found.replication_gbit_per_second == pytest.approx(1.6)  # to one standby
    assert found.commits_per_second == 1_000
    assert found.wal_tb_per_day == pytest.approx(1.728)  # 10,000 a second x 86,400 s x 2 kB
    assert found.disk_tb == pytest.approx(17.28)  # 864 million a day x 10 days x 1 kB x 2 copies


@pytest.mark.parametrize(
    ("scarce", "primaries"),
    [
        ({"database_node_cores": 1}, 10),
        ({"database_node_wal_mb": 10}, 40),  # 200 MB a second, half of 10 used in each
        ({"database_node_commits": 20}, 100),  # 1,000 a second, half of 20 used in each
        ({"database_node_disk_tb": 0.5}, 18),  # 8.64 TB of one copy
    ],
)
def test_the_scarcest_says_how_many_primaries_there_are(scarce: dict[str, float], primaries: int) -> None:
    assert needs(COST, replace(ASSUMED, **scarce)).database_primaries == primaries


def test_twice_the_peak_takes_twice_as_much_of_all_that_is_not_whole_machines() -> None:
    once, twice = needs(COST, ASSUMED), needs(COST, replace(ASSUMED, peak=ASSUMED.peak * 2))
    for name in ("wal_gb_per_second", "replication_gbit_per_second", "commits_per_second", "disk_tb"):
        assert getattr(twice, name) == pytest.approx(2 * getattr(once, name))
    assert twice.worker_cores == 2 * once.worker_cores


def test_the_cost_is_that_of_the_result_file(tmp_path: Path) -> None:
    file = tmp_path / "settle.json"
    results = {
        "worker_cpu_us_per_settlement": 1.5,
        "postgres_cpu_us_per_settlement": 2.5,
        "wal_bytes_per_settlement": 3.5,
        "disk_bytes_per_settlement": 4.5,
        "settlements_per_transaction": 5.5,
    }
    file.write_text(json.dumps({"results": results}))
    assert Cost.measured(file) == Cost(1.5, 2.5, 3.5, 4.5, 5.5)
    del results["wal_bytes_per_settlement"]
    file.write_text(json.dumps({"results": results}))
    with pytest.raises(SystemExit, match="wal_bytes_per_settlement"):
        Cost.measured(file)


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ("[]", "TypeError"),
        ('{"results": null}', "TypeError"),
        ('{"results": {"worker_cpu_us_per_settlement": 0}}', "worker_cpu_us_per_settlement is 0.0"),
        ('{"results": {"worker_cpu_us_per_settlement": NaN}}', "worker_cpu_us_per_settlement is nan"),
        ('{"results": {"worker_cpu_us_per_settlement": "many"}}', "'many'"),
    ],
)
def test_capacity_refuses_what_was_never_measured(tmp_path: Path, results: str, said: str) -> None:
    file = tmp_path / "settle.json"
    file.write_text(results)
    with pytest.raises(SystemExit, match="does not tell what a settlement costs") as refused:
        Cost.measured(file)
    assert said in str(refused.value)
