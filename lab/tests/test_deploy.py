"""The units of systemd and the manifests of Kubernetes run what the Procfile runs, and may do no more than it needs.
Nothing here starts a unit or a pod."""

import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from honcho.environ import parse_procfile

from charites.common.rpc.limits import DRAIN_SECONDS
from charites.common.threads import AT_ONCE
from lab.generate.document_settings import settings
from messaging.relay import CLAIM_SECONDS

ROOT = Path(__file__).resolve().parents[2]
SYSTEMD, KUBERNETES = ROOT / "deploy" / "systemd", ROOT / "deploy" / "kubernetes"
PROCESSES: dict[str, str] = parse_procfile((ROOT / "Procfile").read_text()).processes
SHUT = {
    "NoNewPrivileges": ["yes"],
    "CapabilityBoundingSet": [""],
    "ProtectSystem": ["strict"],
    "ProtectHome": ["yes"],
    "PrivateTmp": ["yes"],
    "PrivateDevices": ["yes"],
    "ProtectControlGroups": ["yes"],
    "ProtectKernelModules": ["yes"],
    "ProtectKernelTunables": ["yes"],
    "RestrictNamespaces": ["yes"],
    "RestrictSUIDSGID": ["yes"],
    "SystemCallFilter": ["@system-service"],
    "ReadOnlyPaths": ["/srv/charites /etc/charites"],
    "User": ["charites"],
}
SPARE_SECONDS = 5.0  # in which a process ends that has done everything
OURS = {"PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PATH"}  # settings of Python and the shell


# systemd


def unit(name: str) -> dict[str, list[str]]:
    """What a unit sets: name -> its values."""
    values: dict[str, list[str]] = defaultdict(list)
    for line in (SYSTEMD / f"charites-{name}@.service").read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            values[key].append(value)
    return values


@pytest.mark.parametrize("name", PROCESSES)
def test_unit_runs_the_command_of_the_procfile_and_starts_it_again_for_ever(name: str) -> None:
    values = unit(name)

    assert values["ExecStart"] == [f"/bin/sh -c '{PROCESSES[name].replace('%', '%%').replace('$', '$$')}'"]
    assert (values["Restart"], values["StartLimitIntervalSec"]) == (["always"], ["0"])
    assert values["KillMode"] == ["mixed"]  # or the children of a server end before it has drained
    assert values["PartOf"] == ["charites.target"]
    assert f"charites-{name}@1.service" in (SYSTEMD / "charites.target").read_text()


@pytest.mark.parametrize("name", PROCESSES)
def test_unit_shuts_what_the_shop_does_not_need(name: str) -> None:
    values = unit(name)

    assert {key: values[key] for key in SHUT} == SHUT
    assert set(values) >= {"MemoryMax", "TasksMax", "LimitNOFILE", "TimeoutStopSec"}


@pytest.mark.parametrize("name", PROCESSES)
def test_unit_sets_only_settings_that_exist(name: str) -> None:
    named = {word.partition("=")[0] for line in unit(name)["Environment"] for word in line.split()}

    assert named - {setting.name for setting in settings()} - OURS == set()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze, which reads units")
@pytest.mark.parametrize("file", sorted(SYSTEMD.iterdir()), ids=lambda file: file.name)
def test_systemd_finds_nothing_wrong_with_a_unit(file: Path) -> None:
    done = subprocess.run(["systemd-analyze", "verify", file], capture_output=True, text=True)

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


# Kubernetes


def documents() -> list[dict[str, Any]]:
    names = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]
    return [document for name in names for document in yaml.safe_load_all((KUBERNETES / name).read_text())]


def of_kind(*kinds: str) -> dict[str, dict[str, Any]]:
    """Name without the prefix -> document."""
    found = [document for document in documents() if document["kind"] in kinds]
    return {document["metadata"]["name"].removeprefix("charites-"): document for document in found}


def pods() -> dict[str, dict[str, Any]]:
    """Deployment or job -> what its pods are."""
    jobs = {name: document["spec"]["jobTemplate"] for name, document in of_kind("CronJob").items()}
    return {name: document["spec"]["template"] for name, document in (of_kind("Deployment", "Job") | jobs).items()}


def container(name: str) -> dict[str, Any]:
    (only,) = pods()[name]["spec"]["containers"]
    return dict(only)


