"""Writes dashboards/rights.json, the Grafana dashboard of the service.

    python deploy/grafana/make_dashboard.py

A dashboard is a few rows of panels; its JSON is three thousand lines. Change it here, not in Grafana.
"""

import json
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parent / "dashboards" / "rights.json"
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 24
HEIGHT = 8

RPC = 'job=~"$job",instance=~"$instance",grpc_service=~"rights[.].*",grpc_method=~"$method"'
# A stream lasts for an hour and ends when its worker stops: neither is a slow call nor a failed one.
UNARY = f'{RPC},grpc_type="unary"'
ANY = 'job=~"$job",instance=~"$instance"'
# Codes that count against the availability objective; the same as in ../prometheus/alerts.yml.
FAILED = "Unknown|Internal|Unavailable|DataLoss|DeadlineExceeded|ResourceExhausted"


def rate(metric: str, selector: str = ANY) -> str:
    """Per second, over a window that fits the zoom."""
    return f"rate({metric}{{{selector}}}[$__rate_interval])"


def total(metric: str, by: str = "", selector: str = ANY) -> str:
    """Per second, over all machines."""
    return f"sum{f' by ({by})' if by else ''} ({rate(metric, selector)})"


def quantile(q: float, histogram: str, by: str = "", selector: str = ANY) -> str:
    """One quantile of a histogram, over all machines."""
    groups = ", ".join(filter(None, ("le", by)))
    return f"histogram_quantile({q}, {total(f'{histogram}_bucket', groups, selector)})"


def quantiles(histogram: str, selector: str = ANY) -> list[tuple[str, str]]:
    """The three quantiles worth a line."""
    return [(quantile(q, histogram, selector=selector), f"p{q * 100:g}") for q in (0.5, 0.9, 0.99)]


def panel(
    title: str,
    description: str,
    unit: str,
    targets: list[tuple[str, str]],
    *,
    kind: str = "timeseries",
    stack: bool = False,
    width: int = 8,
    thresholds: list[tuple[float, str]] | None = None,
) -> dict[str, Any]:
    """A panel; `targets`: expression and legend of each line."""
    custom: dict[str, Any] = {}
    if kind == "timeseries":
        custom = {"lineWidth": 1, "fillOpacity": 20 if stack else 5, "showPoints": "never"}
        custom["stacking"] = {"mode": "normal" if stack else "none", "group": "A"}
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    steps += ({"color": color, "value": value} for value, color in thresholds or ())
    options: dict[str, Any] = {"tooltip": {"mode": "multi", "sort": "desc"}}
    if kind == "timeseries":
        options["legend"] = {"displayMode": "list", "placement": "bottom", "showLegend": True}
    elif kind == "stat":
        options = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
        options |= {"colorMode": "value", "graphMode": "area", "textMode": "auto"}
    elif kind == "heatmap":
        options = {"calculate": False, "yAxis": {"unit": unit}, "color": {"scheme": "Oranges", "steps": 64}}
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "width": width,
        "fieldConfig": {
            "defaults": {
                "unit": unit,
                "min": 0,
                "custom": custom,
                "thresholds": {"mode": "absolute", "steps": steps},
            },
            "overrides": [],
        },
        "options": options,
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "datasource": DATASOURCE,
                "expr": expression,
                "legendFormat": legend,
                "editorMode": "code",
                "range": True,
                **({"format": "heatmap"} if kind == "heatmap" else {}),
            }
            for number, (expression, legend) in enumerate(targets)
        ],
    }


