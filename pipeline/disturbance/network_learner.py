"""Fit a small convolutional network (U-Net, Ronneberger et al. 2015, MICCAI) to labelled imagery with PyTorch.

Only those who train networks need PyTorch (extra `network`); a trained network is an ONNX file and needs none.

The network looks at squares of two by two pixels, all bands of a square together, and answers for each of their
pixels (sub-pixel convolution, Shi et al. 2016, CVPR): a quarter of the work, and on ground held out no worse.

What is not workings is three kinds of ground to the network: vegetation, water and bare ground. River bars and towns
are a hundredth of the labelled pixels; a network asked for "other" alone answers with what is common.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pipeline.disturbance.labels import BARE, OTHER, POND, UNSURE, Labels
from pipeline.disturbance.network import NetworkClassifier
from pipeline.disturbance.onnx_session import FILE
from pipeline.disturbance.tree_learner import HAZE, HAZE_BY_BAND
from pipeline.errors import BadInput
from pipeline.imagery.scene import BANDS, NODATA

CLASSES = ("vegetation", "water", "bare ground", "bare", "pond")
VEGETATION, WATER, GROUND = 0, 1, 2
WATER_MNDWI, BARE_NDVI = 0.0, 0.3  # Xu 2006; the shares of features.py draw the same lines
# Kinds of ground that are rare in the labels and mistaken for workings; their patches are drawn more often.
CONFUSERS = ("river bars", "towns", "fish ponds", "cobble plains")
SQUARE = 2
LEVELS = 2
INPUTS = 11  # what _inputs makes of six bands
CONTEXT_PX = 20  # how far a pixel sees; checked when the model is loaded
MULTIPLE_PX = SQUARE * 2 ** (LEVELS - 1)
IGNORED = -100


@dataclass(frozen=True)
class NetworkLearner:
    """A small U-Net; the same labels and seed give the same network on one machine."""

    width: int = 16
    epochs: int = 80
    batch: int = 16
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    light: float = 0.2  # standard deviation of the logarithm, all bands
    jitter: float = 0.05  # the same, each band
    haze: float = 0.3  # share of the range that trees are shown
    cut_mix: float = 0.3  # share of batches in which a rectangle comes from another patch (Yun et al. 2019)
    holes: float = 0.1  # share of batches in which a rectangle is not observed
    zoom: float = 0.2  # greatest logarithm of a change of scale
    confusers: float = 3.0  # how much more often a patch of a confuser is drawn
    kind: ClassVar[str] = field(default="network", init=False)

    def describe(self) -> dict[str, Any]:
        """Method and settings for the card."""
        return {
            "architecture": f"U-Net on squares of {SQUARE} x {SQUARE} pixels, {LEVELS} levels, {self.width} channels "
            "at the first, batch normalisation",
            "inputs": "logarithm of six reflectances, (B08, B04), (B03, B11), (B11, B12) and (B04, B03) as normalised "
            "differences, and whether the pixel was observed",
            "classes": list(CLASSES),
            "epochs": self.epochs,
            "batch": self.batch,
            "optimiser": f"AdamW, one cycle to {self.learning_rate:g}, weight decay {self.weight_decay:g}; weights "
            "averaged over steps",
            "augmentation": {
                "turned and mirrored": True,
                "light": self.light,
                "band_jitter": self.jitter,
                "haze_share": self.haze,
                "cut_mix": self.cut_mix,
                "holes": self.holes,
                "zoom": self.zoom,
            },
            "drawn_more_often": {"kinds": list(CONFUSERS), "times": self.confusers},
        }

    def fit(self, labels: Labels, seed: int) -> NetworkClassifier:
        """A network fitted to labels; raises BadInput unless all three classes are among them."""
        torch.set_num_threads(1)  # sums in another order round otherwise
        torch.use_deterministic_algorithms(True)
        ground = _Ground.of(labels)
        torch.manual_seed(seed)
        return to_classifier(self._train(ground, torch.Generator().manual_seed(seed)))

    def _train(self, ground: _Ground, chance: torch.Generator) -> UNet:
        net, averaged = UNet(self.width), UNet(self.width)
        averaged.load_state_dict(net.state_dict())
        batches = max(1, len(ground.reflectance) // self.batch)
        optimiser = torch.optim.AdamW(net.parameters(), self.learning_rate, weight_decay=self.weight_decay)
        steps = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, self.learning_rate, total_steps=batches * self.epochs, pct_start=0.15
        )
        weights = 1 + (self.confusers - 1) * ground.confuser.float()
        step = 0
        for _ in range(self.epochs):
            drawn = torch.multinomial(weights, batches * self.batch, replacement=True, generator=chance)
            for chosen in drawn.split(self.batch):
                image, classes = self._vary(ground.reflectance[chosen], ground.classes[chosen], chance)
                loss = functional.cross_entropy(net(image), classes, ignore_index=IGNORED)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
                steps.step()
                step += 1
                _average(averaged, net, min(0.99, step / (step + 10)))
        averaged.eval()
        return averaged

    def _vary(self, image: Tensor, classes: Tensor, chance: torch.Generator) -> tuple[Tensor, Tensor]:
        """Patches under other light and haze, turned, zoomed, cut and with holes; their classes go with them."""
        count, _, height, width = image.shape
        light = torch.exp(
            self.light * torch.randn(count, 1, 1, 1, generator=chance)
            + self.jitter * torch.randn(count, len(BANDS), 1, 1, generator=chance)
        )
        haze = HAZE[0] + (HAZE[1] - HAZE[0]) * torch.rand(count, 1, 1, 1, generator=chance)
        veil = self.haze * haze * torch.tensor(HAZE_BY_BAND)[:, None, None]
        image = torch.where(image > 0, (image * light + veil).clamp(min=1), 0)
        turns, mirrored = _whole(chance, 0, 4), _happens(chance, 0.5)
        planes = [_turn(plane, turns, mirrored) for plane in (image, classes)]
        zoom = math.exp(self.zoom * (2 * float(torch.rand(1, generator=chance)) - 1))
        planes = [_zoom(plane, zoom) for plane in planes]
        if _happens(chance, self.cut_mix):
            rows, columns = _box(chance, height), _box(chance, width)
            other = torch.randperm(count, generator=chance)
            for plane in planes:
                plane[..., rows, columns] = plane[other][..., rows, columns]
        if _happens(chance, self.holes):
            rows, columns = _box(chance, height), _box(chance, width)
            planes[0][..., rows, columns], planes[1][..., rows, columns] = 0, IGNORED
        return planes[0], planes[1]


@dataclass(frozen=True)
class _Ground:
    """Labels as the network takes them.

    reflectance  (patch, band, y, x)  x 10 000, 0 where not observed
    classes      (patch, y, x)        numbers of CLASSES, or IGNORED
    confuser     (patch,)             whether the note names a confuser
    """

    reflectance: Tensor
    classes: Tensor
    confuser: Tensor

    @classmethod
    def of(cls, labels: Labels) -> _Ground:
        missing = {OTHER, BARE, POND} - set(np.unique(labels.mask).tolist())
        if missing:
            raise BadInput("labels: training needs pixels of all three classes: other, bare workings, pond in workings")
        beyond = [(0, 0), *((0, -side % MULTIPLE_PX) for side in labels.mask.shape[1:])]
        mask = np.pad(labels.mask, beyond, constant_values=UNSURE)
        image = np.pad(labels.reflectance, [(0, 0), *beyond], constant_values=NODATA).astype(np.float32)
        image[np.broadcast_to((image == NODATA).any(axis=1, keepdims=True), image.shape)] = 0
        confuser = np.any([labels.kinds[kind] for kind in CONFUSERS], axis=0)
        return cls(*map(torch.from_numpy, (image, _classes(image, mask), confuser)))


def _classes(image: NDArray[np.float32], mask: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Numbers of CLASSES: ground that is not workings by its water and its green, IGNORED where nobody is sure."""
    _, green, red, infrared, swir, _ = image.transpose(1, 0, 2, 3)
    mndwi = (green - swir) / (green + swir + 1)
    ndvi = (infrared - red) / (infrared + red + 1)
    other = np.where(ndvi >= BARE_NDVI, VEGETATION, np.where(mndwi > WATER_MNDWI, WATER, GROUND))
    classes = np.where(mask == OTHER, other, mask.astype(np.int64) + (CLASSES.index("bare") - BARE))
    return np.where((mask == UNSURE) | (image[:, 0] == 0), IGNORED, classes)


