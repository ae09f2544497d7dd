"""Text in XML: escaped, and without the characters that XML 1.0 cannot hold."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape, quoteattr

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def text(value: object) -> str:
    """A value as the content of an element."""
    return escape(_ILLEGAL.sub("", str(value)))


def attribute(value: object) -> str:
    """A value as an attribute, with its quotation marks."""
    return quoteattr(_ILLEGAL.sub("", str(value)))