def test_kustomization_names_every_file() -> None:
    files = {file.name for file in KUBERNETES.glob("*.yaml")}

    assert files - {"kustomization.yaml"} == set(
        yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]
    )
    assert set(pods()) == {*PROCESSES, "migrate", "audit"}


@pytest.mark.parametrize("name", PROCESSES)
def test_pod_runs_the_command_of_the_procfile(name: str) -> None:
    assert container(name)["command"] == ["sh", "-c", PROCESSES[name]]


@pytest.mark.parametrize("version", ["1.32", "1.37"])
def test_kubernetes_knows_every_field(version: str) -> None:
    for document in [*documents(), *autoscalers().values()]:
        assert kubernetes_validate.validate(document, version, strict=True) == version


@pytest.mark.parametrize("name", [*PROCESSES, "migrate", "audit"])
def test_pod_may_write_nothing_and_become_nobody_else(name: str) -> None:
    spec, only = pods()[name]["spec"], container(name)

    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert f"--uid {spec['securityContext']['runAsUser']} " in (ROOT / "Dockerfile").read_text()
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert (spec["automountServiceAccountToken"], spec["enableServiceLinks"]) == (False, False)
    assert only["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]
    assert spec["volumes"] == [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}]
    assert set(only["resources"]["requests"]) == {"cpu", "memory"}
    assert "memory" in only["resources"]["limits"]


