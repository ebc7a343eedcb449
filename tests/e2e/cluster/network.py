"""The cluster's links, kernel settings and packet filter rules, and how they are taken back."""

import ipaddress
import json
import re
import socket
from pathlib import Path

from tests.e2e.cluster.config import HOST_ADDRESS, HOST_LINK, NETWORK, POD_BRIDGE, ClusterError, Folders
from tests.e2e.cluster.shell import run, succeeds

_SETTINGS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv4/conf/all/route_localnet": "1",  # NodePorts on 127.0.0.1
    "net/bridge/bridge-nf-call-iptables": "1",  # a pod that reaches itself or its neighbour through a Service
}
_FAMILIES = ("iptables", "ip6tables")
# kubelet's and kube-proxy's chains; the CNI plugins that are used here make none.
_OURS = re.compile(r"KUBE-[A-Z0-9-]+")


def create(folders: Folders) -> None:
    """Make the host's address and set the kernel, after what was there has been written down."""
    _refuse_an_overlap()
    succeeds("modprobe", "br_netfilter")
    before = {name: path.read_text().strip() for name in _SETTINGS if (path := Path("/proc/sys", name)).exists()}
    tables = {family: _tables(family) for family in _FAMILIES}
    _file(folders).write_text(json.dumps({"settings": before, "tables": tables}, indent=1))
    run("ip", "link", "add", HOST_LINK, "type", "bridge")
    run("ip", "address", "add", f"{HOST_ADDRESS}/32", "dev", HOST_LINK)
    run("ip", "link", "set", HOST_LINK, "up")
    for name in before:
        Path("/proc/sys", name).write_text(_SETTINGS[name])


def remove(folders: Folders) -> None:
    """Take back links, rules and settings; pods and kube-proxy have gone before."""
    for link in (POD_BRIDGE, HOST_LINK):
        if Path("/sys/class/net", link).exists():
            for port in Path("/sys/class/net", link, "brif").glob("*"):
                run("ip", "link", "delete", port.name)
            run("ip", "link", "delete", link)
    before = json.loads(_file(folders).read_text()) if _file(folders).exists() else {"settings": {}, "tables": {}}
    for family in _FAMILIES:
        _remove_rules(family, before["tables"].get(family))
    for name, value in before["settings"].items():
        Path("/proc/sys", name).write_text(value)
    _file(folders).unlink(missing_ok=True)


def free_port() -> int:
    """One of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _refuse_an_overlap() -> None:
    ours = ipaddress.ip_network(NETWORK)
    for route in json.loads(run("ip", "-json", "route", "show", "table", "all")):
        if route["dst"] != "default" and ":" not in route["dst"]:
            theirs = ipaddress.ip_network(route["dst"], strict=False)
            if theirs.overlaps(ours) and theirs.prefixlen > 8:
                raise ClusterError(f"this machine has a route to {theirs}; the test cluster needs {NETWORK}")


def _tables(family: str) -> list[str]:
    """Those that exist; even an empty one was made by somebody."""
    return re.findall(r"^\*(\w+)$", run(f"{family}-save"), re.MULTILINE)


def _remove_rules(family: str, tables_before: list[str] | None) -> None:
    for table, lines in _saved(family).items():
        chains = [line.split()[0][1:] for line in lines if line.startswith(":")]
        ours = [chain for chain in chains if _OURS.fullmatch(chain)]
        jumps = [line for line in lines if _jumps_to_ours(line)]
        if ours:
            changes = [f":{chain} - [0:0]" for chain in ours]
            changes += [f"-D{line[2:]}" for line in jumps] + [f"-X {chain}" for chain in ours]
            run(f"{family}-restore", "--noflush", given="\n".join([f"*{table}", *changes, "COMMIT", ""]))
        if tables_before is not None and table not in tables_before and not _used(family, table):
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


def _file(folders: Folders) -> Path:
    return folders.state / "network.json"
