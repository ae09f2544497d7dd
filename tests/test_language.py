"""Texts in two languages: nothing missing, nothing left over, numbers and dates as each language writes them."""

from __future__ import annotations

import json
import re
import shutil
import string
import subprocess
from datetime import date
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po

import pipeline.reports
from pipeline.disturbance import limits_of
from pipeline.errors import BadInput
from pipeline.reports.language import ENGLISH, KEYWORDS, SCRIPT_KEYWORDS, Language, languages
from pipeline.reports.wording import limits

ROOT = Path(__file__).resolve().parents[1]
LOCALE = Path(pipeline.reports.__file__).parent / "locale"
TRANSLATED = [code for code in languages() if code != ENGLISH]
FRENCH, PLAIN = Language.of("fr"), Language.of("en")
# Words by which a text left in English is known; none of them is French.
ENGLISH_WORDS = re.compile(
    r"\b(the|of|and|was|were|with|without|not|from|ground|site is|seen|before|after|between|only|this|that|by|to)\b"
)
# The same in both languages.
ALIKE = {"{number}\u00a0ha", "{number}\u00a0km", "N", "S", "E", "ha", "Zone", "zone", "site", "sites"}


def catalogue(code: str) -> Catalog:
    with (LOCALE / f"{code}.po").open("rb") as stream:
        return read_po(stream, locale=code)


def used() -> set[str]:
    """Every message that Python, templates and scripts of the package show."""
    found = set()
    for folder in ("reports", "runs", "commands"):
        for path in sorted((ROOT / "pipeline" / folder).rglob("*")):
            method, keywords = {
                ".py": ("python", KEYWORDS),
                ".html": ("jinja2", KEYWORDS),
                ".js": ("javascript", SCRIPT_KEYWORDS),
            }.get(path.suffix, (None, None))
            if method:
                for _, message, _, _ in extract_from_file(method, path, keywords=keywords):
                    found.add(message if isinstance(message, str) else message[0])
    return found - {"text"}


def messages(code: str) -> list[Message]:
    return [message for message in catalogue(code) if message.id]


def forms(message: Message) -> list[tuple[str, str]]:
    """English and translated text of each form of a message."""
    if isinstance(message.id, str):
        return [(message.id, message.string)]
    return [(message.id[-1], text) for text in message.string]


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("code", TRANSLATED)
def test_every_message_is_translated_and_no_other_is_kept(code: str) -> None:
    known = {m.id if isinstance(m.id, str) else m.id[0] for m in messages(code)}
    assert known == used()


@pytest.mark.parametrize("code", TRANSLATED)
def test_no_translation_is_empty_fuzzy_or_of_other_placeholders(code: str) -> None:
    assert not catalogue(code).obsolete
    for message in messages(code):
        assert not message.fuzzy, message.id
        for english, translated in forms(message):
            assert translated.strip(), english
            assert placeholders(translated) == placeholders(english), english


def test_french_is_french() -> None:
    for message in messages("fr"):
        for english, french in forms(message):
            text = re.sub(r"\{\w+\}", "", french)
            assert english != french or english in ALIKE, f"left in English: {english}"
            assert not ENGLISH_WORDS.search(text.lower()), french
            assert not re.search(r"[ \u00a0][;!?%»]| :|« |'", text), f"spaces or apostrophes not as in French: {french}"


def test_the_sentences_of_model_cards_are_all_known() -> None:
    for model in sorted((ROOT / "models").iterdir()):
        if model.is_dir():
            sentences = limits_of(model)
            assert limits(PLAIN, sentences) == [line.replace(" %", "\u00a0%") for line in sentences]
            for told, line in zip(limits(FRENCH, sentences), sentences, strict=True):
                assert told != line
                assert not ENGLISH_WORDS.search(told), told
                assert not re.search(r"\d\.\d|\d %", told)


def test_a_sentence_of_others_making_is_shown_as_it_stands() -> None:
    strange = "Beware {0.__class__} of {patches}"
    assert limits(FRENCH, [strange]) == [strange]
    assert FRENCH.word("status {of} one's own") == "status {of} one's own"


def test_an_unknown_language_is_refused_with_what_there_is() -> None:
    with pytest.raises(BadInput, match="choose one of en, fr"):
        Language.of("../fr")


def test_a_third_language_is_one_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "locale").mkdir()
    head = 'msgid ""\nmsgstr "Plural-Forms: nplurals=2; plural=(n != 1);\\n"\n\n'
    (tmp_path / "locale" / "es.po").write_text(f'{head}msgid "recovered"\nmsgstr "recuperado"\n', encoding="utf-8")
    monkeypatch.setattr("pipeline.reports.language.files", lambda package: tmp_path)
    assert languages() == ("en", "es")
    spanish = Language.of("es")
    assert spanish.word("recovered") == "recuperado"
    assert spanish.date_range(date(2019, 12, 1), date(2020, 3, 31)).replace("\u2009", " ") == "1 dic 2019 – 31 mar 2020"
    assert spanish.number(12345.6, 1) == "12.345,6"


def test_numbers_shares_and_dates_are_those_of_the_language() -> None:
    first, last = date(2019, 12, 1), date(2020, 3, 31)
    assert PLAIN.number(12345.67, 1) == "12,345.7"
    assert FRENCH.number(12345.67, 1) == "12\u202f345,7"
    assert FRENCH.number(-0.001, 1) == "0,0"
    assert PLAIN.share(0.942) == "94.2\u00a0%"
    assert FRENCH.share(0.942) == "94,2\u202f%"
    assert PLAIN.share(0.9999) == "99.9\u00a0%"
    assert (PLAIN.share(1), PLAIN.share(0)) == ("100\u00a0%", "0\u00a0%")
    assert PLAIN.date(last) == "31 Mar 2020"
    assert FRENCH.date_range(first, last) == "1 déc. 2019\u2009–\u200931 mars 2020"
    assert FRENCH.series(["a", "b", "c"]) == "a, b et c"
    assert FRENCH.text("{number}\u00a0%", number=1234) == "1\u202f234\u202f%"


def test_scripts_speak_the_same_language_as_the_page() -> None:
    told = FRENCH.script_messages()
    assert told["forms"][:3] == "001"
    assert PLAIN.script_messages()["forms"][:3] == "101"
    assert told["messages"]["{number}\u00a0%"] == "{number}\u202f%"


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node, which is not on this machine")
def test_scripts_write_numbers_and_days_as_python_does() -> None:
    code = (LOCALE.parent / "assets" / "language.js").read_text(encoding="utf-8")
    page = json.dumps(json.dumps(FRENCH.script_messages()))
    probe = (
        f"globalThis.document = {{getElementById: () => ({{textContent: {page}}})}};{code};"
        "console.log(JSON.stringify([number(12345.67, 1), share(0.942), day('2020-03-31'),"
        "t('{a} {b}', {a: 1, b: '{a}'}),"
        "plural('{count} x', '{count} xs', 1), plural('{count} x', '{count} xs', 2)]))"
    )
    done = subprocess.run(["node", "-e", probe], capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout) == [
        "12\u202f345,7",
        "94,2\u202f%",
        FRENCH.date(date(2020, 3, 31)),
        "1 {a}",
        "1 x",
        "2 xs",
    ]
