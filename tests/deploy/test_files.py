"""What stands around Pinfall: files that others mount, read the way they read them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from collector.settings import load_settings
from tests.tools import needs

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
KUBERNETES: list[dict[str, Any]] = list(
    yaml.safe_load_all((ROOT / "docs" / "deploy" / "kubernetes.yaml").read_text())
)


def _named(kind: str, name: str = "pinfall") -> dict[str, Any]:
    return next(o for o in KUBERNETES if o["kind"] == kind and o["metadata"]["name"] == name)


def test_compose_fits_the_specification() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec",
         str(ROOT / "compose.yaml")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_compose_mounts_files_that_are_there_and_pins_versions() -> None:
    for name, service in COMPOSE["services"].items():
        assert "healthcheck" in service or name == "pinfall"  # the image brings its own
        assert service["restart"] == "unless-stopped"
        if "image" in service:
            version = service["image"].rpartition(":")[2].lstrip("v")
            assert version.count(".") >= 1, service["image"]
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (ROOT / source).exists(), source
            else:
                assert source in COMPOSE["volumes"]


def test_compose_sets_settings_that_there_are() -> None:
    told = dict(COMPOSE["services"]["pinfall"]["environment"])
    settings = load_settings({name: _filled(value) for name, value in told.items()})
    assert settings.operator_address.port == 8081
    assert settings.spool_dir is not None


def _filled(value: str) -> str:
    return value.replace("${POSTGRES_PASSWORD:?write it into .env}", "secret").replace(
        "${PINFALL_OPERATOR_TOKEN:?write it into .env}", "0123456789abcdef"
    )


def test_alertmanager_and_prometheus_take_their_files(tmp_path: Path) -> None:
    place = ROOT / "dashboards" / "prometheus"
    token = tmp_path / "token"
    token.write_text("a token")
    for name in ("prometheus.yml", "recording.yml", "alerts.yml"):
        text = (place / name).read_text().replace("/run/secrets/pinfall_token", str(token))
        (tmp_path / name).write_text(text)
    for command in (
        [needs("promtool"), "check", "config", str(tmp_path / "prometheus.yml")],
        [needs("amtool"), "check-config", str(place / "alertmanager.yml")],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_manifests_hold_together() -> None:
    pod = _named("StatefulSet")["spec"]["template"]
    for kind in ("Service", "PodDisruptionBudget", "NetworkPolicy", "ServiceMonitor"):
        selector = _named(kind)["spec"].get("selector", _named(kind)["spec"].get("podSelector"))
        wanted = selector.get("matchLabels", selector)
        assert wanted.items() <= pod["metadata"]["labels"].items()
    assert pod["spec"]["enableServiceLinks"] is False
    container = pod["spec"]["containers"][0]
    ports = {port["name"] for port in container["ports"]}
    assert {port["targetPort"] for port in _named("Service")["spec"]["ports"]} == ports
    claims = {c["metadata"]["name"] for c in _named("StatefulSet")["spec"]["volumeClaimTemplates"]}
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    assert claims <= mounts
    spool = next(e["value"] for e in container["env"] if e["name"] == "PINFALL_SPOOL_DIR")
    assert spool in {mount["mountPath"] for mount in container["volumeMounts"]}


def test_from_outside_only_reports_are_reached() -> None:
    rules = _named("NetworkPolicy")["spec"]["ingress"]
    for rule in rules:
        if "from" not in rule:
            assert [port["port"] for port in rule["ports"]] == ["reports"]


def test_manifests_set_settings_that_there_are() -> None:
    container = _named("StatefulSet")["spec"]["template"]["spec"]["containers"][0]
    secrets = {"PINFALL_DATABASE_URL": "postgresql://pinfall@db/pinfall"}
    load_settings(
        {
            one["name"]: one.get("value", secrets.get(one["name"], "0123456789abcdef"))
            for one in container["env"]
        }
    )
