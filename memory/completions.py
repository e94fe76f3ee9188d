"""A server that speaks OpenAI's chat completions: one request, one message.

Knows nothing of threads, views or tools.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sfumato.errors import InputError
from sfumato.turn import JsonObject

TIMEOUT_S = 300


@dataclass(frozen=True)
class Server:
    """A chat completions server. ``key`` is sent as a bearer token; None sends none."""

    base_url: str
    model: str
    key: str | None

    def complete(self, messages: Sequence[JsonObject], **options: Any) -> JsonObject:
        """The model's message. ``options`` are further fields of the request.

        Raises InputError saying what the server answered.
        """
        url = f"{self.base_url.rstrip('/')}/chat/completions"
        if not url.startswith(("http://", "https://")):
            raise InputError(f"{self.base_url!r} is no web address: use e.g. https://host/v1")
        body: JsonObject = {"model": self.model, "messages": [*messages], **options}
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
                answer: Any = json.load(response)
            message: JsonObject = answer["choices"][0]["message"]
        except urllib.error.HTTPError as problem:
            said = problem.read().decode(errors="replace")[:500]
            raise InputError(f"{url} answered {problem.code} {problem.reason}: {said}") from problem
        except OSError as problem:
            raise InputError(f"{url} cannot be reached: {problem}") from problem
        except (ValueError, LookupError, TypeError) as problem:
            raise InputError(f"{url} gave no chat completion: {problem!r}") from problem
        return message
