"""Every manifest is valid, consistent with the others, and keeps to the restricted profile."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from dictamesh_sentry.config.load import field_sources
from tests.infrastructure.kubernetes.manifests import (
    ALL,
    KUSTOMIZE,
    OURS,
    SECRET_KEYS,
    Rendered,
    kustomize,
    rendered,
)

pytestmark = pytest.mark.timeout(900)  # Helm may still be being built

# Defined by operators, not by Kubernetes.
FOREIGN = {"ServiceMonitor", "PodMonitor", "ExternalSecret"}
VERSION = kubernetes_validate.latest_version()


@pytest.fixture(params=ALL)
def overlay(request: pytest.FixtureRequest) -> Rendered:
    return rendered(request.param)


def test_every_manifest_is_valid(overlay: Rendered) -> None:
    for manifest in overlay.manifests:
        if manifest["kind"] not in FOREIGN:
            kubernetes_validate.validate(manifest, VERSION, strict=True)


def test_every_component_is_valid_with_prod(tmp_path: Path) -> None:
    for component in ("shared-files", "service-monitor", "external-secrets"):
        folder = KUSTOMIZE / f".test-{component}"
        folder.mkdir()
        try:
            (folder / "kustomization.yaml").write_text(
                f"resources: [../prod]\ncomponents: [../components/{component}]\nnamespace: dictamesh-sentry\n"
            )
            made = kustomize(folder)
        finally:
            (folder / "kustomization.yaml").unlink()
            folder.rmdir()
        for manifest in made.manifests:
            assert manifest["metadata"].get("namespace", "dictamesh-sentry") == "dictamesh-sentry"
            if manifest["kind"] not in FOREIGN:
                kubernetes_validate.validate(manifest, VERSION, strict=True)
        assert len(made.manifests) > len(rendered("prod").manifests), component


def test_what_the_plan_lists_is_there(overlay: Rendered) -> None:
    workloads = {workload["metadata"]["name"] for workload, _ in overlay.pods()}
    roles = {"sentry-web", "sentry-worker", "sentry-cron", "sentry-post-process-forwarder"}
    assert roles <= workloads
    assert any(name.startswith("sentry-migrate") for name in workloads)
    if overlay.name != "chart-prod":
        assert {"sentry-postgres", "sentry-redis", "clickhouse"} <= workloads
    assert overlay.of_kind("Ingress")
    assert overlay.of_kind("NetworkPolicy")
    for manifest in overlay.manifests:
        assert manifest["kind"] == "Namespace" or manifest["metadata"].get("namespace") == "dictamesh-sentry", manifest


def test_probes_requests_and_limits(overlay: Rendered) -> None:
    for container in overlay.containers():
        resources = container.spec["resources"]
        for part in ("requests", "limits"):
            assert {"cpu", "memory"} <= resources[part].keys(), (container.name, part)
        if not container.is_init and "migrate" not in container.workload:
            assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.spec.keys(), container.name


def test_the_restricted_profile(overlay: Rendered) -> None:
    for workload, pod in overlay.pods():
        context, name = pod["spec"]["securityContext"], workload["metadata"]["name"]
        assert context["runAsNonRoot"] is True, name
        assert context["runAsUser"] > 0, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["spec"]["automountServiceAccountToken"] is False, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod["spec"].keys(), name
        kinds = {next(key for key in volume if key != "name") for volume in pod["spec"].get("volumes", ())}
        assert kinds <= {"configMap", "emptyDir", "persistentVolumeClaim", "secret", "projected"}, name
    for container in overlay.containers():
        context = container.spec["securityContext"]
        assert context["allowPrivilegeEscalation"] is False, container.name
        assert context["capabilities"] == {"drop": ["ALL"]}, container.name
        assert context["readOnlyRootFilesystem"] is True, container.name
        if container.spec["image"].startswith(OURS):
            assert container.pod["spec"]["securityContext"]["runAsUser"] == 10001


def test_images_are_pinned(overlay: Rendered) -> None:
    for container in overlay.containers():
        image = container.spec["image"]
        _, colon, tag = image.rpartition(":")
        assert colon, image
        assert tag not in ("latest", "stable", "main"), image
        assert any(char.isdigit() for char in tag), image


def test_every_reference_exists(overlay: Rendered) -> None:
    names = {
        kind: {one["metadata"]["name"] for one in overlay.of_kind(kind)} for kind in ("ConfigMap", "ServiceAccount")
    }
    claims = {one["metadata"]["name"] for one in overlay.of_kind("PersistentVolumeClaim")}
    example = (KUSTOMIZE / "prod" / "secret.example.yaml").read_text()
    for workload, pod in overlay.pods():
        templates = {one["metadata"]["name"] for one in workload["spec"].get("volumeClaimTemplates", ())}
        volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", ())}
        for volume in volumes.values():
            if "configMap" in volume:
                assert volume["configMap"]["name"] in names["ConfigMap"]
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in claims
        if "serviceAccountName" in pod["spec"]:
            assert pod["spec"]["serviceAccountName"] in names["ServiceAccount"]
        for container in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]):
            for mount in container.get("volumeMounts", ()):
                assert mount["name"] in volumes.keys() | templates, (workload["metadata"]["name"], mount)
    for container in overlay.containers():
        for source in container.spec.get("envFrom", ()):
            assert source["configMapRef"]["name"] in names["ConfigMap"]
        for entry in container.spec.get("env", ()):
            if "valueFrom" in entry:
                reference = entry["valueFrom"]["secretKeyRef"]
                assert reference["key"] in SECRET_KEYS or reference.get("optional"), reference
                assert f"{reference['key']}:" in example, reference


def test_selectors_services_and_ports_meet(overlay: Rendered) -> None:
    pods = [(workload, pod) for workload, pod in overlay.pods()]
    for workload, pod in pods:
        if workload["kind"] != "Job":
            assert _matches(workload["spec"]["selector"]["matchLabels"], pod), workload["metadata"]["name"]
    for service in overlay.of_kind("Service"):
        behind = [pod for _, pod in pods if _matches(service["spec"]["selector"], pod)]
        assert len(behind) == 1, service["metadata"]["name"]
        ports = {port["name"] for one in behind[0]["spec"]["containers"] for port in one.get("ports", ())}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports, service["metadata"]["name"]
    services = {service["metadata"]["name"]: service for service in overlay.of_kind("Service")}
    for workload, _ in pods:
        if workload["kind"] == "StatefulSet":
            assert workload["spec"]["serviceName"] in services
    for ingress in overlay.of_kind("Ingress"):
        for rule in ingress["spec"]["rules"]:
            backend = rule["http"]["paths"][0]["backend"]["service"]
            assert backend["port"]["name"] in {port["name"] for port in services[backend["name"]]["spec"]["ports"]}


def test_scalers_and_budgets_have_targets(overlay: Rendered) -> None:
    kinds = {(workload["kind"], workload["metadata"]["name"]) for workload, _ in overlay.pods()}
    for scaler in overlay.of_kind("HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        assert (target["kind"], target["name"]) in kinds
    for budget in overlay.of_kind("PodDisruptionBudget"):
        labels = budget["spec"]["selector"]["matchLabels"]
        assert any(_matches(labels, pod) for _, pod in overlay.pods()), budget["metadata"]["name"]
    partitions = int(overlay.get("ConfigMap", "sentry-config")["data"]["SENTRY_KAFKA_PARTITIONS"])
    for scaler in overlay.of_kind("HorizontalPodAutoscaler"):
        if scaler["metadata"]["name"] == "sentry-worker":
            assert scaler["spec"]["maxReplicas"] <= partitions


def test_network_policies_allow_what_the_roles_need(overlay: Rendered) -> None:
    data = overlay.get("ConfigMap", "sentry-config")["data"]
    role = next(pod for workload, pod in overlay.pods() if workload["metadata"]["name"] == "sentry-worker")
    wanted = {int(data["SENTRY_POSTGRES_PORT"]): data["SENTRY_POSTGRES_HOST"]}
    wanted[int(data["SENTRY_REDIS_PORT"])] = data["SENTRY_REDIS_HOST"]
    wanted[int(data["SENTRY_CLICKHOUSE_PORT"])] = data["SENTRY_CLICKHOUSE_HOST"]
    for host in data["SENTRY_KAFKA_HOSTS"].split(","):
        wanted[int(host.rpartition(":")[2])] = host.rpartition(":")[0]
    own = {service["metadata"]["name"]: service for service in overlay.of_kind("Service")}
    for port, host in wanted.items():
        target = next(
            (pod for _, pod in overlay.pods() if host in own and _matches(own[host]["spec"]["selector"], pod)), None
        )
        namespace = host.split(".")[-4] if host.endswith(".svc.cluster.local") else None
        assert _allowed(overlay, "Egress", role, target, namespace, port), (host, port)
        if target is not None:
            assert _allowed(overlay, "Ingress", target, role, None, port), (host, port)
    policies = overlay.of_kind("NetworkPolicy")
    assert any(one["spec"]["podSelector"] == {} and len(one["spec"]["policyTypes"]) == 2 for one in policies)
    # A store may be reached by roles only.
    cron_like = {"metadata": {"labels": {"app.kubernetes.io/name": "stranger"}}}
    for name in ("sentry-postgres", "sentry-redis", "clickhouse"):
        pod = next((pod for workload, pod in overlay.pods() if workload["metadata"]["name"] == name), None)
        if pod is not None:
            assert not any(_allowed(overlay, "Ingress", pod, cron_like, None, port) for port in (5432, 6379, 8123))


def test_the_metadata_service_of_clouds_is_out_of_reach(overlay: Rendered) -> None:
    """Projects name URLs that the product calls; none of them may be the machine's credentials."""
    address = ipaddress.ip_address("169.254.169.254")
    for policy in overlay.of_kind("NetworkPolicy"):
        for rule in policy["spec"].get("egress", ()):
            for peer in rule.get("to", ()):
                block = peer.get("ipBlock")
                if block and address in ipaddress.ip_network(block["cidr"]):
                    assert any(address in ipaddress.ip_network(one) for one in block.get("except", ())), policy


