"""profile.py registry|local: reads what `docker compose config --format json` makes of a profile; exit 1 and the reason where it is not
what docs/operations/compose.md promises."""
import json
import sys

services = json.load(sys.stdin)["services"]
faults = []
for name, service in services.items():
    built = "build" in service
    if not built and name != "simulator" and (sys.argv[1] == "local" or ":" not in service["image"] or service["image"].endswith(":latest")):
        faults.append(f"{name}: image {service['image']} is neither built here nor pinned")
    for port in service.get("ports", []):
        if port.get("host_ip") != "127.0.0.1":
            faults.append(f"{name}: port {port['target']} listens beyond this machine")
    if name not in ("tables", "logins") and service.get("restart") != "unless-stopped":
        faults.append(f"{name}: it is not started again after it ended")
    for needed, how in service.get("depends_on", {}).items():
        if how["condition"] == "service_healthy" and needed != "agents" and "healthcheck" not in services[needed]:
            faults.append(f"{name}: waits for {needed} to be healthy, which has no healthcheck")
expected = {"broker", "database", "tables", "logins", "agents", "prometheus", "node"} | ({"grafana"} if sys.argv[1] == "registry" else set())
if missing := expected - services.keys():
    faults.append(f"missing: {', '.join(sorted(missing))}")
print(*(f"FAILED {fault}" for fault in faults), f"profile {sys.argv[1]}: {', '.join(sorted(services))}", sep="\n")
sys.exit(bool(faults))