def _happens(chance: torch.Generator, share: float) -> bool:
    return float(torch.rand(1, generator=chance)) < share


def _whole(chance: torch.Generator, low: int, high: int) -> int:
    return int(torch.randint(low, high, (1,), generator=chance))


def _box(chance: torch.Generator, side: int) -> slice:
    """A span of a quarter to three quarters of a side."""
    length = _whole(chance, side // 4, 3 * side // 4 + 1)
    start = _whole(chance, 0, side - length + 1)
    return slice(start, start + length)


def _turn(plane: Tensor, turns: int, mirrored: bool) -> Tensor:
    turned = torch.rot90(plane, turns, (-2, -1))
    return (turned.flip(-1) if mirrored else turned).clone()


def _zoom(plane: Tensor, factor: float) -> Tensor:
    """A plane seen from nearer by, about its middle; beyond the border it is mirrored. The nearest pixel is taken."""
    middle = torch.tensor([[1 / factor, 0.0, 0.0], [0.0, 1 / factor, 0.0]])
    shaped = plane.reshape(len(plane), -1, *plane.shape[-2:])
    grid = functional.affine_grid(middle.expand(len(plane), 2, 3), list(shaped.shape), align_corners=False)
    seen = functional.grid_sample(shaped.float(), grid, "nearest", "reflection", align_corners=False)
    return seen.to(plane.dtype).reshape(plane.shape)


def _average(into: nn.Module, net: nn.Module, kept: float) -> None:
    with torch.no_grad():
        for mean, value in zip(into.state_dict().values(), net.state_dict().values(), strict=True):
            mean.copy_(mean.lerp(value, 1 - kept) if mean.dtype.is_floating_point else value)


class UNet(nn.Module):
    """Scores (n, class, y, x) of reflectance x 10 000 (n, 6, y, x), 0 where not observed; sides in MULTIPLE_PX."""

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(LEVELS)]
        inputs = [INPUTS * SQUARE**2, *widths[:-1]]
        self.down = nn.ModuleList(_pair(i, o) for i, o in zip(inputs, widths, strict=True))
        self.up = nn.ModuleList(_pair(3 * o, o) for o in widths[-2::-1])
        self.head = nn.Conv2d(width, len(CLASSES) * SQUARE**2, 1)

    def forward(self, reflectance: Tensor) -> Tensor:
        """The scores; softmax makes probabilities of them."""
        planes = functional.pixel_unshuffle(_inputs(reflectance), SQUARE)
        kept = []
        for level, convolutions in enumerate(self.down):
            planes = convolutions(planes if level == 0 else functional.max_pool2d(planes, 2))
            kept.append(planes)
        for convolutions, finer in zip(self.up, kept[-2::-1], strict=True):
            planes = convolutions(torch.cat([functional.interpolate(planes, scale_factor=2.0), finer], 1))
        return functional.pixel_shuffle(self.head(planes), SQUARE)