def test_probes_ask_whether_the_process_lives_and_whether_it_can_place_an_order() -> None:
    web, grpc = container("web"), container("grpc")

    assert [web[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")] == [
        {"path": "/livez", "port": "http"},
        {"path": "/livez", "port": "http"},
        {"path": "/readyz", "port": "http"},
    ]
    assert [grpc[f"{kind}Probe"]["grpc"] for kind in ("startup", "liveness", "readiness")] == [{"port": 8081}] * 3
    assert [only["lifecycle"]["preStop"] for only in (web, grpc)] == [{"exec": {"command": ["sleep", "5"]}}] * 2


@pytest.mark.parametrize("name", ["web", "grpc", "sweep", "worker"])
def test_pod_has_longer_to_end_than_the_process_takes(name: str) -> None:
    """Or it is killed with calls under way."""
    (values,) = (document["data"] for document in of_kind("ConfigMap").values())
    (granian,) = re.findall(r"--workers-kill-timeout (\d+)", PROCESSES["web"])
    sleep = int(container(name).get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", [0])[-1])
    drain = {"web": float(granian), "grpc": DRAIN_SECONDS, "sweep": CLAIM_SECONDS, "worker": 0.0}[name]

    delay = float(values["DRAIN_DELAY_SECONDS"]) if name in ("web", "grpc") else 0.0
    assert pods()[name]["spec"]["terminationGracePeriodSeconds"] >= sleep + delay + drain + SPARE_SECONDS


def test_prometheus_finds_the_counters_of_every_pod() -> None:
    (values,) = (document["data"] for document in of_kind("ConfigMap").values())

    for name in PROCESSES:
        port = values["HTTP_PORT"] if name == "web" else values["METRICS_ADDRESS"].rpartition(":")[2]
        assert pods()[name]["metadata"]["annotations"] == {
            "prometheus.io/scrape": "true",
            "prometheus.io/path": "/metrics",
            "prometheus.io/port": port,
        }
        assert int(port) in [shown["containerPort"] for shown in container(name)["ports"]]


# More pods by what waits


def autoscalers() -> dict[str, dict[str, Any]]:
    found = yaml.safe_load_all((KUBERNETES / "autoscaling" / "autoscalers.yaml").read_text())
    return {document["metadata"]["name"].removeprefix("charites-"): document for document in found}


def metrics_of(name: str) -> dict[str, str]:
    """Metric -> the kind of the source that tells it, of one autoscaler."""
    found = {}
    for metric in autoscalers()[name]["spec"]["metrics"]:
        told = metric[metric["type"].lower()]
        found[told["name"] if metric["type"] == "Resource" else told["metric"]["name"]] = metric["type"]
    return found


def test_every_deployment_has_an_autoscaler_that_starts_where_it_does() -> None:
    deployments = of_kind("Deployment")

    assert set(autoscalers()) == set(deployments)
    for name, scaler in autoscalers().items():
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployments[name]["metadata"]["name"]}
        assert scaler["spec"]["scaleTargetRef"] == target
        assert scaler["spec"]["minReplicas"] == deployments[name]["spec"]["replicas"] < scaler["spec"]["maxReplicas"]


def test_autoscalers_go_by_what_waits_in_a_pod_or_in_the_shop() -> None:
    counted, state = re.split(r"^State:$", (ROOT / "docs" / "metrics.md").read_text(), flags=re.MULTILINE)
    rules = yaml.safe_load((KUBERNETES / "autoscaling" / "prometheus-adapter.yaml").read_text())
    of_pods = " ".join(rule["seriesQuery"] for rule in rules["rules"])
    patterns = re.findall(r'__name__=~"([^"]*)"', " ".join(rule["seriesQuery"] for rule in rules["externalRules"]))

    for name in PROCESSES:
        waiting = {metric: source for metric, source in metrics_of(name).items() if source != "Resource"}
        assert waiting, name
        for metric, source in waiting.items():
            assert f"`{metric}`" in {"Pods": counted, "External": state}[source]
            if source == "Pods":
                assert metric in of_pods
            else:
                assert any(re.fullmatch(pattern, metric) for pattern in patterns)


def test_database_has_connections_for_as_many_pods_as_there_may_be() -> None:
    (most,) = re.findall(r"^max_connections = (\d+)$", (ROOT / "deploy" / "mariadb.cnf").read_text(), re.MULTILINE)
    web = int(default("WEB_THREADS")) + int(default("PASSWORD_HASHINGS")) + 5
    connections = {"web": 2 * web, "grpc": int(default("GRPC_MAX_WORKERS")) + 3, "worker": 4, "sweep": 2 * AT_ONCE}

    pods_at_most = {name: scaler["spec"]["maxReplicas"] + 1 for name, scaler in autoscalers().items()}  # maxSurge
    assert sum(connections[name] * pods_at_most[name] for name in PROCESSES) < int(most)


def default(name: str) -> str:
    return next(str(setting.default) for setting in settings() if setting.name == name)


def test_services_and_budgets_mean_the_pods_of_their_deployments() -> None:
    labels = {name: pod["metadata"]["labels"] for name, pod in pods().items()}
    services, budgets = of_kind("Service"), of_kind("PodDisruptionBudget")

    assert {name: service["spec"]["selector"] for name, service in services.items()} == {
        name: labels[name] for name in ("web", "grpc")
    }
    assert {name: budget["spec"]["selector"]["matchLabels"] for name, budget in budgets.items()} == {
        name: labels[name] for name, document in of_kind("Deployment").items() if document["spec"]["replicas"] > 1
    }
    for name, document in of_kind("Deployment").items():
        assert document["spec"]["selector"]["matchLabels"] == labels[name]
    for name, service in services.items():
        ports = {port["name"] for port in container(name)["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} == ports - {"metrics"}


def test_config_map_sets_only_settings_that_exist_and_no_secret() -> None:
    (values,) = (document["data"] for document in of_kind("ConfigMap").values())
    known = {setting.name for setting in settings()}

    assert values.keys() - known == set()
    assert [name for name in values if re.search(r"SECRET|DATABASE_URL|REDIS_URL|BROKER_URL", name)] == []


def test_pods_behind_a_proxy_tell_callers_apart() -> None:
    """Or all of them together would have the attempts to sign in that one address has."""
    (values,) = (document["data"] for document in of_kind("ConfigMap").values())

    assert (values["TRUST_PROXY"], values.get("NUM_PROXIES")) == ("true", "1")


@pytest.mark.skipif(not shutil.which("kubectl"), reason="needs kubectl, which puts the files together")
def test_kubectl_puts_the_files_together(tmp_path: Path) -> None:
    made, switched_on = put_together(KUBERNETES), tmp_path / "kubernetes"
    shutil.copytree(KUBERNETES, switched_on)
    file = switched_on / "kustomization.yaml"
    file.write_text(file.read_text().replace("# components:", "components:"))
    scaled = put_together(switched_on)

    assert sorted(document["kind"] for document in made) == sorted(document["kind"] for document in documents())
    assert len(scaled) == len(made) + len(autoscalers())
    assert [document for document in scaled if "replicas" in document.get("spec", {})] == []


def put_together(folder: Path) -> list[dict[str, Any]]:
    done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return list(yaml.safe_load_all(done.stdout))
