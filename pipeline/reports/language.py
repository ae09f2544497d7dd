"""The language of a page: its texts, numbers and dates.

English texts are the message ids; each other language is one file `locale/<code>.po`, read as it is.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from importlib.resources import files
from io import BytesIO
from typing import Any

from babel import Locale
from babel.dates import format_date, format_interval
from babel.lists import format_list
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.support import NullTranslations, Translations

from pipeline.errors import BadInput

ENGLISH = "en"
# What the texts are called by: Babel's extractors find them by these names, in Python, in templates and in scripts.
KEYWORDS = {"text": None, "_": None, "message": None, "plural": (1, 2)}
SCRIPT_KEYWORDS = {"t": None, "plural": (1, 2)}
_ROOM = "pipeline.reports"
# Numbers and dates of English pages are those of British English: 1 April 2021.
_LOCALES = {ENGLISH: "en_GB"}
# Every plural rule of gettext tells counts above 200 by their last two digits.
_COUNTS = 200


def message(text: str) -> str:
    """Mark an English text for the catalogue that is translated where it is shown."""
    return text


def languages() -> tuple[str, ...]:
    """The codes of the languages that reports can be written in, English first."""
    catalogues = (file.name for file in files(_ROOM).joinpath("locale").iterdir())
    return (ENGLISH, *sorted(name.removesuffix(".po") for name in catalogues if name.endswith(".po")))


@dataclass(frozen=True)
class Language:
    """One language, by its code; `Language.of("fr")`."""

    code: str

    @classmethod
    def of(cls, code: str) -> Language:
        """The language of a code; raises BadInput if there is none."""
        if code not in languages():
            raise BadInput(f"language {code!r}: there is none of that name; choose one of {', '.join(languages())}")
        return cls(code)

    def text(self, message: str, /, **values: Any) -> str:
        """A message with its placeholders filled: whole numbers grouped, days written out, all else as it is."""
        return self._fill(self._translations.gettext(message), values)

    def plural(self, one: str, many: str, count: int, /, **values: Any) -> str:
        """The message for a count, which fills `{count}`."""
        return self._fill(self._translations.ngettext(one, many, count), {"count": count, **values})

    def word(self, value: str) -> str:
        """A word that stands in the data, such as a status: translated where it is known, else as it is."""
        return self._translations.gettext(value) if value else value

    def named(self, name: str, told: str) -> str:
        """What is told of something, after its name and a colon as the language spaces it."""
        return self.text("{name}: {told}", name=name, told=told)

    def number(self, value: float, digits: int = 0) -> str:
        """A number with so many digits after the point."""
        tail = f".{'0' * digits}" if digits else ""
        shown = format_decimal(value, format=f"#,##0{tail}", locale=self._locale)
        # Rounded to nothing, a small loss is 0, not -0.
        return shown if any(sign in shown for sign in "123456789") else shown.lstrip("-")

    def hectares(self, value: float) -> str:
        """Hectares, with as many digits as they bear, and the unit."""
        return self.text("{number}\u00a0ha", number=self.number(value, 2 if abs(value) < 10 else 1))

    def share(self, value: float) -> str:
        """A share of 1 as a percentage; only what is whole says 100."""
        shown = 99.9 if 0.9995 <= value < 1 else 100 * value
        return self.text("{number}\u00a0%", number=self.number(shown, 0 if value in (0, 1) else 1))

    def date(self, day: dt.date) -> str:
        """A day, with the month short: 15 Apr 2021."""
        return str(format_date(day, "medium", locale=self._locale))

    def date_range(self, first: dt.date, last: dt.date) -> str:
        """A span of days: 1 Dec 2019 - 31 Mar 2020."""
        return str(format_interval(first, last, "yMMMd", locale=self._locale))

    def series(self, items: Iterable[str]) -> str:
        """Several things in one sentence: a, b and c."""
        return str(format_list(list(items), locale=self._locale))

    def told(self, sentence: str, messages: Sequence[str]) -> str:
        """A stored English sentence that was made from one of `messages`; one of others' making as it stands."""
        for known in messages:
            if match := _pattern(known).fullmatch(sentence):
                parts = {name: value.split("; ") for name, value in match.groupdict().items()}
                return self.text(known, **{name: self._figures(value, messages) for name, value in parts.items()})
        return self.word(sentence)

    def script_messages(self) -> dict[str, Any]:
        """What `assets/language.js` reads: code, messages of the pages' scripts, and the form of each count."""
        forms = [self._form(count) for count in range(_COUNTS)]
        examples = {form: forms.index(form) for form in sorted(set(forms))}
        order = list(examples)
        found: dict[str, str | list[str]] = {}
        for one, many in _messages_of_scripts():
            if many is None:
                found[one] = self._translations.gettext(one)
            else:
                found[one] = [self._translations.ngettext(one, many, example) for example in examples.values()]
        return {
            "code": self.code,
            "locale": self._locale.language + (f"-{self._locale.territory}" if self._locale.territory else ""),
            "forms": "".join(str(order.index(form)) for form in forms),
            "messages": dict(sorted(found.items())),
        }

    def script(self) -> str:
        """The elements of a page by which its scripts have `t`, `plural` and numbers and dates in this language."""
        text = json.dumps(self.script_messages(), ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
        code = files(_ROOM).joinpath("assets", "language.js").read_text(encoding="utf-8")
        return f'<script type="application/json" id="pw-language">{text}</script>\n<script>{code}</script>'

    @property
    def _locale(self) -> Locale:
        return Locale.parse(_LOCALES.get(self.code, self.code))

    @property
    def _translations(self) -> NullTranslations:
        return _translations(self.code)

    def _form(self, count: int) -> int:
        return int(getattr(self._translations, "plural", lambda n: n != 1)(count))

    def _fill(self, text: str, values: dict[str, Any]) -> str:
        return text.format_map({name: self._shown(value) for name, value in values.items()})

    def _shown(self, value: Any) -> str:
        if isinstance(value, dt.date):
            return self.date(value)
        return self.number(value) if isinstance(value, int) else str(value)

    def _figures(self, parts: Sequence[str], messages: Sequence[str]) -> str:
        """Figures in a stored sentence, such as `western 1.8 % and 0.7 %`, as this language writes them."""
        point = self.number(0.5, 1)[1]
        first, *others = (self.told(part, messages) for part in parts)
        told = reduce(lambda one, more: self.text("{one}; {more}", one=one, more=more), others, first)
        told = re.sub(r"(\d) %", lambda found: self.text("{number}\u00a0%", number=found[1]), told)
        return re.sub(r"(?<=\d)\.(?=\d)", point, told)


@cache
def _translations(code: str) -> NullTranslations:
    if code == ENGLISH:
        return NullTranslations()
    with files(_ROOM).joinpath("locale", f"{code}.po").open("rb") as stream:
        catalogue = read_po(stream, locale=code, abort_invalid=True)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)


@cache
def _pattern(message: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", message)
    return re.compile("".join(f"(?P<{part}>.+?)" if odd % 2 else re.escape(part) for odd, part in enumerate(parts)))


@cache
def _messages_of_scripts() -> tuple[tuple[str, str | None], ...]:
    return tuple(_script_messages())


def _script_messages() -> Iterator[tuple[str, str | None]]:
    for script in sorted(files(_ROOM).joinpath("assets").iterdir(), key=lambda file: file.name):
        if script.name.endswith(".js"):
            with script.open("rb") as stream:
                for _, found, _, _ in extract("javascript", stream, SCRIPT_KEYWORDS):
                    yield (found, None) if isinstance(found, str) else (found[0], found[1])
