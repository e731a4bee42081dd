"""A dashboard where people log in, with a provider of our own that speaks OpenID Connect on this machine."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from playwright.sync_api import Browser, Page, expect

from cache import queries
from cache.database import Database
from cache.store import Store
from tests.support.browser import Server, serving, settle, visit, visitor
from tests.support.stored import store_run

KEY = RSAKey.generate_key(2048, {"kid": "only", "use": "sig", "alg": "RS256"})
SECRETS = """[auth]
redirect_uri = "http://127.0.0.1:{port}/oauth2callback"
cookie_secret = "a secret of thirty-two characters"
client_id = "quorum"
client_secret = "known to both"
server_metadata_url = "PROVIDER/.well-known/openid-configuration"
"""


class Provider(BaseHTTPRequestHandler):
    """Everybody is who their browser says: the cookie `person`."""

    nonces: ClassVar[dict[str, str]] = {}

    def do_GET(self) -> None:
        asked, here = urlsplit(self.path), f"http://{self.headers['Host']}"
        match asked.path:
            case "/.well-known/openid-configuration":
                paths = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
                self._answer({"issuer": here, **{name: f"{here}/{path}" for name, path in paths.items()}})
            case "/keys":
                self._answer({"keys": [KEY.as_dict(private=False)]})
            case "/authorize":
                query = {name: values[0] for name, values in parse_qs(asked.query).items()}
                person = self.headers["Cookie"].partition("person=")[2].partition(";")[0]
                self.nonces[person] = query.get("nonce", "")
                self.send_response(302)
                back = urlencode({"code": person, "state": query["state"]})
                self.send_header("Location", f"{query['redirect_uri']}?{back}")
                self.end_headers()

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        person, now = form["code"][0], int(time.time())
        told = {"sub": person, "email": f"{person}@example.org", "email_verified": True, "aud": "quorum"}
        told |= {"iss": f"http://{self.headers['Host']}", "iat": now, "exp": now + 600, "nonce": self.nonces[person]}
        token = jwt.encode({"alg": "RS256", "kid": "only"}, told, KEY)
        self._answer({"access_token": "any", "token_type": "Bearer", "expires_in": 600, "id_token": token})

    def _answer(self, content: object) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def guarded(provider: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A dashboard with a run that ann@example.org has started, and a login."""
    folder = tmp_path_factory.mktemp("guarded")
    file = folder / "results.duckdb"
    run = store_run(Database(file)).run
    Store(Database(file)).own(run, "ann@example.org")
    (folder / ".streamlit").mkdir()
    (folder / ".streamlit" / "secrets.toml").write_text(SECRETS.replace("PROVIDER", provider))
    with serving(file) as server:
        yield server


@contextmanager
def logged_in(browser: Browser, server: Server, provider: str, person: str) -> Iterator[Page]:
    with visitor(browser) as page:
        page.context.add_cookies([{"name": "person", "value": person, "url": provider}])
        page.goto(server.address)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_text(f"{person}@example.org")).to_be_visible()
        settle(page)
        yield page


def test_nothing_is_shown_before_somebody_has_logged_in(guarded: Server, browser: Browser) -> None:
    with visitor(browser) as page:
        for path in ("", "contributions", "preview", "export?run=any"):
            page.goto(f"{guarded.address}/{path}")
            expect(page.get_by_role("button", name="Log in")).to_be_visible()
            assert "made-up" not in page.inner_text("body")
            assert page.locator("[data-testid=stSidebarNavLink]").count() == 0


def test_only_who_has_started_a_run_deletes_it(guarded: Server, browser: Browser, provider: str) -> None:
    with logged_in(browser, guarded, provider, "bob") as page:
        expect(page.get_by_role("button", name="Delete")).to_be_disabled()
        visit(page, "Contributions")  # to look at it is everybody's
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_role("button", name="Log in")).to_be_visible()
    with logged_in(browser, guarded, provider, "ann") as page:
        page.get_by_role("button", name="Delete").click()
        settle(page)
        for _ in range(100):  # a busy machine answers a click late
            if not any(run.spec.model == "made-up" for run in queries.runs(Database(guarded.file))):
                break
            page.wait_for_timeout(300)
    assert all(run.spec.model != "made-up" for run in queries.runs(Database(guarded.file)))


def test_a_file_of_secrets_that_cannot_be_read_opens_nothing(tmp_path: Path, browser: Browser) -> None:
    file = tmp_path / "results.duckdb"
    store_run(Database(file))
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "secrets.toml").write_text("[auth\nclient_id = ")
    with serving(file) as server, visitor(browser) as page:
        page.goto(server.address)
        expect(page.get_by_text("cannot be read, and may ask for a login")).to_be_visible()
        assert "made-up" not in page.inner_text("body")
