"""A server on this machine that speaks the Hugging Face Hub's protocol, and can fail in all the ways that the Hub does.

What it holds lies in memory. Every request is written down, so that a test can count them. Large files are redirected
to a second port, as the Hub redirects to its content network: what a client sends there, it would send to strangers.
"""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.hub.repositories import LARGE, MAIN, Entry, Repository, in_tree, split, tree


@dataclass
class Fault:
    """What goes wrong with requests whose path contains `where`: the first `times` of them, or all."""

    where: str
    method: str = ""  # GET or HEAD; any
    status: int = 0  # answered instead of the file
    headers: dict[str, str] = field(default_factory=dict)
    silent: float = 0  # seconds before anything is answered
    stall: int | None = None  # bytes after which nothing comes any more
    ends: int | None = None  # place in the file from which on nothing comes, whatever range is asked for
    cut: int | None = None  # bytes after which the connection ends
    rate: float = 0  # bytes a second
    flip: int | None = None  # place of a byte that arrives as another one
    ignores_range: bool = False
    short: int = 0  # bytes left out, and not counted in the length either
    times: int | None = None

    @property
    def of_data(self) -> bool:
        return not self.status and not self.silent


@dataclass(frozen=True)
class Request:
    method: str
    path: str  # without the query
    range: str
    authorization: str
    to_content: bool  # the content network was asked


class Hub:
    """The server's contents, its faults, and what it has been asked."""

    def __init__(self) -> None:
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.token = "hf_granted"  # whoever sends it may read everything
        self.stopped = False
        self.address = self.content_address = ""

    def add(self, *repositories: Repository) -> None:
        self.repositories |= {(repository.kind, repository.name): repository for repository in repositories}

    def fetched(self, end: str) -> list[Request]:
        """The requests for the contents of files whose name ends so."""
        return [
            asked
            for asked in self.requests
            if asked.method == "GET" and asked.path.endswith(end)
            if asked.to_content or ("/resolve/" in asked.path and not end.endswith(LARGE))
        ]

    def fault(self, asked: Request, of_data: bool) -> Fault:
        """The next fault of a request, in what is answered or in the data of a file."""
        for fault in self.faults:
            if (
                fault.where in asked.path
                and fault.method in ("", asked.method)
                and fault.of_data == of_data
                and fault.times != 0
            ):
                fault.times = None if fault.times is None else fault.times - 1
                return fault
        return Fault("")

    def entry(self, sha256: str) -> Entry:
        for repository in self.repositories.values():
            for name in (MAIN, *repository.revisions):
                for entry in repository.at(repository.commit_of(name)).values():
                    if entry.sha256 == sha256:
                        return entry
        raise KeyError(sha256)


@contextmanager
def serving() -> Iterator[Hub]:
    """A Hub at `address`, until the end of the block."""
    hub = Hub()
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub, content)) for content in (False, True)]
    hub.address, hub.content_address = (f"http://127.0.0.1:{server.server_port}" for server in servers)
    for server in servers:
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # clients that leave are no errors of ours
        server.block_on_close = False
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield hub
    finally:
        hub.stopped = True
        for server in servers:
            server.shutdown()
            server.server_close()


