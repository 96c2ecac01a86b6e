"""The command line: mistakes are told in a line, with what to do next and the right exit code."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.protobuf.timestamp_pb2 import Timestamp
from typer.testing import CliRunner, Result

from rights import cli_calls
from rights.api.auth import Authenticator, Caller
from rights.cli import app
from rights.cli_calls import money, when
from rights.settings import Settings, load_settings, settings_table, variable
from rights.v1.rulebook_pb2 import ActivateRequest

PERIOD = ("--from", "2026-11-11T00:00:00Z", "--to", "2026-11-12T00:00:00Z")
BACKWARDS = ("--from", "2026-11-12T00:00:00Z", "--to", "2026-11-11T00:00:00Z")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*map(variable, Settings.model_fields), "RIGHTS_ADDRESS", "RIGHTS_TOKEN", "RIGHTS_CA_FILE"):
        monkeypatch.delenv(name, raising=False)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["serve"], 2, "RIGHTS_DATABASE_URL"),
        (["serve", "--data", "x"], 2, "give --embedded too"),
        (["serve", "--port", "70000"], 2, "RIGHTS_PORT=70000"),
        (["serve", "--host", "0.0.0.0"], 2, "nothing identifies callers"),
        (["migrate"], 2, "RIGHTS_DATABASE_URL"),
        (["audit"], 2, "RIGHTS_DATABASE_URL"),
        (["tenant", "add", "a b"], 2, "1..64 of A-Z a-z 0-9 . _ -"),
        (["tenant", "add", "a/b"], 2, "1..64 of A-Z a-z 0-9 . _ -"),
        (["tenant", "add", "a" * 65], 2, "1..64 of A-Z a-z 0-9 . _ -"),
        (["wallet", "show", "m", "--address", "127.0.0.1:1"], 1, "no service answers at 127.0.0.1:1"),
        (["wallet", "show", "m", "--identity"], 2, "LINE:ID"),
        (["wallet", "statement", "m", "points", "--identity"], 2, "LINE:ID"),
        (["rulebook", "activate", "1", "--at", "tomorrow"], 2, "write a time like"),
        (["rulebook", "activate", "1", "--at", "2026-11-11T00:00:00"], 2, "name the offset"),
        (["rulebook", "activate", "0"], 2, ""),
        (["rulebook", "validate", "/nowhere.yaml"], 2, ""),
        (["replay", "--from", "2026-11-11", "--to", "2026-11-12", "--rulebook", "1"], 2, "name the offset"),
        (["replay", *BACKWARDS, "--rulebook", "1"], 2, "--to must be after --from"),
        (["replay", *PERIOD, "--rulebook", "1"], 2, "RIGHTS_DATABASE_URL"),
        (
            ["demo", "nothing"],
            2,
            "nothing is no program with a scenario, nor a .yaml file; there are ",
        ),
        (["demo", "double11", "--stay"], 2, "--stay and --port are of the demo without a program"),
        (["demo", "nowhere.yaml"], 1, "nowhere.yaml:1:1: cannot be read"),
        (["nonsense"], 2, ""),
    ],
)
def test_mistakes(words: list[str], code: int, told: str) -> None:
    result = run(*words)
    assert result.exit_code == code, result.output
    assert told in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("words", [["migrate"], ["tenant", "list"]])
def test_a_database_that_is_away(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIGHTS_DATABASE_URL", "postgresql://someone:secret@127.0.0.1:1/x")
    result = run(*words)
    assert result.exit_code == 1
    assert "the database cannot be reached" in result.output
    assert "secret" not in result.output


def test_a_worker_that_cannot_start_tells_its_supervisor_and_nobody_else() -> None:
    """Who reads the log as JSON would stumble over a sentence, each time one is started while PostgreSQL is away."""
    ours, theirs = socket.socketpair()
    environment = os.environ | {
        "RIGHTS_SUPERVISOR_FD": str(theirs.fileno()),
        "RIGHTS_DATABASE_URL": "postgresql://someone@127.0.0.1:1/x",
        "RIGHTS_LOG_FORMAT": "json",
    }
    with ours:
        with theirs:
            command = [sys.executable, "-m", "rights", "worker", "--index", "0"]
            done = subprocess.run(
                command,
                pass_fds=[theirs.fileno()],
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
        assert ours.recv(4096).startswith(b"failed the database cannot be reached")
    assert done.returncode == 1
    assert all(json.loads(line)["level"] == "warning" for line in done.stderr.splitlines())
    assert done.stdout == ""


def test_an_incomplete_installation_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIGHTS_DATABASE_URL", "postgresql://127.0.0.1:1/x")
    monkeypatch.setitem(sys.modules, "rights.audit", None)
    result = run("audit")
    assert (result.exit_code, "build it with `make setup`" in result.output) == (1, True)


def test_an_embedded_database_and_a_given_one_exclude_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIGHTS_DATABASE_URL", "postgresql://127.0.0.1:1/x")
    result = run("serve", "--embedded")
    assert (result.exit_code, "unset one" in result.output) == (2, True)


def test_every_mistake_of_a_rulebook_file_is_listed(tmp_path: Path) -> None:
    file = tmp_path / "book.yaml"
    file.write_text("name: x\ncurrency: ABC\nstages: []\nsurprise: 1\n")
    result = run("rulebook", "validate", str(file))
    assert result.exit_code == 1
    assert f"{file}:4:1" in result.output.replace("\n", "")


def test_lines_of_a_segment_that_name_no_member_are_told_before_anything_is_sent(tmp_path: Path) -> None:
    file = tmp_path / "members.txt"
    file.write_text("anna\n\n bob \nno id\n" + "x y\n" * 30)
    result = run("segment", "upload", str(file), "--tag", "vip", "--address", "127.0.0.1:1")
    told = result.output.replace("\n", "")
    assert result.exit_code == 1
    assert f"{file}:4.member_id: 'no id' is not" in told
    assert "and 11 more" in told
    assert f"{file}:1." not in told


def test_the_end_of_a_segment_has_an_offset(tmp_path: Path) -> None:
    file = tmp_path / "members.txt"
    file.write_text("anna\n")
    result = run("segment", "upload", str(file), "--tag", "vip", "--until", "2027-01-01T00:00:00")
    assert (result.exit_code, "has no offset" in result.output) == (2, True)


def test_the_settings_table() -> None:
    result = run("settings")
    assert (result.exit_code, result.stdout) == (0, settings_table())


def test_minted_tokens_are_accepted(tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    words = ["token", "--tenant", "acme", "--caller", "shop", "--key", str(private), "--role", "operator"]
    result = run(*words)
    assert result.exit_code == 0
    brought = SimpleNamespace(authorization=f"Bearer {result.stdout.strip()}", peer={})
    caller = Authenticator(load_settings(jwt_key_file=public)).authenticate(brought)
    assert caller == Caller("acme", "shop", frozenset({"operator"}))
    assert run(*words, "--role", "king").exit_code == 2
    assert run(*words, "--algorithm", "ES256").exit_code == 2
    assert run(*words[:-3], str(public)).exit_code == 2


def test_json_has_the_names_of_the_proto(capsys: pytest.CaptureFixture[str]) -> None:
    cli_calls.print_json(ActivateRequest(version=2**60))
    assert json.loads(capsys.readouterr().out) == {"version": str(2**60)}


def test_amounts_and_times_for_people() -> None:
    assert money(123456, "CNY") == "1,234.56 CNY"
    assert money(-5, "CNY") == "-0.05 CNY"
    assert money(1500, "JPY") == "1,500 JPY"
    assert when(Timestamp()) == ""
    assert when(Timestamp(seconds=1_794_326_400)) == "2026-11-10 16:00:00Z"


def test_the_help_of_a_replay_says_what_is_not_as_it_would_be() -> None:
    told = " ".join(run("replay", "--help").output.replace("│", " ").split())
    for limit in (
        "refunds and reversals give nothing back to budgets",
        "spends at most what was spent then",
        "orders that were refused then stay out",
    ):
        assert limit in told


def test_a_replay_needs_a_version_or_a_rulebook_without_mistakes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RIGHTS_DATABASE_URL", "postgresql://nowhere")
    file = tmp_path / "wrong.yaml"
    file.write_text("name: x\nstages: [{id: a, basis: lost}]\n")
    for rulebook, code, told in (
        ("nowhere.yaml", 2, "neither the number of a version nor a file"),
        (str(file), 1, "wrong.yaml:2:"),
    ):
        result = run("replay", *PERIOD, "--rulebook", rulebook)
        assert result.exit_code == code, result.output
        assert told in result.output
