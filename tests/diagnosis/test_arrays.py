"""What is handed over, of any framework, against NumPy, ml_dtypes and look-alikes of others."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from gradbook.diagnosis.bad_input import LONGEST, BadInput
from gradbook.diagnosis.reading.arrays import Tensors, as_tensor, hand_over
from gradbook.diagnosis.reading.storage import ALL, chunks, storage_of

SMALL = np.array([[0.5, -2.0, 0.0], [1.0, 3.0, -0.25]])
BYTES = np.arange(256, dtype=np.uint8)
HALVES = np.arange(2**16, dtype=np.uint16)


@dataclass
class Torchlike:
    """A tensor with the methods of PyTorch that are used, and its refusals."""

    array: Any
    dtype: str
    device: str = "cuda:0"
    is_sparse: bool = False
    grad: bool = True

    def _with(self, **changes: Any) -> Torchlike:
        return Torchlike(**{**vars(self), **changes})

    def detach(self) -> Torchlike:
        return self._with(grad=False)

    def cpu(self) -> Torchlike:
        return self._with(device="cpu")

    def to_dense(self) -> Torchlike:
        return self._with(is_sparse=False)

    def resolve_neg(self) -> Torchlike:
        return self

    def new_empty(self, size: int) -> Torchlike:
        return self._with(array=np.empty(size))

    def short(self) -> Torchlike:
        return self._with(dtype="torch.int16")

    def float(self) -> Torchlike:
        return self._with(array=self.array.astype(np.float32), dtype="torch.float32")

    def view(self, dtype: str) -> Torchlike:
        assert dtype == "torch.int16"
        return self._with(array=self.array.view(np.int16), dtype=dtype)

    def data_ptr(self) -> int:
        return int(self.array.__array_interface__["data"][0])

    def numel(self) -> int:
        return int(self.array.size)

    def numpy(self) -> Any:
        if self.grad or self.device != "cpu" or self.is_sparse or "float8" in self.dtype:
            raise TypeError("can't convert to numpy\nread the manual")
        if self.dtype == "torch.bfloat16":
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.array


def values(name: str, value: Any) -> Any:
    tensor = as_tensor(name, value)
    assert tensor is not None
    return tensor.values()


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x,
        lambda x: x.astype(np.float32),
        lambda x: x.astype(np.float16),
        lambda x: x.astype(">f8"),
        np.asfortranarray,
        lambda x: x.tolist(),
        lambda x: x.astype(ml_dtypes.bfloat16),
        lambda x: x.astype(ml_dtypes.float8_e4m3fn),
        lambda x: x.astype(ml_dtypes.float8_e5m2),
        lambda x: x.astype(ml_dtypes.float8_e3m4),
        lambda x: x.astype(np.longdouble),
        lambda x: Torchlike(x, "torch.float64"),
        lambda x: Torchlike(x, "torch.float64", is_sparse=True),
        lambda x: Torchlike(x.astype(ml_dtypes.bfloat16), "torch.bfloat16"),
        lambda x: Torchlike(x.astype(ml_dtypes.float8_e4m3fn), "torch.float8_e4m3fn"),
    ],
)
def test_numbers_that_every_format_holds_come_through(make: Callable[[Any], Any]) -> None:
    np.testing.assert_array_equal(values("w", make(SMALL)), SMALL)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (SMALL.astype(np.float16), "float16"),
        (SMALL.astype(ml_dtypes.bfloat16), "bfloat16"),
        (SMALL.astype(ml_dtypes.float8_e3m4), "float8_e3m4"),
        (Torchlike(SMALL.astype(ml_dtypes.bfloat16), "torch.bfloat16"), "bfloat16"),
        (Torchlike(SMALL.astype(ml_dtypes.float8_e5m2), "torch.float8_e5m2"), "float8_e5m2"),
        (Torchlike(SMALL.astype(np.float32), "torch.float32"), "float32"),
    ],
)
def test_the_number_format_is_remembered(value: Any, name: str) -> None:
    tensor = as_tensor("w", value)
    assert tensor is not None
    assert tensor.storage.name == name


@pytest.mark.parametrize(
    ("bits", "dtype"),
    [
        (HALVES, ml_dtypes.bfloat16),
        (HALVES, np.float16),
        (BYTES, ml_dtypes.float8_e4m3fn),
        (BYTES, ml_dtypes.float8_e5m2),
    ],
)
def test_every_number_of_a_small_format_is_widened_as_ml_dtypes_does(bits: Any, dtype: Any) -> None:
    stored = bits.view(dtype)
    # assert_array_equal takes NaN for equal to NaN, and signs of 0 are compared besides.
    np.testing.assert_array_equal(values("w", stored), stored.astype(np.float32))
    finite = np.isfinite(stored.astype(np.float32))
    signs = np.signbit(stored.astype(np.float32))[finite]
    np.testing.assert_array_equal(np.signbit(values("w", stored))[finite], signs)


class OnlyDLPack:
    def __init__(self, array: Any) -> None:
        self.array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


def test_what_knows_dlpack_alone_is_read() -> None:
    np.testing.assert_array_equal(values("w", OnlyDLPack(SMALL)), SMALL)


def test_no_gradient_is_none() -> None:
    assert as_tensor("w", None) is None
    assert as_tensor("w", np.zeros(3, np.dtype([("float0", np.void, 0)]))) is None


class Refusing:
    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("on another machine\nand more")


class WithoutNumbers:
    def detach(self) -> WithoutNumbers:
        return self

    def cpu(self) -> WithoutNumbers:
        raise AttributeError


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.5, "gradients['w'] must be an array, got float 0.5"),
        (np.float32(0.5), "gradients['w'] must be an array, got float32 np.float32(0.5)"),
        ("abc", "gradients['w'] must be an array, got str 'abc'"),
        (np.zeros((0, 3)), "gradients['w'] must not be empty, got shape (0, 3)"),
        (np.ones(2, complex), "gradients['w'] must hold real numbers, got complex128"),
        (np.ones(2, bool), "gradients['w'] must hold real numbers, got bool"),
        (np.array(["a"]), "gradients['w'] must hold real numbers, got <U1"),
        (np.array([None]), "gradients['w'] must hold real numbers, got object"),
        (object(), "gradients['w'] must hold real numbers, got object"),
        (np.zeros(2, "f4,f4"), "must hold real numbers, got [('f0', '<f4'), ('f1', '<f4')]"),
        (Refusing(), "gradients['w'] must be an array, got Refusing: on another machine"),
        (WithoutNumbers(), "gradients['w'] must be an array, got WithoutNumbers: AttributeError"),
    ],
)
def test_what_is_no_gradient_is_named_with_what_was_expected(value: Any, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        as_tensor("w", value)
    assert str(caught.value).endswith(said)


def test_memory_that_runs_out_is_no_bad_input() -> None:
    class Huge:
        def __array__(self, *args: Any, **kwargs: Any) -> Any:
            raise MemoryError

    with pytest.raises(MemoryError):
        as_tensor("w", Huge())


def test_a_single_number_of_a_framework_is_a_tensor_without_axes() -> None:
    tensor = as_tensor("logit_scale", np.array(2.5, np.float32))
    assert tensor is not None
    assert tensor.shape == ()
    assert [part.tolist() for (part,) in chunks(tensor)] == [[2.5]]


@dataclass
class Key:
    key: str


@pytest.mark.parametrize(
    ("tree", "names"),
    [
        ({"params": {"Dense_0": {"kernel": SMALL, "bias": SMALL}}}, "params/Dense_0/kernel bias"),
        ([(SMALL, SMALL), (), (SMALL, SMALL)], "0/0 0/1 2/0 2/1"),
        ([("a.weight", SMALL), ("a.bias", None)], "a.weight a.bias"),
        ([((Key("params"), Key("w")), SMALL)], "params/w"),
        ({("params", "w"): SMALL}, "params/w"),
        ({0: SMALL, 1: SMALL}, "0 1"),
        ({"w": [[1.0, 2.0]], "list": [SMALL, SMALL]}, "w list/0 list/1"),
        (iter([("w", SMALL)]), "w"),
    ],
)
def test_nests_and_pairs_are_named(tree: Any, names: str) -> None:
    found = " ".join(hand_over(tree))
    assert found.replace("params/Dense_0/bias", "bias") == names


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        (SMALL, "got ndarray"),
        ({}, "got none"),
        ([], "got list"),
        ([1.0, 2.0], "got list"),
        (7, "got int"),
        ({"a/b": SMALL, "a": {"b": SMALL}}, "distinct names, got 'a/b' twice"),
        ({1: SMALL, "1": SMALL}, "distinct names, got '1' twice"),
    ],
)
def test_what_is_no_mapping_is_refused(tree: Any, said: str) -> None:
    with pytest.raises(BadInput, match="weights must") as caught:
        hand_over(tree, "weights")
    assert said in str(caught.value)


def test_tied_weights_are_named_by_object_and_by_memory() -> None:
    w, other = SMALL.copy(), SMALL.copy()
    sparse = Torchlike(other.copy(), "torch.float64")
    sparse.data_ptr = None  # type: ignore[assignment]
    tree = {
        "embed": w,
        "fc": other,
        "head": w,
        "turned": w.T,
        "part": w[:1],
        "torch": Torchlike(other, "torch.float64"),
        "sparse": sparse,
        "again": sparse,
        "none": None,
        "nothing": None,
    }
    tied = hand_over(tree).tied
    assert tied == {"head": "embed", "turned": "embed", "torch": "fc", "again": "sparse"}


def test_jax_arrays_tell_where_they_lie() -> None:
    @dataclass
    class Jaxlike:
        size: int = 3

        def unsafe_buffer_pointer(self) -> int:
            return 4096

    assert hand_over({"a": Jaxlike(), "b": Jaxlike(), "c": Jaxlike(4)}).tied == {"b": "a"}


def test_a_tensor_is_turned_only_when_it_is_asked_for() -> None:
    tensors = hand_over({"good": SMALL, "bad": "text"})
    assert isinstance(tensors, Tensors)
    assert hand_over(tensors) is tensors
    assert len(tensors) == 2
    assert "bad" in tensors
    assert tensors["good"] is not None
    with pytest.raises(BadInput, match="bad"):
        tensors["bad"]


def test_messages_are_one_printable_line_of_bounded_length() -> None:
    said = str(BadInput("\x1b[31m\n\t\u202e" + "x" * 10_000))
    assert said.isprintable()
    assert len(said) <= LONGEST


def test_chunks_keep_partners_together_in_any_layout() -> None:
    rng = np.random.default_rng(0)
    w = rng.standard_normal((7, 5, 3))
    layouts = [w, np.asfortranarray(w), w.transpose(1, 0, 2).copy().transpose(1, 0, 2)]
    layouts += [np.flip(w), np.repeat(w, 2, axis=1)[:, ::2]]
    for first in layouts:
        for second in layouts:
            a, b = as_tensor("a", first), as_tensor("b", second)
            assert a is not None
            assert b is not None
            pairs = [np.stack(parts, axis=1) for parts in chunks(a, b, size=8)]
            found = {tuple(row) for row in np.concatenate(pairs)}
            expected = {tuple(row) for row in zip(first.flat, second.flat, strict=True)}
            assert found == expected
            assert sum(map(len, pairs)) == w.size


def test_every_format_is_found_by_its_own_name() -> None:
    with warnings.catch_warnings(action="error"):
        for storage in ALL:
            dtype = getattr(ml_dtypes, storage.name, None) or storage.name
            assert storage_of(np.dtype(dtype)) is storage