def rows() -> list[tuple[str, list[dict[str, Any]]]]:
    """The dashboard: rows of panels, under their headings."""
    handled = "grpc_server_handled_total"
    failed = f'{UNARY},grpc_code=~"{FAILED}"'
    settle = 'job=~"$job",instance=~"$instance",operation="settle"'
    return [
        (
            "Now",
            [
                panel(
                    "Workers ready",
                    "Worker processes that serve, over all machines.",
                    "short",
                    [(f"sum(rights_workers{{{ANY}}})", "")],
                    kind="stat",
                    width=4,
                ),
                panel(
                    "Settlements",
                    "Durable outcomes of Settle, receipts and rejections.",
                    "ops",
                    [(total("rights_settlements_total", selector=settle), "")],
                    kind="stat",
                    width=4,
                ),
                panel(
                    "Failed RPCs",
                    "Share of the RPCs that the service failed or turned away. Objective: 0.1 %.",
                    "percentunit",
                    [
                        (
                            f"({total(handled, selector=failed)} or vector(0))"
                            f" / {total(handled, selector=UNARY)}",
                            "",
                        )
                    ],
                    kind="stat",
                    width=4,
                    thresholds=[(0.001, "orange"), (0.01, "red")],
                ),
                panel(
                    "Settle p99",
                    "Objective: 99 % within 100 ms.",
                    "s",
                    [
                        (
                            quantile(
                                0.99, "grpc_server_handling_seconds", selector=f'{ANY},grpc_method="Settle"'
                            ),
                            "",
                        )
                    ],
                    kind="stat",
                    width=4,
                    thresholds=[(0.1, "orange"), (0.5, "red")],
                ),
                panel(
                    "Waiting in lanes",
                    "Requests accepted and not yet in a batch.",
                    "short",
                    [(f"sum(rights_lane_queue_length{{{ANY}}})", "")],
                    kind="stat",
                    width=4,
                ),
                panel(
                    "Faults in 24 h",
                    "Each has a log line with its id.",
                    "short",
                    [(f"sum(increase(rights_faults_total{{{ANY}}}[24h])) or vector(0)", "")],
                    kind="stat",
                    width=4,
                    thresholds=[(1, "red")],
                ),
            ],
        ),
        (
            "RPCs: rate, errors, duration",
            [
                panel(
                    "Rate per method",
                    "RPCs completed.",
                    "reqps",
                    [(total(handled, "grpc_method", RPC), "{{grpc_method}}")],
                    stack=True,
                ),
                panel(
                    "Errors per method and code",
                    "RPCs that ended with another code than OK. Rejections are answers and end with OK.",
                    "reqps",
                    [
                        (
                            total(handled, "grpc_method, grpc_code", f'{RPC},grpc_code!="OK"'),
                            "{{grpc_method}} {{grpc_code}}",
                        )
                    ],
                ),
                panel(
                    "p99 per method",
                    "From the start of an RPC to its completion on the server.",
                    "s",
                    [
                        (
                            quantile(0.99, "grpc_server_handling_seconds", "grpc_method", UNARY),
                            "{{grpc_method}}",
                        )
                    ],
                ),
                panel(
                    "Share of failures per method",
                    "What counts against the availability objective.",
                    "percentunit",
                    [
                        (
                            f"{total(handled, 'grpc_method', failed)} / {total(handled, 'grpc_method', UNARY)}",
                            "{{grpc_method}}",
                        )
                    ],
                ),
                panel(
                    "Settle: quantiles",
                    "p50, p90 and p99.",
                    "s",
                    quantiles("grpc_server_handling_seconds", f'{ANY},grpc_method="Settle"'),
                ),
                panel(
                    "In flight per method",
                    "RPCs started and not completed.",
                    "short",
                    [
                        (
                            f"sum by (grpc_method) (grpc_server_started_total{{{RPC}}})"
                            f" - sum by (grpc_method) ({handled}{{{RPC}}})",
                            "{{grpc_method}}",
                        )
                    ],
                ),
            ],
        ),
        (
            "Outcomes",
            [
                panel(
                    "Receipts and rejections",
                    "Durable outcomes per operation.",
                    "ops",
                    [(total("rights_settlements_total", "operation, outcome"), "{{operation}} {{outcome}}")],
                    stack=True,
                ),
                panel(
                    "Rejections by reason",
                    "Recorded under their key and replayed.",
                    "ops",
                    [
                        (
                            total(
                                "rights_settlements_total",
                                "operation, reason",
                                f'{ANY},outcome="rejection"',
                            ),
                            "{{operation}} {{reason}}",
                        )
                    ],
                    stack=True,
                ),
                panel(
                    "Replays",
                    "Requests answered with the response stored under their key: retries of callers.",
                    "ops",
                    [(total("rights_replays_total", "operation"), "{{operation}}")],
                ),
                panel(
                    "Quotes",
                    "Quotes answered, and settlements of a quote.",
                    "ops",
                    [
                        (total("rights_quotes_total", "outcome"), "quoted: {{outcome}}"),
                        (total("rights_quote_settlements_total", "outcome"), "settled: {{outcome}}"),
                    ],
                ),
                panel(
                    "Settled per quote",
                    "Settlements of a quote over quotes answered.",
                    "percentunit",
                    [
                        (
                            f"{total('rights_quote_settlements_total')} / {total('rights_quotes_total')}",
                            "ratio",
                        )
                    ],
                ),
                panel(
                    "Simulations",
                    "What-if prices answered, and drafts compiled for them; a draft lately compiled is not again.",
                    "ops",
                    [
                        (total("rights_simulations_total", "rules, outcome"), "{{rules}}: {{outcome}}"),
                        (total("rights_draft_compile_seconds_count"), "drafts compiled"),
                    ],
                ),
                panel(
                    "Bounded searches",
                    "Searches for the best combination that ended at their node budget.",
                    "ops",
                    [(total("rights_bounded_searches_total"), "bounded")],
                ),
                panel(
                    "Due by time",
                    "Reservations that lapsed, pending points released, lots expired.",
                    "ops",
                    [(total("rights_swept_total", "kind"), "{{kind}}")],
                    stack=True,
                ),
                panel(
                    "Sweep lag",
                    "How long the member that was due first had been due when the sweeper last looked.",
                    "s",
                    [
                        (f"max by (instance) (rights_sweep_lag_seconds{{{ANY}}})", "{{instance}}"),
                        (f"max(rights_errand_lag_seconds{{{ANY}}})", "gifts to referrers"),
                    ],
                ),
                panel(
                    "Codes",
                    "Codes generated; and codes tried in vain: typos, unknown ones, too many of these by a member.",
                    "ops",
                    [
                        (total("rights_codes_generated_total"), "generated"),
                        (total("rights_code_failures_total", "cause"), "in vain: {{cause}}"),
                    ],
                ),
                panel(
                    "Reports",
                    "Clearing and liability reports by outcome; an unbalanced one means the books are wrong.",
                    "ops",
                    [(total("rights_reports_total", "report, outcome"), "{{report}}: {{outcome}}")],
                    stack=True,
                ),
                panel(
                    "Time of a report, p99",
                    "Reports are made in a process of their own.",
                    "s",
                    [(quantile(0.99, "rights_report_seconds", "report"), "{{report}}")],
                ),
            ],
        ),
        (
            "The way of a batch",
            [
                panel(
                    "Batch size",
                    "Requests committed together. It grows with the load; no request waits for it to.",
                    "short",
                    [
                        *quantiles("rights_batch_size"),
                        (f"{total('rights_batch_size_sum')} / {total('rights_batch_size_count')}", "mean"),
                    ],
                ),
                panel(
                    "Batches",
                    "Transactions.",
                    "ops",
                    [(total("rights_batch_size_count", "instance"), "{{instance}}")],
                ),
                panel(
                    "Lane queue age",
                    "How long the oldest request of a batch had waited when the batch was formed.",
                    "s",
                    quantiles("rights_lane_queue_age_seconds"),
                ),
                panel(
                    "Stages, p99 of a batch",
                    "load locks and reads, decide runs the rules, commit writes. The slowest is the cause.",
                    "s",
                    [(quantile(0.99, "rights_stage_seconds", "stage"), "{{stage}}")],
                ),
                panel(
                    "Stages, share of time",
                    "Seconds spent per second, over all lanes.",
                    "short",
                    [(total("rights_stage_seconds_sum", "stage"), "{{stage}}")],
                    stack=True,
                ),
                panel(
                    "Kernel",
                    "Time the rule kernel takes for the slowest cart of a batch.",
                    "s",
                    quantiles("rights_kernel_seconds"),
                ),
                panel(
                    "Lane queue length",
                    "Requests waiting, per machine.",
                    "short",
                    [(f"sum by (instance) (rights_lane_queue_length{{{ANY}}})", "{{instance}}")],
                ),
                panel(
                    "Lane queue age, all batches",
                    "Where the batches are.",
                    "s",
                    [(total("rights_lane_queue_age_seconds_bucket", "le"), "{{le}}")],
                    kind="heatmap",
                    width=16,
                ),
            ],
        ),
        (
            "Transport",
            [
                panel(
                    "Workers by transport",
                    "grpcio where native was meant: libnghttp2 is missing there; the log says so.",
                    "short",
                    [(f"sum by (transport) (rights_transport_workers{{{ANY}}})", "{{transport}}")],
                ),
                panel(
                    "Connections",
                    "Open on the native transport, per machine.",
                    "short",
                    [(f"sum by (instance) (rights_transport_connections{{{ANY}}})", "{{instance}}")],
                ),
                panel(
                    "Buffered",
                    "Requests and metadata that arrive, answers not read; RIGHTS_MAX_BUFFERED_BYTES per worker.",
                    "bytes",
                    [(f"sum by (instance) (rights_transport_buffered_bytes{{{ANY}}})", "{{instance}}")],
                ),
                panel(
                    "Connections ended",
                    "By the native transport, for what they did or did not do.",
                    "ops",
                    [(total("rights_transport_closed_total", "reason"), "{{reason}}")],
                    stack=True,
                ),
                panel(
                    "Calls refused",
                    "By the native transport, before they began or as they arrived.",
                    "reqps",
                    [(total("rights_transport_refused_total", "reason"), "{{reason}}")],
                    stack=True,
                ),
            ],
        ),
        (
            "Events",
            [
                panel(
                    "Events delivered",
                    "Sent on streams, per kind; those sent again too.",
                    "ops",
                    [(total("rights_events_delivered_total", "kind"), "{{kind}}")],
                    stack=True,
                ),
                panel(
                    "Consumer lag",
                    "Age of the oldest event that a consumer has not acknowledged.",
                    "s",
                    [
                        (
                            "max by (tenant, consumer) "
                            f'(rights_event_consumer_lag_seconds{{{ANY},tenant=~"$tenant"}})',
                            "{{tenant}} {{consumer}}",
                        )
                    ],
                ),
                panel(
                    "Event streams",
                    "Open, per machine.",
                    "short",
                    [(f"sum by (instance) (rights_event_streams{{{ANY}}})", "{{instance}}")],
                ),
                panel(
                    "Events waiting for a transaction",
                    "How long events have been held back by transactions from before them that still run.",
                    "s",
                    [(f"max by (instance) (rights_event_horizon_age_seconds{{{ANY}}})", "{{instance}}")],
                ),
                panel(
                    "Outbox",
                    "Rows kept, about; a row holds the events of a batch and tenant. Age of the oldest in hours.",
                    "short",
                    [
                        (f"max(rights_outbox_rows{{{ANY}}})", "rows"),
                        (f"max(rights_outbox_oldest_age_seconds{{{ANY}}}) / 3600", "oldest, hours"),
                    ],
                ),
                panel(
                    "Events dropped and missed",
                    "Dropped by retention, and streams that had to tell that they miss some of them.",
                    "ops",
                    [
                        (total("rights_events_dropped_total"), "dropped"),
                        (total("rights_event_gaps_total"), "gaps told"),
                    ],
                ),
            ],
        ),
        (
            "Trouble",
            [
                panel(
                    "Overload",
                    "Requests turned away, nothing recorded; callers were told when to come again.",
                    "reqps",
                    [(total("rights_overload_total", "cause"), "{{cause}}")],
                    stack=True,
                ),
                panel(
                    "Database retries",
                    "Batches tried again, by cause, commands left for the next batch, and connections made anew.",
                    "ops",
                    [
                        (total("rights_database_retries_total", "cause"), "{{cause}}"),
                        (total("rights_members_busy_total"), "member busy"),
                        (total("rights_database_reconnects_total"), "reconnects"),
                    ],
                ),
                panel(
                    "Faults",
                    "Mistakes of the service or its data; each has a log line.",
                    "ops",
                    [(total("rights_faults_total", "kind"), "{{kind}}")],
                ),
                panel(
                    "Workers",
                    "Ready to serve, per machine.",
                    "short",
                    [(f"rights_workers{{{ANY}}}", "{{instance}}")],
                ),
                panel(
                    "Worker restarts",
                    "Workers started again after they died, per hour.",
                    "short",
                    [(f"increase(rights_worker_restarts_total{{{ANY}}}[1h])", "{{instance}}")],
                ),
                panel(
                    "Scrapes",
                    "Whether Prometheus reaches each machine.",
                    "short",
                    [(f"up{{{ANY}}}", "{{instance}}")],
                ),
            ],
        ),
        (
            "What operators steer",
            [
                panel(
                    "Budgets, pools and quotas remaining",
                    "Minor units of a budget or pool, uses of a quota, as last seen by a worker.",
                    "short",
                    [
                        (
                            "min by (tenant, budget) "
                            f'(rights_budget_remaining{{{ANY},tenant=~"$tenant",budget=~"$budget"}})',
                            "{{tenant}} {{budget}}",
                        )
                    ],
                    width=12,
                ),
                panel(
                    "Rulebook in force",
                    "Its version, per tenant and machine. They agree within a second of an activation.",
                    "short",
                    [
                        (
                            f'max by (tenant, instance) (rights_rulebook_version{{{ANY},tenant=~"$tenant"}})',
                            "{{tenant}} on {{instance}}",
                        )
                    ],
                    width=12,
                ),
            ],
        ),
    ]