@pytest.mark.parametrize("name", ["prod", "chart-prod"])
def test_production_has_no_secret_and_survives_a_node(name: str) -> None:
    prod = rendered(name)
    assert prod.of_kind("Secret") == []
    replicas = {workload["metadata"]["name"]: workload["spec"].get("replicas") for workload, _ in prod.pods()}
    scaled = {
        one["spec"]["scaleTargetRef"]["name"]: one["spec"]["minReplicas"]
        for one in prod.of_kind("HorizontalPodAutoscaler")
    }
    replicas |= scaled
    assert replicas["sentry-web"] >= 3
    assert replicas["sentry-worker"] >= 3
    assert replicas["sentry-post-process-forwarder"] >= 2
    assert replicas["sentry-cron"] == 1
    data = prod.get("ConfigMap", "sentry-config")["data"]
    assert data["SENTRY_KAFKA_REPLICATION_FACTOR"] == "3"
    assert data["SENTRY_FILESTORE_BACKEND"] == "s3"
    assert data["SENTRY_URL_PREFIX"].startswith("https://")
    for ingress in prod.of_kind("Ingress"):
        assert ingress["spec"]["tls"][0]["hosts"] == [ingress["spec"]["rules"][0]["host"]]
        assert data["SENTRY_URL_PREFIX"] == f"https://{ingress['spec']['rules'][0]['host']}"
    for workload, pod in prod.pods():
        if workload["metadata"]["name"] in ("sentry-web", "sentry-worker"):
            assert pod["spec"]["topologySpreadConstraints"]