def _handler(hub: Hub, content: bool) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            header = self.headers.get
            asked = Request(
                self.command, unquote(parts.path), header("Range", ""), header("Authorization", ""), content
            )
            hub.requests.append(asked)
            body = self.rfile.read(int(header("Content-Length", "0")))
            wrong, self.asked = hub.fault(asked, of_data=False), asked
            _wait(hub, wrong.silent)
            if wrong.status:
                return self._send(wrong.status, b"", **wrong.headers)
            if content:
                return self._file(hub.entry(asked.path.split("/")[2]))
            query = parse_qs(parts.query) | parse_qs(body.decode("latin-1"))
            if match := re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)(?:/(.*))?", asked.path):
                return self._api(*match.groups(default=""), query, asked)
            if match := re.fullmatch(r"/(?:(datasets)/)?([^/]+/[^/]+)/resolve/(.+)", asked.path):
                return self._resolve(match[1] or "models", match[2], match[3], asked)
            return self._send(404, b"")

        def _known(self, kind: str, name: str, asked: Request) -> Repository | None:
            """The repository, or None once the client has been told why there is none."""
            repository, granted = hub.repositories.get((kind, name)), asked.authorization == f"Bearer {hub.token}"
            if asked.authorization and not granted:
                message = "Invalid credentials in Authorization header"
                return self._send(401, b"", **{"X-Error-Message": message})
            if repository is None or (repository.private and not granted):
                status, message = (404, "Repository not found") if granted else (401, "Invalid username or password.")
                return self._send(status, b"", **{"X-Error-Code": "RepoNotFound", "X-Error-Message": message})
            if repository.renamed:
                return self._send(307, b"", Location=asked.path.replace(name, repository.renamed))
            if repository.gated and not granted and "/resolve/" in asked.path:
                message = f"Access to model {name} is restricted. You must have access to it and be authenticated."
                return self._send(401, b"", **{"X-Error-Code": "GatedRepo", "X-Error-Message": message})
            return repository

        def _commit(self, repository: Repository, revision: str) -> str | None:
            commit = repository.commit(revision)
            if commit is None:
                message = f"Invalid rev id: {revision}"
                self._send(404, b"", **{"X-Error-Code": "RevisionNotFound", "X-Error-Message": message})
            return commit

        def _api(self, kind: str, name: str, rest: str, query: dict[str, list[str]], asked: Request) -> None:
            repository = self._known(kind, name, asked)
            if repository is None:
                return
            what, _, rest = rest.partition("/")
            if what == "refs":
                refs = [{"name": name, "ref": name, "targetCommit": repository.commit_of(name)} for name in (MAIN,)]
                return self._json({"branches": refs, "tags": [], "converts": [], "pullRequests": []})
            revision, path = split(repository, rest) if what != "" else (MAIN, "")
            commit = self._commit(repository, revision)
            if commit is None:
                return
            entries = repository.at(commit)
            if what == "tree":
                return self._json(tree(entries, path, query.get("recursive", [""])[0].lower() in ("true", "1")))
            if what == "paths-info":
                paths = [path.removesuffix("/") for path in query.get("paths", [])]
                found = [in_tree(entries[path]) for path in paths if path in entries]
                folders = [path for path in paths if any(name.startswith(f"{path}/") for name in entries)]
                return self._json(found + [{"type": "directory", "path": path, "oid": "0" * 40} for path in folders])
            blobs = query.get("blobs", [""])[0].lower() in ("true", "1")
            siblings = [
                {"rfilename": entry.path, **({"blobId": entry.blob, **entry.listed("sha256")} if blobs else {})}
                for entry in entries.values()
            ]
            described = {"_id": "0" * 24, "id": name, "sha": commit, "private": repository.private, "tags": []}
            self._json({**described, "gated": "manual" if repository.gated else False, "siblings": siblings})

        def _resolve(self, kind: str, name: str, rest: str, asked: Request) -> None:
            repository = self._known(kind, name, asked)
            if repository is None:
                return
            revision, path = split(repository, rest)
            commit = self._commit(repository, revision)
            if commit is None:
                return
            entry = repository.at(commit).get(path)
            if entry is None:
                headers = {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit}
                return self._send(404, b"", **headers, **{"X-Error-Message": "Entry not found"})
            headers = {"X-Repo-Commit": commit, "ETag": f'"{entry.etag}"', "Accept-Ranges": "bytes"}
            if not entry.large:
                return self._file(entry, headers)
            linked = {"X-Linked-Size": str(len(entry.content)), "X-Linked-ETag": f'"{entry.sha256}"'}
            self._send(302, b"", Location=f"{hub.content_address}/lfs/{entry.sha256}/{path}", **headers, **linked)

        def _file(self, entry: Entry, headers: dict[str, str] | None = None) -> None:
            content, wrong, status = entry.content, hub.fault(self.asked, of_data=True), 200
            headers = headers or {"ETag": f'"{entry.etag}"', "Accept-Ranges": "bytes"}
            if wrong.flip is not None:
                content = content[: wrong.flip] + bytes([content[wrong.flip] ^ 1]) + content[wrong.flip + 1 :]
            content = content[: len(content) - wrong.short]
            asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            if asked and not wrong.ignores_range:
                first, last = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
                if first >= len(content):
                    return self._send(416, b"", **{"Content-Range": f"bytes */{len(content)}"})
                headers = {**headers, "Content-Range": f"bytes {first}-{last}/{len(content)}"}
                content, status = content[first : last + 1], 206
            else:
                first = 0
            if wrong.ends is not None:
                wrong = replace(wrong, stall=max(0, wrong.ends - first))
            self._send(status, content, wrong, **headers)

        def _json(self, answer: object) -> None:
            self._send(200, json.dumps(answer).encode(), **{"Content-Type": "application/json"})

        def _send(self, status: int, body: bytes, wrong: Fault | None = None, **headers: str) -> None:
            wrong = wrong or Fault("")
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            stop = min(len(body) if end is None else end for end in (wrong.stall, wrong.cut))
            step = max(1, int(wrong.rate / 20)) if wrong.rate else max(1, len(body))
            try:
                for start in range(0, stop, step):
                    self.wfile.write(body[start : min(stop, start + step)])
                    self.wfile.flush()
                    _wait(hub, 0.05 if wrong.rate else 0)
            except OSError:  # the client has gone
                self.close_connection = True
                return
            if stop < len(body):
                _wait(hub, 0 if wrong.stall is None else 600)
                self.close_connection = True

    return Handler


def _wait(hub: Hub, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not hub.stopped:
        time.sleep(min(0.05, seconds))