def variable(name: str, label: str, query: str) -> dict[str, Any]:
    """A filter on top of the dashboard."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def placed() -> list[dict[str, Any]]:
    """The panels in their grid, each row with a heading."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, row in rows():
        heading = {"type": "row", "title": title, "collapsed": False, "panels": []}
        panels.append(heading | {"gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1}})
        y += 1
        height = 4 if all(item["type"] == "stat" for item in row) else HEIGHT
        x = 0
        for item in row:
            width = item.pop("width")
            if x + width > WIDTH:
                x, y = 0, y + height
            panels.append(item | {"gridPos": {"x": x, "y": y, "w": width, "h": height}})
            x += width
        y += height
    return [{"id": number} | item for number, item in enumerate(panels, 1)]


def dashboard() -> dict[str, Any]:
    """Grafana's model of it."""
    return {
        "uid": "rights",
        "title": "Rights",
        "description": "The rights service: RPCs, outcomes, the way of a batch, trouble, budgets.",
        "tags": ["rights", "grpc"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "templating": {
            "list": [
                {
                    "name": "datasource",
                    "label": "Prometheus",
                    "type": "datasource",
                    "query": "prometheus",
                    "current": {"text": "Prometheus", "value": "prometheus"},
                },
                variable("job", "Job", "label_values(rights_workers, job)"),
                variable("instance", "Machine", 'label_values(rights_workers{job=~"$job"}, instance)'),
                variable(
                    "method",
                    "Method",
                    'label_values(grpc_server_started_total{grpc_service=~"rights[.].*"}, grpc_method)',
                ),
                variable("tenant", "Tenant", 'label_values(rights_rulebook_version{job=~"$job"}, tenant)'),
                variable(
                    "budget",
                    "Budget",
                    'label_values(rights_budget_remaining{job=~"$job",tenant=~"$tenant"}, budget)',
                ),
            ]
        },
        "panels": placed(),
    }


def rendered() -> str:
    """The file."""
    return json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    TARGET.write_text(rendered())
    print(TARGET)
