"""Keeps secrets out of configs: a config goes into the manifest of every run as it was given."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

import yaml

REMEDY = "take it out and revoke it, then give it in the environment, a sentinelhub-py profile or the system keyring"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
# Names are compared without case, hyphens and underscores.
_SECRET = re.compile(
    r"secret|passw(or)?d|passphrase|^(pw|pwd|pass)$|credential|token|(api|access|private|account|subscription)key"
    r"|authorization|bearer"
)
_QUERY = re.compile(r"^(sig|sas|key|auth|signature)$|signature")
_SAFE = re.compile(r"(url|uri)$")  # token_url says where tokens come from
_WRITTEN = re.compile(
    r"(?i)\b((?:\w+[_-])?(?:secret|password|passwd|api[_-]?key|access[_-]?key|secret[_-]?key|access[_-]?token))"
    r"[\"']?\s*[:=]\s*[\"']?[^\s\"']"
    # Words of every day, which are told from secrets by what follows them.
    r"|\b(token)[\"']?\s*[:=]\s*[\"']?[^\s\"']{12}|\b(authorization)[\"']?\s*[:=]\s*[\"']?(?:bearer|basic)\s"
)
_URL = re.compile(r"\w[\w+.-]*://[^\s\"'<>]+")


def secrets_in(text: str, node: yaml.Node | None) -> list[str]:
    """What looks like a secret in a YAML document: the line and the remedy of each, never the secret itself.

    Found are keys with a telling name, addresses with a user or a signature in them, and `secret: value` within
    texts and comments.
    """
    found: dict[int, str] = {}
    for line, key in _of_node(node) if node is not None else ():
        found.setdefault(line, key)
    for line, row in enumerate(text.splitlines(), start=1):
        if commented := _of_text(row.partition("#")[2]):
            found.setdefault(line, commented)
    return [f"line {line}: {what}; {REMEDY}" for line, what in sorted(found.items())]


def is_bare_address(url: str) -> bool:
    """Whether a text is an http(s) address alone: no user, query or fragment, in which secrets travel."""
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and named and not ("@" in parts.netloc or parts.query or parts.fragment)


def safe_address(url: str) -> str:
    """An https address (http on this machine), without anything secret in it; raises ValueError."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is not an address; write https://host/path") from None
    plain = parts.scheme == "http" and host in _LOOPBACK
    if not (plain or parts.scheme == "https") or not host or not re.fullmatch(r"[!-~]{1,500}", url):
        raise ValueError("is not an https address; secrets would travel in the clear; write https://host/path")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("holds a user, a query or a fragment; write https://host/path alone")
    return url.rstrip("/")


def _of_node(node: yaml.Node) -> Iterator[tuple[int, str]]:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
            if _is_secret(name):
                yield key.start_mark.line + 1, f"{_short(name)} looks like a secret"
            yield from _of_node(key)
            yield from _of_node(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _of_node(item)
    elif isinstance(node, yaml.ScalarNode) and (what := _of_text(str(node.value))):
        yield line, what


def _of_text(text: str) -> str | None:
    if match := _WRITTEN.search(text):
        return f"{_short(match[1] or match[2] or match[3])} looks like a secret"
    for url in _URL.findall(text):
        try:
            parts = urlsplit(url)
            names = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
        except ValueError:
            parts, names = None, []
        if "@" in (url.split("://", 1)[1].split("/", 1)[0] if parts is None else parts.netloc):
            return "an address holds a user or a password"
        if name := next((n for n in names if _is_secret(n) or _QUERY.search(_plain(n))), None):
            return f"an address holds {_short(name)}=, which looks like a secret"
    return None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _is_secret(name: str) -> bool:
    return bool(_SECRET.search(_plain(name))) and not _SAFE.search(_plain(name))


def _short(name: str) -> str:
    """A name as it may be printed: keys are short words; what is longer may be a secret in the wrong place."""
    return name if re.fullmatch(r"[\w.-]{1,30}", name) else "a key"
