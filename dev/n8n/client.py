"""What an operator does in n8n, over its editor's API and its public one."""

import json
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any

from dev.errors import StartupError

type Json = dict[str, Any]

OWNER = {"email": "owner@n8n.example", "password": "Trial-of-n8n-1", "firstName": "Olive", "lastName": "Owner"}
RIGHTS = ["workflow:create", "workflow:read", "workflow:list", "workflow:update", "workflow:activate",
          "workflow:deactivate", "execution:read", "execution:list", "execution:retry"]  # fmt: skip


@dataclass
class Client:
    """`editor` asks as the owner's browser does, `public` with the owner's API key."""

    port: int
    cookie: str = ""
    api_key: str = ""
    project: str = field(default="", init=False)

    def sign_up(self) -> None:
        """The owner, who has an API key and a project of their own."""
        self.editor("POST", "/rest/owner/setup", OWNER)
        self.sign_in()
        made = self.editor("POST", "/rest/api-keys", {"label": "trial", "expiresAt": None, "scopes": RIGHTS})
        self.api_key = made["rawApiKey"]

    def sign_in(self) -> None:
        login = {"emailOrLdapLoginId": OWNER["email"], "password": OWNER["password"]}
        self.editor("POST", "/rest/login", login)

    def credential(self, name: str, type: str, data: Json) -> str:
        return self.editor("POST", "/rest/credentials", {"name": name, "type": type, "data": data})["id"]

    def editor(self, method: str, path: str, body: Json | None = None) -> Any:
        answer, cookie = self._ask(method, path, body, {"Cookie": self.cookie, "browser-id": "trial"})
        if cookie:
            self.cookie = cookie.partition(";")[0]
        return answer["data"]

    def public(self, method: str, path: str, body: Json | None = None) -> Any:
        return self._ask(method, f"/api/v1{path}", body, {"X-N8N-API-KEY": self.api_key})[0]

    def call(self, path: str) -> None:
        """A webhook."""
        self._ask("POST", f"/webhook/{path}", {"path": path}, {})

    def _ask(self, method: str, path: str, body: Json | None, headers: dict[str, str]) -> tuple[Any, str | None]:
        """The answer, and the cookie that it sets. Raises StartupError."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=120)
        sent = json.dumps(body) if body is not None else None
        try:
            connection.request(method, path, sent, headers | {"Content-Type": "application/json"})
            response = connection.getresponse()
            text = response.read().decode()
            if response.status >= 400:
                raise StartupError(f"n8n answered {method} {path} with {response.status}: {text[:1000]}")
            return json.loads(text) if text else None, response.getheader("Set-Cookie")
        finally:
            connection.close()
