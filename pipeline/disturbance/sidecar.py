"""What an ONNX file does not say of itself: its bands and their unit, how far it sees, and what its answers mean."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from pipeline.disturbance.features import HALO_PX
from pipeline.errors import ModelError
from pipeline.imagery.scene import BANDS

BandName = Literal["B02", "B03", "B04", "B08", "B11", "B12"]
# One number for all bands, or one for each.
Numbers = Annotated[
    tuple[FiniteFloat, ...],
    BeforeValidator(lambda given: tuple(given) if isinstance(given, list) else (given,)),
]
ClassName = Annotated[str, Field(min_length=1, max_length=40)]


class Sidecar(BaseModel):
    """The fields of the JSON file beside an ONNX file; docs/models.md shows them at work."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    bands: tuple[BandName, ...] = Field(min_length=1, description="bands it reads, in their order")
    layout: Literal["patch", "pixel"] = Field(
        description="patch: (n, band, y, x) gives (n, class, y, x); pixel: (n, band) gives (n, class)"
    )
    classes: tuple[ClassName, ...] = Field(
        min_length=1, max_length=100, description="its classes in their order; names unknown here count as other"
    )
    activation: Literal["none", "softmax", "sigmoid"] = Field(
        description="what turns its numbers into probabilities; none: they are probabilities"
    )
    scale: Numbers = Field(default=(1.0,), description="its unit = reflectance x 10 000 x scale + offset")
    offset: Numbers = Field(default=(0.0,), description="see scale")
    nodata: FiniteFloat = Field(default=0.0, description="what it is given where nothing was observed, in its unit")
    context_px: int = Field(
        default=0, ge=0, le=HALO_PX, description="how far from a pixel it looks, in pixels; a tile brings no more"
    )
    multiple_px: Literal[1, 2, 4, 8, 16, 32] = Field(
        default=1, description="height and width it takes are multiples of this, as pooling asks"
    )
    input: str = Field(default="reflectance", description="name of its input")
    output: str = Field(default="classes", description="name of the output that holds the classes")

    @model_validator(mode="after")
    def _consistent(self) -> Sidecar:
        problems = list(self._contradictions())
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _contradictions(self) -> list[str]:
        named = {"bare", "pond", "disturbed"} & set(self.classes)
        counts = {"scale": len(self.scale), "offset": len(self.offset)}
        return [
            *(f"{key} is given twice in {what}" for what, key in _twice(bands=self.bands, classes=self.classes)),
            *(
                f"{key} has {count} numbers: give one, or one for each of the {len(self.bands)} bands"
                for key, count in counts.items()
                if count not in (1, len(self.bands))
            ),
            *(
                ["classes must name bare and pond, or else disturbed; other names count as other"]
                if named not in ({"bare", "pond"}, {"disturbed"})
                else []
            ),
            *(
                ["softmax of a single class is always 1; write sigmoid"]
                if self.activation == "softmax" and len(self.classes) == 1
                else []
            ),
            *(
                ["layout pixel sees no surroundings; leave context_px and multiple_px out"]
                if self.layout == "pixel" and (self.context_px, self.multiple_px) != (0, 1)
                else []
            ),
        ]

    @classmethod
    def read(cls, text: bytes) -> Sidecar:
        """The sidecar of a JSON text; raises ModelError with every problem at once."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            problems = [_explain(detail["loc"], detail["msg"], detail["type"]) for detail in error.errors()]
            raise ModelError("; ".join(problems)) from error

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Sidecar:
        """The sidecar of parsed JSON; raises ModelError with every problem at once."""
        return cls.read(json.dumps(dict(values)).encode())

    @property
    def band_numbers(self) -> list[int]:
        """Positions of its bands among the six of a composite."""
        return [BANDS.index(band) for band in self.bands]

    @property
    def reach_px(self) -> int:
        """Surroundings it is given on each side: what it looks at, in whole multiples."""
        return -(-self.context_px // self.multiple_px) * self.multiple_px


def _twice(**lists: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(what, key) for what, keys in lists.items() for key in dict.fromkeys(keys) if keys.count(key) > 1]


def _explain(place: tuple[int | str, ...], message: str, kind: str) -> str:
    name = ".".join(map(str, place))
    if kind == "extra_forbidden":
        return f"{name} is not a field; known: {', '.join(Sidecar.model_fields)}"
    if kind == "missing":
        return f"{name} is missing ({Sidecar.model_fields[name].description})"
    message = message.removeprefix("Value error, ")
    return f"{name}: {message[0].lower()}{message[1:]}" if name else message
