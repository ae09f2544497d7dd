"""Networks as classifiers: what they are given, what their answer means, and every file that is refused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from pipeline.disturbance import HALO_PX, Model, find_model, limits_of, load_model
from pipeline.disturbance import network as network_module
from pipeline.disturbance.model import write_index
from pipeline.disturbance.sidecar import Sidecar
from pipeline.disturbance.windows import Cut
from pipeline.errors import BadInput, ModelError
from pipeline.imagery.scene import NODATA
from tests.networks import FLOAT, UNET, classifier, external, graph, linear, sidecar, unet, write_network

LAYOUTS = ("patch", "pixel")
# Powers of two: sums of these times whole reflectances are exact in any order.
WEIGHTS = [[0, 0, 0, 0, 0, 0], [0, 0, 1 / 512, -1 / 1024, 1 / 256, 0], [1 / 1024, 1 / 512, 0, -1 / 256, 0, 0]]
BIAS = [0.5, -4, 1]


def ground(height: int, width: int, seed: int = 0, hidden: float = 0.0) -> np.ndarray:
    """Reflectance x 10 000 (6, y, x) in blotches, with holes in all bands or in one."""
    rng = np.random.default_rng(seed)
    coarse = np.kron(rng.integers(100, 6000, (6, height // 7 + 1, width // 7 + 1)), np.ones((1, 7, 7)))
    image = (coarse[:, :height, :width] * rng.uniform(0.8, 1.2, (6, height, width))).astype(np.uint16)
    image[:, rng.random((height, width)) < hidden] = NODATA
    image[3, rng.random((height, width)) < hidden] = NODATA
    return image


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=0))
    return powers / powers.sum(axis=0)


def planes(disturbed: np.ndarray, pond: np.ndarray) -> np.ndarray:
    either, water = np.rint(disturbed * 10_000), np.rint(pond * 10_000)
    return np.stack([either - water, water])


# What it is given and what its answer means


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_answer_is_the_formula_that_the_network_computes(layout):
    image = ground(5, 7)
    got = classifier(linear(WEIGHTS, BIAS, layout), layout=layout).predict(image, 0)
    shares = softmax(np.tensordot(np.array(WEIGHTS), image, 1) + np.array(BIAS)[:, None, None])
    assert (got == planes(shares[1] + shares[2], shares[2])).all()
    assert len(np.unique(got)) > 20


@pytest.mark.parametrize("layout", LAYOUTS)
def test_three_equal_classes_are_two_thirds_disturbed(layout):
    network = classifier(linear(np.zeros((3, 6)), np.zeros(3), layout), layout=layout)
    assert network.predict(ground(1, 2), 0).tolist() == [[[3334, 3334]], [[3333, 3333]]]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_bands_are_given_in_the_order_of_the_sidecar_and_in_its_unit(layout):
    # Value = B12 - 10 x B03, of B12 x 0.5 - 100 and B03 x 0.25 + 3; sigmoid(0) = 1/2, sigmoid(ln 3) = 3/4.
    network = classifier(
        linear([[1, -10]], [0], layout),
        layout=layout,
        bands=["B12", "B03"],
        scale=[0.5, 0.25],
        offset=[-100, 3],
        classes=["disturbed"],
        activation="sigmoid",
    )
    image = np.zeros((6, 1, 2), np.uint16)
    image[1], image[5] = 8, [[300, 298]]  # 10 x (2 + 3) = 50 against 150 - 100 = 50 and 149 - 100 = 49
    assert network.predict(image, 0).tolist() == [[[5000, 2689]], [[0, 0]]]


def test_one_scale_serves_all_bands():
    network = classifier(
        linear([[1, 1]], [0]), bands=["B02", "B12"], scale=0.001, classes=["disturbed"], activation="none"
    )
    image = np.zeros((6, 1, 1), np.uint16)
    image[0], image[5] = 200, 300
    assert network.predict(image, 0)[:, 0, 0].tolist() == [5000, 0]


@pytest.mark.parametrize(
    ("classes", "activation", "bias", "told"),
    [
        (["pond", "other", "bare"], "softmax", np.log([0.5, 0.2, 0.3]), [3000, 5000]),
        (["bare", "water", "pond"], "softmax", np.log([0.5, 0.2, 0.3]), [5000, 3000]),
        (["bare", "water", "pond", "road"], "none", [0.5, 0.1, 0.3, 0.1], [5000, 3000]),
        (["other", "disturbed"], "softmax", np.log([0.75, 0.25]), [2500, 0]),
        (["disturbed"], "sigmoid", [np.log(3)], [7500, 0]),
        (["bare", "pond"], "sigmoid", [np.log(3), np.log(1 / 3)], [7500, 2500]),
        (["bare", "pond"], "sigmoid", [np.log(3), np.log(3)], [5000, 5000]),  # not exclusive: scaled to add up to 1
        (["bare", "pond"], "none", [1.0005, -0.0005], [10000, 0]),  # rounding
        (["other", "disturbed"], "softmax", [1e30, -1e30], [0, 0]),
        (["disturbed"], "sigmoid", [-1e30], [0, 0]),
    ],
)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_classes_and_activation_say_what_the_numbers_mean(layout, classes, activation, bias, told):
    data = linear(np.zeros((len(classes), 6)), bias, layout)
    network = classifier(data, layout=layout, classes=classes, activation=activation)
    assert network.predict(ground(1, 1), 0)[:, 0, 0].tolist() == told


def test_a_classifier_of_a_learning_library_serves_with_its_probabilities_alone():
    # As skl2onnx writes them: a label and the probabilities, in the operators of ai.onnx.ml.
    node = helper.make_node(
        "LinearClassifier",
        ["reflectance"],
        ["label", "probabilities"],
        domain="ai.onnx.ml",
        coefficients=np.array(WEIGHTS).ravel(),
        intercepts=BIAS,
        classlabels_ints=[0, 1, 2],
        post_transform="SOFTMAX",
    )
    told = [
        helper.make_tensor_value_info("label", 7, ["n"]),
        helper.make_tensor_value_info("probabilities", 1, ["n", 3]),
    ]
    data = graph([node], layout="pixel", outputs=told, domains=("ai.onnx.ml",))
    network = classifier(data, layout="pixel", activation="none", output="probabilities")
    image = ground(5, 7)
    shares = softmax(np.tensordot(np.array(WEIGHTS), image, 1) + np.array(BIAS)[:, None, None])
    assert abs(network.predict(image, 0).astype(int) - planes(shares[1] + shares[2], shares[2])).max() <= 1


def test_unobserved_pixels_are_given_as_nodata_and_have_no_answer():
    # The mean of B02 over 3 x 3 pixels is the probability; nodata counts as 0.9, the border as 0.
    mean = np.zeros((1, 6, 3, 3))
    mean[0, 0] = 1 / 9
    network = classifier(
        linear(mean, [0]), classes=["disturbed"], activation="none", context_px=1, scale=0.0001, nodata=0.9
    )
    image = np.full((6, 3, 4), 4500, np.uint16)
    image[5, 1, 1] = NODATA  # one missing band is enough
    got = network.predict(image, 0)
    assert (got[:, 1, 1] == NODATA).all()
    assert got[0, 1, 2] == 5000  # (8 x 0.45 + 0.9) / 9
    assert got[0, 1, 3] == 3000  # (6 x 0.45) / 9
    assert got[0, 0, 3] == 2000  # (4 x 0.45) / 9
    assert (got != NODATA).sum() == 2 * 11


def test_a_network_may_fail_at_pixels_that_were_not_observed():
    # (B08 - B04) / (B08 + B04) of nodata 0 is 0 / 0.
    nodes = [
        helper.make_node("Split", ["reflectance"], ["a", "b"], axis=1),
        helper.make_node("Sub", ["a", "b"], ["over"]),
        helper.make_node("Add", ["a", "b"], ["under"]),
        helper.make_node("Div", ["over", "under"], ["classes"]),
    ]
    network = classifier(
        graph(nodes, bands=2, classes=1), bands=["B08", "B04"], classes=["disturbed"], activation="none"
    )
    image = np.full((6, 1, 3), 1000, np.uint16)
    image[3] = [[3000, 9000, 1000]]
    image[0, 0, 1] = NODATA
    assert network.predict(image, 0)[0].tolist() == [[5000, NODATA, 0]]


@pytest.mark.parametrize("bias", [np.nan, np.inf, -np.inf])
def test_an_answer_that_is_not_finite_is_an_error(bias):
    network = classifier(linear(np.zeros((3, 6)), [0, bias, 0]))
    with pytest.raises(ModelError, match="not finite"):
        network.predict(ground(2, 2), 0)


@pytest.mark.parametrize("bias", [1.1, -0.1])
def test_numbers_that_are_no_probabilities_are_an_error(bias):
    network = classifier(linear(np.zeros((1, 6)), [bias]), classes=["disturbed"], activation="none")
    with pytest.raises(ModelError, match="no probabilities; write activation softmax or sigmoid"):
        network.predict(ground(2, 2), 0)


@pytest.mark.parametrize("array", [np.zeros((3, 9, 9), np.uint16), np.zeros((6, 9, 9)), np.zeros((6, 4, 9), np.uint16)])
def test_other_arrays_are_refused(array):
    with pytest.raises(BadInput):
        classifier(linear(WEIGHTS, BIAS)).predict(array, 2)


# The same answer wherever a pixel is asked


def tiles_of(network, image: np.ndarray, side: int) -> np.ndarray:
    """The answer of a mosaic, put together from tiles of a lattice that begins where it begins."""
    height, width = (n - 2 * HALO_PX for n in image.shape[1:])
    padded = np.pad(image, ((0, 0), (0, side), (0, side)), constant_values=NODATA)
    out = np.zeros((2, height, width), np.uint16)
    for y in range(0, height, side):
        for x in range(0, width, side):
            tile = padded[:, y : y + side + 2 * HALO_PX, x : x + side + 2 * HALO_PX]
            out[:, y : y + side, x : x + side] = network.predict(tile, HALO_PX)[:, : height - y, : width - x]
    return out


@pytest.mark.parametrize(
    "network", [classifier(unet(), **UNET), classifier(linear(WEIGHTS, BIAS, "pixel"), layout="pixel")], ids=LAYOUTS
)
def test_tiles_of_512_give_the_bits_of_the_mosaic(network):
    image = ground(700 + 2 * HALO_PX, 1037 + 2 * HALO_PX, hidden=0.01)
    image[:, 500:580, 300:900] = NODATA
    assert (tiles_of(network, image, 512) == network.predict(image, HALO_PX)).all()


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(1, 100),
    width=st.integers(17, 100),
    pool=st.sampled_from([2, 4, 8]),
    threads=st.integers(1, 3),
    hidden=st.sampled_from([0.0, 0.05, 1.0]),
)
def test_any_mosaic_is_its_tiles_whatever_the_threads(height, width, pool, threads, hidden):
    network = classifier(unet(pool=pool), context_px=2 * pool + 1, multiple_px=pool)
    image = ground(height + 2 * HALO_PX, width + 2 * HALO_PX, hidden=hidden)
    with pytest.MonkeyPatch.context() as patch:
        # Windows of 16 x 32 pixels and what lies around them, so that every mosaic here is cut.
        patch.setattr(network_module, "BLOCK_PX", (16, 32))
        mosaic = network.predict(image, HALO_PX, threads=threads)
        assert (tiles_of(network, image, 32) == mosaic).all()


@pytest.mark.parametrize("shape", [(48, 48), (47, 50), (1, 1)])
def test_a_patch_without_surroundings_is_given_as_it_is(shape):
    network = classifier(unet(), **UNET)
    image = ground(*shape)
    even = np.zeros((1, 6, *(side + side % 2 for side in shape)), np.float32)
    even[0, :, : shape[0], : shape[1]] = image
    session = onnxruntime.InferenceSession(unet(), providers=["CPUExecutionProvider"])
    logits = session.run(None, {"reflectance": even})[0][0, :, : shape[0], : shape[1]].astype(float)
    shares = softmax(logits)
    got = network.predict(image, 0).astype(int)
    # Both compute in 32 bits, each in an order of its own.
    assert abs(got - planes(shares[1] + shares[2], shares[2])).max() <= 1


@settings(max_examples=200)
@given(
    inner=st.integers(1, 3000),
    halo=st.integers(0, 40),
    block=st.sampled_from([32, 256]),
    reach=st.integers(0, 4).map(lambda n: 8 * n),
)
def test_windows_answer_every_pixel_once_and_see_what_lies_around_it(inner, halo, block, reach):
    cut = Cut.of(inner + 2 * halo, halo, block, reach, 8)
    padded = sum(cut.pad) + inner + 2 * halo
    answered = []
    for k in range(cut.count):
        window, place, core = cut.window(k), cut.place(k), cut.core(k)
        assert 0 <= window.start < window.stop <= padded
        assert (window.stop - window.start) % 8 == 0
        assert core.stop - core.start == place.stop - place.start
        # A pixel of the answer lies where the window says it does.
        assert window.start + core.start - cut.pad[0] == halo + place.start
        if cut.count > 1:
            assert (core.start, window.stop - window.start) == (reach, block + 2 * reach)
        answered += range(place.start, place.stop)
    assert answered == list(range(inner))


def test_a_network_goes_to_another_process(tmp_path):
    network = classifier(unet(), **UNET)
    image = ground(40, 50)
    assert (pickle.loads(pickle.dumps(network)).predict(image, 3) == network.predict(image, 3)).all()


@pytest.mark.parametrize(("context", "multiple", "reach"), [(0, 8, 0), (5, 1, 5), (5, 4, 8), (8, 4, 8), (30, 32, 32)])
def test_surroundings_are_whole_cells_of_pooling_and_never_more_than_the_halo(context, multiple, reach):
    assert Sidecar.of(sidecar(context_px=context, multiple_px=multiple)).reach_px == reach <= HALO_PX


# Files that are refused


@pytest.mark.parametrize("declared", [0, 1, 4])
def test_a_network_that_sees_further_than_it_says_is_refused(declared):
    with pytest.raises(ModelError, match=f"pixels more than {declared} away, so maps would show seams"):
        classifier(unet(), context_px=declared, multiple_px=2)


def test_a_context_wider_than_the_halo_of_a_tile_is_refused():
    with pytest.raises(ModelError, match="context_px: input should be less than or equal to 32"):
        classifier(unet(), context_px=33, multiple_px=2)


def test_a_network_that_looks_at_the_whole_picture_is_refused():
    nodes = [
        helper.make_node("GlobalAveragePool", ["reflectance"], ["mean"]),
        helper.make_node("Sub", ["reflectance", "mean"], ["classes"]),
    ]
    with pytest.raises(ModelError, match="looks less far"):
        classifier(graph(nodes, classes=6), classes=["bare", "pond", *"abcd"], context_px=32)


def test_a_network_that_compares_the_pixels_it_is_given_is_refused():
    nodes = [
        helper.make_node("ReduceMean", ["reflectance"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("Sub", ["reflectance", "mean"], ["classes"]),
    ]
    with pytest.raises(ModelError, match="changes with pixels more than 0 away"):
        classifier(graph(nodes, layout="pixel", classes=6), classes=["bare", "pond", *"abcd"], layout="pixel")


@pytest.mark.parametrize(
    ("data", "changes", "says"),
    [
        (linear(WEIGHTS, BIAS), {"input": "x"}, "its inputs are reflectance; the sidecar says x"),
        (linear(WEIGHTS, BIAS), {"output": "y"}, "its outputs are classes; the sidecar says y"),
        (linear(WEIGHTS, BIAS), {"bands": ["B02", "B03"]}, r"shape \(n, 6, y, x\); the sidecar says .* 2 bands"),
        (linear(WEIGHTS, BIAS), {"classes": ["bare", "pond"]}, r"shape \(n, 3, y, x\); the sidecar says .* 2 classes"),
        (linear(WEIGHTS, BIAS), {"layout": "pixel"}, r"layout pixel, 6 bands: tensor\(float\) of shape \(n, 6\)"),
        (linear(WEIGHTS, BIAS, "pixel"), {}, r"layout patch, 6 bands: tensor\(float\) of shape \(n, 6, y, x\)"),
        (
            graph(
                [helper.make_node("Identity", ["reflectance"], ["classes"])],
                inputs=[helper.make_tensor_value_info("reflectance", FLOAT, [1, 6, 256, 256])],
                outputs=[helper.make_tensor_value_info("classes", FLOAT, [1, 6, 256, 256])],
            ),
            {"classes": ["bare", "pond", *"abcd"]},
            "with free n, y and x",
        ),
        (
            graph(
                [helper.make_node("Cast", ["reflectance"], ["classes"], to=11)],
                outputs=[helper.make_tensor_value_info("classes", 11, ["n", 6, "y", "x"])],
            ),
            {"classes": ["bare", "pond", *"abcd"]},
            r"classes is tensor\(double\)",
        ),
        (
            graph(
                [helper.make_node("Add", ["reflectance", "more"], ["classes"])],
                classes=6,
                inputs=[
                    helper.make_tensor_value_info(name, FLOAT, ["n", 6, "y", "x"]) for name in ("reflectance", "more")
                ],
            ),
            {"classes": ["bare", "pond", *"abcd"]},
            "its inputs are reflectance, more; the sidecar says reflectance, and one is all it gets",
        ),
        # Shapes that the file leaves open are worked out by the runtime, or seen at the trial.
        (
            graph([helper.make_node("Identity", ["reflectance"], ["classes"])], classes="k"),
            {},
            r"shape \(n, 6, y, x\); the sidecar says layout patch, 3 classes",
        ),
        (
            graph([helper.make_node("MaxPool", ["reflectance"], ["classes"], kernel_shape=[3, 3])], classes="k"),
            {"classes": ["bare", "pond", *"abcd"]},
            r"answered \(1, 6, 127, 127\) .* expected \(1, 6, 129, 129\)",
        ),
        (linear(WEIGHTS, BIAS), {"multiple_px": 3}, "multiple_px: input should be 1, 2, 4, 8, 16 or 32"),
    ],
)
def test_a_network_that_is_not_what_its_sidecar_says_is_refused(data, changes, says):
    with pytest.raises(ModelError, match=says):
        classifier(data, **changes)


def test_every_difference_between_network_and_sidecar_is_told_at_once():
    with pytest.raises(ModelError, match=r"its inputs are .*; its outputs are "):
        classifier(linear(WEIGHTS, BIAS), input="x", output="y")


@pytest.mark.parametrize("data", [b"", b"onnx", b"\x00" * 1000, unet()[:-40], unet()[40:]], ids=len)
def test_bytes_that_are_no_network_are_refused(data):
    with pytest.raises(ModelError, match="cannot be run by onnxruntime"):
        classifier(data)


def test_a_name_that_is_no_text_is_refused():
    with pytest.raises(ModelError, match="not UTF-8"):
        classifier(linear(WEIGHTS, BIAS).replace(b"reflectance", b"reflectanc\xff"))


def test_a_network_with_operators_of_its_own_is_refused():
    nodes = [helper.make_node("Detect", ["reflectance"], ["classes"], domain="my.company")]
    with pytest.raises(ModelError, match=r"Detect.*of standard operators only"):
        classifier(graph(nodes, domains=("my.company",)))


def test_a_network_in_the_format_of_the_runtime_is_refused(tmp_path):
    # Such a file is not checked as an ONNX file is.
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.save_model_format", "ORT")
    options.optimized_model_filepath = str(tmp_path / "network.ort")
    onnxruntime.InferenceSession(linear(WEIGHTS, BIAS), options, providers=["CPUExecutionProvider"])
    with pytest.raises(ModelError, match="cannot be run"):
        classifier((tmp_path / "network.ort").read_bytes())


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("location", ["weights.bin", "./weights.bin", "{here}/weights.bin", "../{name}/weights.bin"])
def test_a_network_that_names_another_file_is_refused(tmp_path, monkeypatch, location, constant):
    np.zeros(18, np.float32).tofile(tmp_path / "weights.bin")
    monkeypatch.chdir(tmp_path)
    data = external(location.format(here=tmp_path, name=tmp_path.name), constant=constant)
    # The runtime alone would read it from the working directory.
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    if location == "weights.bin":
        assert onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    with pytest.raises(ModelError, match="as one self-contained file"):
        classifier(data)


def test_a_network_that_names_an_address_in_memory_is_refused():
    with pytest.raises(ModelError, match="cannot be run"):
        classifier(external("*/_ORT_MEM_ADDR_/*"))


# The sidecar


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"bands": None}, "bands is missing (bands it reads, in their order)"),
        ({"bands": ["B02", "B05"]}, "bands.1: input should be 'B02', 'B03', 'B04', 'B08', 'B11' or 'B12'"),
        ({"bands": ["B02", "B02"]}, "B02 is given twice in bands"),
        ({"bands": []}, "bands"),
        ({"classes": ["bare", "pond", "bare"]}, "bare is given twice in classes"),
        ({"classes": ["other", "mine"]}, "classes must name bare and pond, or else disturbed"),
        ({"classes": ["other", "bare"]}, "classes must name bare and pond, or else disturbed"),
        ({"classes": ["bare", "pond", "disturbed"]}, "classes must name bare and pond, or else disturbed"),
        ({"classes": ["disturbed"]}, "softmax of a single class is always 1"),
        ({"layout": "tile"}, "layout: input should be 'patch' or 'pixel'"),
        ({"activation": "relu"}, "activation: input should be 'none', 'softmax' or 'sigmoid'"),
        ({"scale": [1, 2]}, "scale has 2 numbers: give one, or one for each of the 6 bands"),
        ({"offset": [0] * 7}, "offset has 7 numbers"),
        ({"scale": "0.0001"}, "scale"),
        ({"scale": float("nan")}, "scale"),
        ({"nodata": float("inf")}, "nodata"),
        ({"context_px": -1}, "context_px"),
        ({"context_px": 1.5}, "context_px"),
        ({"layout": "pixel", "context_px": 3}, "layout pixel sees no surroundings"),
        ({"treshold": 0.5}, "treshold is not a field; known: bands, layout, classes"),
    ],
)
def test_each_mistake_in_a_sidecar_is_named(tmp_path, changes, says):
    path = write_network(tmp_path / "mine.onnx", linear(WEIGHTS, BIAS), **changes)
    with pytest.raises(ModelError) as caught:
        Model.load(path)
    assert "mine.json: " in str(caught.value)
    assert says in str(caught.value)


def test_all_mistakes_in_a_sidecar_are_told_at_once(tmp_path):
    path = write_network(tmp_path / "mine.onnx", unet(), bands=["B05"], layout=None, activation="relu", more=1)
    with pytest.raises(ModelError) as caught:
        Model.load(path)
    for field in ("bands.0", "layout", "activation", "more"):
        assert field in str(caught.value)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_a_sidecar_that_is_no_sidecar_is_refused(tmp_path, text):
    path = write_network(tmp_path / "mine.onnx", unet())
    path.with_suffix(".json").write_bytes(text)
    with pytest.raises(ModelError, match=r"mine\.json: "):
        Model.load(path)


def test_a_sidecar_that_is_not_there_is_asked_for(tmp_path):
    path = write_network(tmp_path / "mine.onnx", unet())
    path.with_suffix(".json").unlink()
    with pytest.raises(ModelError, match=r"no sidecar mine\.json beside it; docs/models\.md"):
        Model.load(path)


def test_the_example_in_the_docs_is_a_sidecar():
    page = (Path(__file__).parents[1] / "docs" / "models.md").read_text()
    example = page.split("```json\n")[1].split("```")[0]
    assert Sidecar.read(example.encode()).layout == "patch"
    for field in Sidecar.model_fields:
        assert f"| `{field}` |" in page


# A model of it


def test_an_onnx_file_has_the_hash_of_the_folder_that_it_is_saved_as(tmp_path):
    path = write_network(tmp_path / "mine.onnx", unet(), **UNET)
    model = Model.load(path)
    assert (model.name, model.kind) == ("mine", "network")
    model.save(tmp_path / "folder")
    assert sorted(p.name for p in (tmp_path / "folder").iterdir()) == ["model.json", "network.onnx"]
    again = Model.load(tmp_path / "folder", model.sha256)
    image = ground(30, 40)
    assert (again.predict(image, 2) == model.predict(image, 2)).all()
    again.save(tmp_path / "copy")
    for name in ("model.json", "network.onnx"):
        assert (tmp_path / "copy" / name).read_bytes() == (tmp_path / "folder" / name).read_bytes()


def test_the_hash_changes_with_the_network_and_with_what_its_sidecar_says(tmp_path):
    def sha256(data=None, **changes):
        return Model.load(write_network(tmp_path / "mine.onnx", data or unet(), **{**UNET, **changes})).sha256

    first = sha256()
    assert len({first, sha256(unet(seed=1)), sha256(nodata=1.0), sha256(context_px=6)}) == 4
    # What the sidecar leaves out is as if written.
    assert sha256(nodata=0.0, scale=1) == first


def test_a_network_changed_behind_the_plan_is_refused(tmp_path):
    path = write_network(tmp_path / "mine.onnx", unet(), **UNET)
    found, sha256 = find_model("mine.onnx", tmp_path)
    assert found == path
    write_network(path, unet(seed=1), **UNET)
    with pytest.raises(ModelError, match=f"expected SHA-256 {sha256}, found"):
        Model.load(path, sha256)


def test_a_network_in_a_folder_is_found_by_name(tmp_path):
    model = Model.of("river", classifier(unet(), **UNET))
    model.save(tmp_path / "river")
    write_index(tmp_path, "river", "river", model.sha256)
    assert load_model("river", tmp_path).sha256 == model.sha256


def test_a_folder_with_another_network_in_it_is_refused(tmp_path):
    Model.of("river", classifier(unet(), **UNET)).save(tmp_path / "river")
    (tmp_path / "river" / "network.onnx").write_bytes(unet(seed=1))
    with pytest.raises(ModelError, match=r"network\.onnx is not the file that model\.json names"):
        Model.load(tmp_path / "river")


def test_a_folder_whose_metadata_are_no_sidecar_is_refused(tmp_path):
    Model.of("river", classifier(unet(), **UNET)).save(tmp_path / "river")
    path = tmp_path / "river" / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"layout": "tile"}))
    with pytest.raises(ModelError, match="layout: input should be 'patch' or 'pixel'"):
        Model.load(tmp_path / "river")


def test_limits_of_a_network_without_card_say_that_its_accuracy_is_not_known(tmp_path):
    path = write_network(tmp_path / "mine.onnx", unet(), **UNET)
    assert "not known" in limits_of(path)[-1]


def test_metadata_are_the_sidecar_with_nothing_left_open():
    said = classifier(unet(), **UNET).metadata()
    assert set(said) == set(Sidecar.model_fields)
    assert Sidecar.of(said) == Sidecar.of(sidecar(**UNET))
