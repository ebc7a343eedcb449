"""A stub of a pod's service: /metrics with the tuning generation that each worker has applied."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from app.local.postgres import free_port

PORT = free_port()


class StubService:
    """On each request, `workers` read the file that `mounted` returns; `refuses` tells whether they reject it."""

    def __init__(self, host: str, mounted: Callable[[], str | None], workers: int = 2) -> None:
        self.host, self._mounted = host, mounted
        self.refuses: Callable[[dict[str, object]], bool] = lambda contents: False
        self.generations = [0] * workers
        self.refusals = [0] * workers
        self._read: list[str | None] = [None] * workers
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer((host, PORT), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _poll(self) -> None:
        text = self._mounted()
        for worker, read in enumerate(self._read):
            if text is None or text == read:
                continue
            self._read[worker] = text
            contents = json.loads(text)
            if self.refuses(contents):
                self.refusals[worker] += 1
            else:
                self.generations[worker] = contents["generation"]

    def _text(self) -> str:
        with self._lock:
            self._poll()
            lines = ['jobfinder_http_requests_total{method="GET",route="/x",status="2xx"} 12.0']
            for worker, generation in enumerate(self.generations):
                lines.append(f'jobfinder_tuning_generation{{worker="{worker}"}} {float(generation)}')
                lines.append(f'jobfinder_tuning_refused{{worker="{worker}"}} {float(self.refusals[worker])}')
                lines.append(f'jobfinder_users_cached{{worker="{worker}"}} 10.0')
            lines += ["jobfinder_cache_hits_total 90.0", "jobfinder_cache_misses_total 10.0"]
        return "\n".join(lines) + "\n"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = service._text().encode()
                self.send_response(200 if self.path == "/metrics" else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        return Handler
