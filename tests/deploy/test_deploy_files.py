"""Image, compose and Kubernetes: the files fit the service's settings and one another."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from rights.settings import Settings, load_settings, variable

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
SECRETS = DEPLOY / "secrets"


def documents(path: Path) -> list[Any]:
    return list(YAML(typ="safe", pure=True).load_all(path))


def own_files(*patterns: str) -> list[Path]:
    return sorted(p for pattern in patterns for p in DEPLOY.rglob(pattern) if SECRETS not in p.parents)


def compose() -> dict[str, Any]:
    (document,) = documents(DEPLOY / "compose.yaml")
    return document


def with_tokens() -> dict[str, Any]:
    (document,) = documents(DEPLOY / "compose.jwt.yaml")
    return document


def container(kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The pod of a Kubernetes object and its container."""
    pods = [
        document["spec"]["template"]["spec"]
        for path in own_files("kubernetes/*.yaml")
        for document in documents(path)
        if document["kind"] == kind
    ]
    (pod,) = pods
    (only,) = pod["containers"]
    return pod, only


def image_environment() -> dict[str, str]:
    return dict(re.findall(r"^(?:ENV)?\s+(RIGHTS_\w+)=(\S+)", DOCKERFILE, re.MULTILINE))


def environments() -> dict[str, dict[str, str]]:
    """What each container that serves is started with."""
    base = compose()["services"]["rights"]["environment"]
    kubernetes = {item["name"]: item["value"] for item in container("Deployment")[1]["env"]}
    return {
        "compose": image_environment() | base,
        "compose with tokens": image_environment()
        | base
        | with_tokens()["services"]["rights"]["environment"],
        "kubernetes": image_environment() | kubernetes,
    }


def seconds(text: str) -> float:
    assert text.endswith("s")
    return float(text.removesuffix("s"))