def _inputs(reflectance: Tensor) -> Tensor:
    seen = (reflectance[:, :1] > 0).to(reflectance.dtype)
    at_least = reflectance.clamp(min=1.0)
    _, green, red, infrared, swir1, swir2 = at_least.unbind(1)
    pairs = ((infrared, red), (green, swir1), (swir1, swir2), (red, green))
    ratios = torch.stack([2 * (a - b) / (a + b) for a, b in pairs], 1)
    # Logarithms and differences of the same spread; 0 where nothing was observed.
    return torch.cat([torch.log(at_least / 1500.0) * seen, ratios * seen, seen], 1)


def _pair(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(*_convolution(inputs, outputs), *_convolution(outputs, outputs))


def _convolution(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)


def to_classifier(net: UNet) -> NetworkClassifier:
    """The network as an ONNX file with its sidecar; the same weights give the same bytes."""
    buffer = io.BytesIO()
    sides = {0: "n", 2: "y", 3: "x"}
    torch.onnx.export(
        net,
        (torch.ones(1, len(BANDS), 4 * MULTIPLE_PX, 4 * MULTIPLE_PX),),
        buffer,
        input_names=["reflectance"],
        output_names=["classes"],
        dynamic_axes={"reflectance": sides, "classes": sides},
        opset_version=17,
        dynamo=False,
    )
    sidecar = {
        "bands": BANDS,
        "layout": "patch",
        "classes": CLASSES,
        "activation": "softmax",
        "context_px": CONTEXT_PX,
        "multiple_px": MULTIPLE_PX,
    }
    return NetworkClassifier.from_files(sidecar, {FILE: buffer.getvalue()})
