"""HAProxy and nginx in front of our worker, with a tap between that counts requests and responses."""

import contextlib
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.conformance.servers import Process, Server, eventually

MARK = "X-Forwarded-Once"
FORWARDED = re.compile(MARK.encode() + rb": ?[0-9A-Fa-f-]{32,36}\r\n", re.IGNORECASE)
BEGUN = re.compile(rb"[^\r\n]+ HTTP/1\.1\r\n(?:[^\r\n]+\r\n)*")
"""What a proxy sent of a request that the worker refused by its first line; HAProxy 3 sends only that line."""
ANSWERED = re.compile(rb"HTTP/1\.1 [2-5]\d\d [^\r\n]*\r\nServer: jobfinder\r\n")

HAPROXY = """global
  maxconn 256
defaults
  mode http
  timeout connect 2s
  timeout client 700ms
  timeout server 5s
  timeout http-request 700ms
  option http-keep-alive
  http-reuse always
  retries 0
frontend clients
  bind unix@{sock}
  {frontend}
  http-request set-header {mark} %[uuid()]
  default_backend workers
backend workers
  server worker {host}:{port}
"""

NGINX = """daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  client_header_timeout 2s;
  client_body_timeout 2s;
  lingering_timeout 1s;
  client_max_body_size 0;
  {http}
  upstream workers {{ server {host}:{port}; keepalive 8; }}
  server {{
    listen unix:{sock};
    location / {{
      proxy_pass http://workers;
      proxy_http_version 1.1;
      proxy_request_buffering off;
      proxy_next_upstream off;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header {mark} $request_id;
    }}
  }}
}}
"""

SETTINGS = {
    "haproxy": "",
    "haproxy, lenient": "option accept-invalid-http-request",
    "nginx": "",
    "nginx, lenient": "ignore_invalid_headers off; underscores_in_headers on; merge_slashes off;",
}
PROXIES = tuple(SETTINGS)


def program(name: str) -> str | None:
    """The path of the proxy's program; None if it is not installed."""
    return shutil.which(name.partition(",")[0], path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@dataclass
class _Stream:
    """The two directions of one connection to the worker."""

    sent: bytearray = field(default_factory=bytearray)
    answered: bytearray = field(default_factory=bytearray)
    forwarded_count: int = 0
    answer_count: int = 0

    def count(self) -> None:
        """Count the bytes so far; only call it while no request is running."""
        self.forwarded_count += len(FORWARDED.findall(self.sent)) or bool(BEGUN.fullmatch(self.sent))
        self.answer_count += len(ANSWERED.findall(self.answered))
        self.sent.clear()
        self.answered.clear()


class Tap:
    """Forwards every connection to `target` and records the bytes."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self.streams: list[_Stream] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                proxy, _ = self._listener.accept()
                worker = socket.create_connection(self._target)
                for each in (proxy, worker):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                stream = _Stream()
                self.streams.append(stream)
                for here, there, kept in ((proxy, worker, stream.sent), (worker, proxy, stream.answered)):
                    threading.Thread(target=_pump, args=(here, there, kept), daemon=True).start()


def _pump(here: socket.socket, there: socket.socket, kept: bytearray) -> None:
    with contextlib.suppress(OSError):
        while data := here.recv(65536):
            kept += data
            there.sendall(data)
    for sock, how in ((there, socket.SHUT_WR), (here, socket.SHUT_RD)):
        with contextlib.suppress(OSError):
            sock.shutdown(how)


class Proxy:
    """A running proxy; `address` is its Unix socket."""

    def __init__(self, name: str, folder: Path, worker: Server) -> None:
        self.worker, self.tap = worker, Tap(worker.address)
        self.address = str(folder / "proxy.sock")
        kind = name.partition(",")[0]
        config = folder / f"{kind}.conf"
        config.write_text(self._config(kind, SETTINGS[name], folder))
        path = program(name) or name
        command = (
            [path, "-f", str(config), "-db"] if kind == "haproxy" else [path, "-p", str(folder), "-c", str(config)]
        )
        self._process = Process(command, folder / f"{kind}-{time.monotonic_ns()}.log")
        eventually(self._accepts, lambda: f"{name} does not listen:\n{self._process.log}")

    def _config(self, kind: str, extra: str, folder: Path) -> str:
        host, port = self.tap.address
        values = {"sock": self.address, "host": host, "port": port, "mark": MARK, "folder": folder}
        if kind == "haproxy":
            return HAPROXY.format(frontend=extra, **values)
        return NGINX.format(user="user root;" if os.getuid() == 0 else "", http=extra, **values)

    def _accepts(self) -> bool:
        assert self._process.alive, self._process.log
        with socket.socket(socket.AF_UNIX) as sock:
            return sock.connect_ex(self.address) == 0

    def stop(self) -> None:
        self._process.stop()
        self.tap.close()


@contextlib.contextmanager
def in_front_of(worker: Server, name: str, folder: Path) -> Iterator[Proxy]:
    proxy = Proxy(name, folder, worker)
    try:
        yield proxy
    finally:
        proxy.stop()