def test_every_variable_is_a_setting(overlay: Rendered) -> None:
    declared = {meta["env"] for meta in field_sources().values()} | {"SENTRY_CONF", "PROMETHEUS_MULTIPROC_DIR"}
    for container in overlay.containers():
        if container.spec["image"].startswith(OURS):
            given = overlay.environment(container, dict.fromkeys(SECRET_KEYS, "x"))
            assert given.keys() <= declared, container.name


def _matches(labels: dict[str, str], pod: Any) -> bool:
    return labels.items() <= pod["metadata"]["labels"].items()


def _selected(selector: dict[str, Any], pod: Any) -> bool:
    own = pod["metadata"]["labels"]
    return _matches(selector.get("matchLabels", {}), pod) and all(
        expression["operator"] == "In" and own.get(expression["key"]) in expression["values"]
        for expression in selector.get("matchExpressions", ())
    )


def _allowed(overlay: Rendered, direction: str, pod: Any, peer: Any | None, namespace: str | None, port: int) -> bool:
    """Whether some policy of ``pod`` allows the connection; every policy only ever adds."""
    side = "to" if direction == "Egress" else "from"
    for policy in overlay.of_kind("NetworkPolicy"):
        spec = policy["spec"]
        if direction not in spec["policyTypes"] or not _selected(spec["podSelector"], pod):
            continue
        for rule in spec.get(direction.lower(), ()):
            if "ports" in rule and port not in {entry["port"] for entry in rule["ports"]}:
                continue
            if side not in rule:
                return True
            for one in rule[side]:
                if peer is not None and "podSelector" in one and _selected(one["podSelector"], peer):
                    return True
                labels = one.get("namespaceSelector", {}).get("matchLabels", {})
                if namespace and labels.get("kubernetes.io/metadata.name") == namespace:
                    return True
                if peer is None and namespace is None and "ipBlock" in one:
                    return True
    return False
