"""A config that holds a secret is refused with its line, and the secret is not told."""

from __future__ import annotations

import pytest

from pipeline.config_file import read_config
from pipeline.errors import Problems
from tests.test_config import GOOD, problems_of, write

HUSH = "Hu5h-9-xyz"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (GOOD + f"client_secret: {HUSH}\n", 7),
        (GOOD + f"sh_client_secret: {HUSH}\n", 7),
        (GOOD + f"fetch:\n  attempts: 3\n  Password: {HUSH}\n", 9),
        (GOOD + f"run: {{workers: 2, api-key: {HUSH}}}\n", 7),
        (GOOD + f"accessKey: {HUSH}\n", 7),
        (GOOD + f"aws:\n - [secret_access_key, {{aws_session_token: {HUSH}}}]\n", 8),
        (GOOD + f"token: [{HUSH}]\n", 7),
        (GOOD + f'"client\\x5fsecret": {HUSH}\n', 7),
        (GOOD.replace("scenario: demo", f"client_secret: {HUSH}"), 6),
        (GOOD.replace("{kind: simulation, scenario: demo}", f"{{kind: {{password: {HUSH}}}}}"), 6),
        (GOOD + f"title: https://me:{HUSH}@example.org/x\n", 7),
        (GOOD + f"title: s3://{HUSH}@bucket/x\n", 7),
        (GOOD + f"title: https://example.org/x?a=1&sig={HUSH}\n", 7),
        (GOOD + f"title: https://example.org/x?X-Amz-Signature={HUSH}\n", 7),
        (GOOD + f"title: see https://example.org/x?token={HUSH} there\n", 7),
        (GOOD + f"title: |\n  client_secret = {HUSH}\n", 7),
        (GOOD + f"# client_secret: {HUSH}\n", 7),
        (GOOD + f"# token: {HUSH}{HUSH}\n", 7),
        (GOOD + f"title: 'Authorization: Bearer {HUSH}'\n", 7),
        (GOOD + f"title: a  # https://me:{HUSH}@example.org\n", 7),
    ],
)
def test_a_secret_is_refused_with_its_line_and_the_remedy_and_is_not_told(tmp_path, text, line):
    (problem,) = problems_of(tmp_path, text)
    assert problem.startswith(f"line {line}: ")
    assert "the environment, a sentinelhub-py profile or the system keyring" in problem
    assert HUSH not in problem


def test_every_secret_is_told_and_nothing_that_shows_what_was_found_beside_them(tmp_path):
    text = GOOD.replace("my-watch", f"My {HUSH}") + f"client_secret: {HUSH}\nchange: {{api_key: {HUSH}}}\n"
    problems = problems_of(tmp_path, text)
    assert [problem.split(":")[0] for problem in problems] == ["line 7", "line 8"]


def hub(source: str) -> str:
    return GOOD.replace("{kind: simulation, scenario: demo}", f"{{kind: sentinelhub, {source}}}")


@pytest.mark.parametrize(
    "source",
    [
        "deployment: cdse",
        "deployment: commercial, profile: mine",
        "base_url: 'https://services-uswest2.sentinel-hub.com', token_url: 'https://example.org/token'",
        "base_url: 'http://localhost:8080', token_url: 'http://127.0.0.1:8080/token'",
        "collection: byoc-12345678-aaaa-bbbb-cccc-1234567890ab, elevation: COPERNICUS_90",
    ],
)
def test_what_a_source_needs_is_no_secret(tmp_path, source):
    file = read_config(write(tmp_path, hub(source) + "title: Tokens and passwords # see docs\n"))
    assert file.config.source.kind == "sentinelhub"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("base_url: 'http://sh.example.org'", "secrets would travel in the clear"),
        ("token_url: 'ftp://sh.example.org'", "not an https address"),
        ("base_url: 'https://example.org/x?y=1'", "a query or a fragment"),
        ("base_url: 'https://[x'", "not an address"),
        ("collection: landsat", "sentinel-2-l2a, or byoc-"),
        ("deployment: moon", "deployment"),
        ("client_id: x", "client_id is not a setting"),
    ],
)
def test_addresses_and_names_of_a_source_are_checked(tmp_path, source, says):
    with pytest.raises(Problems, match=says):
        read_config(write(tmp_path, hub(source)))
