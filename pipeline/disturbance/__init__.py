"""Per-pixel class and probability: other, bare workings, pond in workings."""

from pipeline.disturbance.card import limits_of
from pipeline.disturbance.features import HALO_PX
from pipeline.disturbance.model import MODELS_DIR, PROBABILITY_SCALE, Model, find_model, load_model
from pipeline.disturbance.training import evaluate, train

__all__ = [
    "HALO_PX",
    "MODELS_DIR",
    "PROBABILITY_SCALE",
    "Model",
    "evaluate",
    "find_model",
    "limits_of",
    "load_model",
    "train",
]
