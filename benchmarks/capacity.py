"""What a peak needs in cores, database nodes, WAL and disk: a model on paper of what was measured.

Question: what would 583,000 settlements a second take, the record of a Double 11 night?
Method:   the cost of a settlement is that of benchmarks.settle (its result file): CPU of the workers and of
          PostgreSQL, WAL, disk, settlements per transaction. The model multiplies, and assumes the rest (see
          Assumptions; each is an option). What it rests on: members are spread over database nodes by their id, as the
          schema is made for, so that a settlement is a transaction of one node; calls reach workers by the node of
          their members, so that batches are as large as they were measured; what nodes share (budgets) is split into
          allotments beforehand. Cores of other machines are as fast as those measured. WAL holds the pages that a short
          run writes in full after each checkpoint, so it is on the high side.

    python -m benchmarks.capacity [--peak 583000] [--from benchmarks/results/settle.json] [--json PATH]
"""

import json
from dataclasses import dataclass, fields
from math import ceil, inf
from pathlib import Path
from typing import Self

from benchmarks import bounds, harness

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Cost:
    """Of one settlement."""

    worker_cpu_us: float
    postgres_cpu_us: float
    wal_bytes: float
    disk_bytes: float
    per_transaction: float  # settlements that share a commit

    @classmethod
    def measured(cls, path: Path) -> Self:
        """As benchmarks.settle has found it. Exits where it has not."""
        try:
            results = json.loads(path.read_text())["results"]
            return cls(
                _above_0(results, "worker_cpu_us_per_settlement"),
                _above_0(results, "postgres_cpu_us_per_settlement"),
                _above_0(results, "wal_bytes_per_settlement"),
                _above_0(results, "disk_bytes_per_settlement"),
                _above_0(results, "settlements_per_transaction"),
            )
        except (OSError, LookupError, TypeError, ValueError) as error:
            raise SystemExit(
                f"{path} does not tell what a settlement costs ({error!r}): `python -m benchmarks.settle --json {path}`"
            ) from None


def _above_0(results: dict[str, float], name: str) -> float:
    value = float(results[name])
    if not 0 < value < inf:
        raise ValueError(f"{name} is {value}")
    return value


@dataclass(frozen=True)
class Assumptions:
    """What was not measured; each with what it means."""

    peak: float = 583_000  # settlements a second
    # Share of cores, log and commits in use at the peak; the rest is for what nobody has foreseen.
    busy: float = 0.6
    worker_node_cores: int = 32
    database_node_cores: int = 64
    database_node_wal_mb: float = 800  # 10^6 bytes of WAL a second that a node's log device takes
    database_node_commits: float = 10_000  # durable commits a second that it takes
    database_node_disk_tb: float = 60  # 10^12 bytes that it keeps
    copies: int = 3  # of everything, one of them the primary; standbys take the WAL over the network
    mean_over_peak: float = 0.05  # of a day's rate
    kept_days: int = 90  # that settlements stay in the database


@dataclass(frozen=True)
class Needs:
    """At the peak."""

    worker_cores: int
    worker_nodes: int
    database_cores: int  # of primaries
    database_primaries: int
    database_nodes: int  # with standbys
    wal_gb_per_second: float  # 10^9 bytes, of all primaries
    replication_gbit_per_second: float
    commits_per_second: float
    wal_tb_per_day: float
    disk_tb: float  # 10^12 bytes, all copies, of settlements kept


def needs(cost: Cost, assumed: Assumptions) -> Needs:
    """What the peak takes.

    A node must have enough of everything: of cores, log bandwidth, commits and disk the scarcest says how many there
    are.
    """
    worker_cores = assumed.peak * cost.worker_cpu_us / 1e6 / assumed.busy
    database_cores = assumed.peak * cost.postgres_cpu_us / 1e6 / assumed.busy
    wal = assumed.peak * cost.wal_bytes
    commits = assumed.peak / cost.per_transaction
    a_day = assumed.peak * assumed.mean_over_peak * 86_400
    disk_tb = a_day * assumed.kept_days * cost.disk_bytes / 1e12  # of one copy
    primaries = max(
        ceil(database_cores / assumed.database_node_cores),
        ceil(wal / (assumed.database_node_wal_mb * 1e6 * assumed.busy)),
        ceil(commits / (assumed.database_node_commits * assumed.busy)),
        ceil(disk_tb / assumed.database_node_disk_tb),
    )
    return Needs(
        worker_cores=ceil(worker_cores),
        worker_nodes=ceil(worker_cores / assumed.worker_node_cores),
        database_cores=ceil(database_cores),
        database_primaries=primaries,
        database_nodes=primaries * assumed.copies,
        wal_gb_per_second=wal / 1e9,
        replication_gbit_per_second=wal * 8 * (assumed.copies - 1) / 1e9,
        commits_per_second=commits,
        wal_tb_per_day=a_day * cost.wal_bytes / 1e12,
        disk_tb=disk_tb * assumed.copies,
    )


def main() -> None:
    """Command line."""
    assert __doc__ is not None
    parser = harness.arguments(__doc__.splitlines()[0])
    parser.add_argument("--from", dest="source", type=Path, default=RESULTS / "settle.json", metavar="PATH")
    for each in fields(Assumptions):
        option = "--" + each.name.replace("_", "-")
        kind = bounds.count if each.type is int else bounds.amount
        parser.add_argument(option, type=kind, default=each.default, help=f"(default {each.default:,})")
    options = parser.parse_args()
    for share in ("busy", "mean_over_peak"):
        if (value := getattr(options, share)) > 1:
            parser.error(f"--{share.replace('_', '-')} {value}: it is a share, at most 1")
    cost = Cost.measured(options.source)
    assumed = Assumptions(**{each.name: getattr(options, each.name) for each in fields(Assumptions)})
    try:
        found = needs(cost, assumed)
    except OverflowError:
        parser.error("it would need more than there are numbers for: look at the options")
    results = {
        **vars(found),
        **{f"assumed_{name}": value for name, value in vars(assumed).items()},
        **{f"measured_{name}": value for name, value in vars(cost).items()},
    }
    title = f"What {assumed.peak:,.0f} settlements a second need"
    measured_on = json.loads(options.source.read_text()).get("machine")
    harness.report(title, results, options.json, settlements_measured_on=measured_on)


if __name__ == "__main__":
    main()
