"""Creates the cluster's links and kernel settings; removes them and its packet filter rules."""

import ipaddress
import json
import re
import socket
from pathlib import Path

from tests.e2e.cluster.config import HOST_ADDRESS, HOST_LINK, NETWORK, POD_BRIDGE, ClusterError, Folders
from tests.e2e.cluster.servers import traces
from tests.e2e.cluster.shell import run, succeeds

_SETTINGS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv4/conf/all/route_localnet": "1",  # NodePorts on 127.0.0.1
    "net/bridge/bridge-nf-call-iptables": "1",  # a pod that reaches itself or its neighbour through a Service
    # Seconds that conntrack keeps a connection that is being opened or closed (defaults: 120, 120, 60, 30). Until then
    # a connection from the same client port to the same NodePort goes to the pod of the former one, or is refused if it
    # had none: a client that happens on the port of a connection to a deleted pod would find no route to that pod.
    "net/netfilter/nf_conntrack_tcp_timeout_syn_sent": "1",
    "net/netfilter/nf_conntrack_tcp_timeout_fin_wait": "1",
    "net/netfilter/nf_conntrack_tcp_timeout_close_wait": "1",
    "net/netfilter/nf_conntrack_tcp_timeout_last_ack": "1",
}
_FAMILIES = ("iptables", "ip6tables")
# kubelet's, kube-proxy's and kube-router's chains; the CNI plugins that are used here make none.
_OURS = re.compile(r"KUBE-[A-Z0-9-]+")


def create() -> None:
    """Create the host's address and change kernel settings; `traces.note` must have recorded the former ones."""
    _refuse_an_overlap()
    run("ip", "link", "add", HOST_LINK, "type", "bridge")
    run("ip", "address", "add", f"{HOST_ADDRESS}/32", "dev", HOST_LINK)
    run("ip", "link", "set", HOST_LINK, "up")
    for name, value in _SETTINGS.items():
        if Path("/proc/sys", name).exists():
            Path("/proc/sys", name).write_text(value)


def remove(folders: Folders) -> None:
    """Remove links and rules and restore settings; pods, kube-proxy and kube-router must have ended."""
    links = json.loads(run("ip", "-json", "link"))
    for link in (
        each for each in links if each.get("master") == POD_BRIDGE or each["ifname"] in (POD_BRIDGE, HOST_LINK)
    ):
        # A pod's link may disappear at any time, with the pod's network namespace.
        succeeds("ip", "link", "delete", link["ifname"])
    for family in _FAMILIES:
        _remove_rules(family, traces.before(folders, "tables"))
    traces.restore_settings(folders)


def free_port() -> int:
    """Return a free TCP port of loopback."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _refuse_an_overlap() -> None:
    ours = ipaddress.ip_network(NETWORK)
    for route in json.loads(run("ip", "-json", "route", "show", "table", "all")):
        if route["dst"] != "default" and ":" not in route["dst"]:
            theirs = ipaddress.ip_network(route["dst"], strict=False)
            if theirs.overlaps(ours) and theirs.prefixlen > 8:
                raise ClusterError(f"this machine has a route to {theirs}; the test cluster needs {NETWORK}")


def _remove_rules(family: str, tables_before: set[str]) -> None:
    for table, lines in _saved(family).items():
        chains = [line.split()[0][1:] for line in lines if line.startswith(":")]
        ours = [chain for chain in chains if _OURS.fullmatch(chain)]
        jumps = [line for line in lines if _jumps_to_ours(line)]
        if ours:
            changes = [f":{chain} - [0:0]" for chain in ours]
            changes += [f"-D{line[2:]}" for line in jumps] + [f"-X {chain}" for chain in ours]
            run(f"{family}-restore", "--noflush", given="\n".join([f"*{table}", *changes, "COMMIT", ""]))
        if f"{family} {table}" not in tables_before and not _used(family, table):
            succeeds("nft", "delete", "table", "ip" if family == "iptables" else "ip6", table)


def _jumps_to_ours(line: str) -> bool:
    if not line.startswith("-A "):
        return False
    target = re.search(r" -[jg] (\S+)", line)
    return bool(target and _OURS.fullmatch(target[1])) and not _OURS.fullmatch(line.split()[1])


def _used(family: str, table: str) -> bool:
    lines = _saved(family).get(table, [])
    return any(line.startswith("-A") or (line.startswith(":") and line.split()[1] == "-") for line in lines)


def _saved(family: str) -> dict[str, list[str]]:
    """Table -> its lines."""
    tables: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in run(f"{family}-save").splitlines():
        if line.startswith("*"):
            lines = tables.setdefault(line[1:], [])
        elif line.startswith((":", "-A")):
            lines.append(line)
    return tables