def settings_of(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in [name for name in os.environ if name.startswith("RIGHTS_")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return load_settings()


@pytest.mark.parametrize("path", own_files("*.yaml", "*.yml"), ids=lambda path: path.name)
def test_yaml_is_yaml(path: Path) -> None:
    assert all(isinstance(document, dict) for document in documents(path))


@pytest.mark.parametrize("path", own_files("*.json"), ids=lambda path: path.name)
def test_json_is_json(path: Path) -> None:
    assert json.loads(path.read_text())


@pytest.mark.parametrize("path", own_files("*.sh"), ids=lambda path: path.name)
def test_scripts_are_shell(path: Path) -> None:
    assert os.access(path, os.X_OK)
    subprocess.run(["sh", "-n", path], check=True)


@pytest.mark.parametrize("name", environments())
def test_variables_are_settings_and_the_service_would_start(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = environments()[name]
    known = {variable(field) for field in Settings.model_fields}
    assert {given for given in environment if given.startswith("RIGHTS_")} <= known
    settings = settings_of(environment, monkeypatch)
    assert (settings.port, settings.metrics_port) == (50051, 9464)
    assert settings.authenticates == (name != "compose")


def test_image_alone_does_not_serve_strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Exception, match="nothing identifies callers"):
        settings_of(image_environment(), monkeypatch)


def test_containers_may_drain_before_they_are_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    margin = 4  # the supervisor kills workers 2 s after the drain, then closes
    grace = seconds(compose()["services"]["rights"]["stop_grace_period"])
    settings = settings_of(environments()["compose"], monkeypatch)
    assert grace > settings.drain_not_serving_seconds + settings.drain_grace_seconds + margin
    settings = settings_of(environments()["kubernetes"], monkeypatch)
    grace = container("Deployment")[0]["terminationGracePeriodSeconds"]
    assert grace > settings.drain_not_serving_seconds + settings.drain_grace_seconds + margin


def test_image_copies_what_there_is() -> None:
    for line in re.findall(r"^COPY (?:--\S+ )*(.+)$", DOCKERFILE, re.MULTILINE):
        for source in line.split()[:-1]:
            if source != "README.md":
                assert (ROOT / source).exists(), source
            ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
            assert f"!{source}" in ignored, source
    assert re.search(r"^USER 10001:10001$", DOCKERFILE, re.MULTILINE)
    assert 'CMD ["rights", "serve"]' in DOCKERFILE


@contextmanager
def healthz(status: int) -> Iterator[int]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_health_check_of_the_image(status: int, healthy: bool) -> None:
    found = re.search(r"HEALTHCHECK .*? CMD (\[.*?\])$", DOCKERFILE.replace("\\\n", ""), re.MULTILINE)
    assert found
    python, *arguments = json.loads(found[1])
    assert python == "python"
    with healthz(status) as port:
        result = subprocess.run(
            [sys.executable, *arguments],
            env={"RIGHTS_METRICS_PORT": str(port)},
            check=False,
            capture_output=True,
        )
    assert (result.returncode == 0) == healthy


def test_entrypoint_reads_the_secret(tmp_path: Path) -> None:
    secret = tmp_path / "database_url"
    secret.write_text("postgresql://u:p@h/d\n")
    said = subprocess.check_output(
        [DEPLOY / "entrypoint.sh", "env"],
        env={"PATH": os.environ["PATH"], "DATABASE_URL_FILE": str(secret)},
        text=True,
    )
    assert "RIGHTS_DATABASE_URL=postgresql://u:p@h/d\n" in said
    assert "DATABASE_URL_FILE=/" not in said


def test_compose_names_what_there_is() -> None:
    services, secrets = compose()["services"], compose()["secrets"]
    for name, service in services.items():
        for mount in service.get("volumes", ()):
            source = mount.split(":")[0]
            assert source in compose()["volumes"] or (DEPLOY / source).is_dir(), (name, source)
        for used in service.get("secrets", ()):
            assert used in secrets, (name, used)
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), f"{name} is published beyond this machine"
        assert set(service.get("depends_on", ())) <= services.keys()
    assert services["migrate"]["command"] == ["rights", "migrate"]
    assert services["rights"]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    assert services["postgres"]["image"] == "postgres:18"


def test_prometheus_scrapes_the_service() -> None:
    (config,) = documents(DEPLOY / "prometheus" / "prometheus.yml")
    jobs = {job["job_name"]: job["static_configs"][0]["targets"] for job in config["scrape_configs"]}
    assert jobs["rights"] == ["rights:9464"]
    assert "rights" in compose()["services"]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_secrets_are_made_once_and_are_those_of_compose(tmp_path: Path) -> None:
    script = shutil.copy(DEPLOY / "make-secrets.sh", tmp_path)
    subprocess.run([script], check=True, capture_output=True)
    made = {path: path.read_bytes() for path in (tmp_path / "secrets").iterdir()}
    subprocess.run([script], check=True, capture_output=True)
    assert made == {path: path.read_bytes() for path in (tmp_path / "secrets").iterdir()}
    named = {**compose()["secrets"], **with_tokens()["secrets"]}.values()
    assert {secret["file"] for secret in named} <= {f"secrets/{path.name}" for path in made}
    url = (tmp_path / "secrets" / "database_url").read_text()
    assert (tmp_path / "secrets" / "postgres_password").read_text() in url
    Settings(database_url=url)
    assert (tmp_path / "secrets" / "jwt_private.pem").stat().st_mode & 0o077 == 0


def test_kubernetes_objects_fit() -> None:
    listed = documents(DEPLOY / "kubernetes" / "kustomization.yaml")[0]["resources"]
    there = {path.name for path in own_files("kubernetes/*.yaml")} - {"kustomization.yaml"}
    assert set(listed) == there
    objects = {d["kind"]: d for name in listed for d in documents(DEPLOY / "kubernetes" / name)}
    labels = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert objects["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert objects["Service"]["spec"]["selector"] == labels
    _, rights = container("Deployment")
    ports = {port["name"]: port["containerPort"] for port in rights["ports"]}
    assert ports == {"grpc": 50051, "metrics": 9464}
    assert rights["readinessProbe"]["grpc"]["port"] == ports["grpc"]
    assert {port["targetPort"] for port in objects["Service"]["spec"]["ports"]} == ports.keys()
    assert container("Job")[1]["args"] == ["rights", "migrate"]
    for one, only in (container("Deployment"), container("Job")):
        assert one["securityContext"]["runAsNonRoot"]
        assert only["securityContext"]["readOnlyRootFilesystem"]
        assert {mount["name"] for mount in only["volumeMounts"]} == {v["name"] for v in one["volumes"]}
