r"""What a user hands over, of any framework, as tensors of NumPy.

No framework is imported: PyTorch's tensors are known by their methods, JAX's arrays by what
`numpy.asarray` makes of them, others by DLPack. A tensor is turned when it is asked for, and only
then, so that a network on a graphics card never lies in this machine's memory as a whole.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import partial
from numbers import Number
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradbook.diagnosis.bad_input import BadInput, Odd, reason
from gradbook.diagnosis.reading.storage import BFLOAT16, Storage, Tensor, as_type, storage_of

ARRAYS = (
    *("shape", "dtype", "__array__", "__dlpack__", "detach", "data_ptr", "cpu"),
    "unsafe_buffer_pointer",
)
"""What tells an array, also of a framework that nobody knows, from a module."""


def opened(tree: Any) -> Any:
    """Return the arrays of a module that is a dataclass, as those of Equinox are, by name."""
    if not is_dataclass(tree) or isinstance(tree, type) or any(hasattr(tree, n) for n in ARRAYS):
        return tree
    found = {f.name: getattr(tree, f.name) for f in fields(tree)}
    return {name: value for name, value in found.items() if not _is_setting(value)}


def _is_setting(value: Any) -> bool:
    """Tell a number, a text or a function, which a module keeps beside its arrays."""
    plain = isinstance(value, (Number, str, bytes))
    return plain or (callable(value) and not is_dataclass(value) and not hasattr(value, "shape"))


def is_nest(tree: Any) -> bool:
    """Tell a list of arrays from an array written as a list of numbers; () is a nest of none."""
    if not isinstance(tree, (list, tuple)):
        return False
    others = (item for item in tree if not isinstance(item, Number))
    return tree == () or any(is_nest(x) or not isinstance(x, (list, tuple)) for x in others)


def leaves_of(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what a nest holds, each under the keys that lead to it, joined by a slash."""
    branches: Iterable[tuple[Any, Any]]
    tree = opened(tree)
    if isinstance(tree, Mapping):
        branches = tree.items()
    elif not is_nest(tree):
        yield path, tree
        return
    else:
        branches = tree if not path and all(map(_is_pair, tree)) else enumerate(tree)
    for key, branch in branches:
        yield from leaves_of(branch, f"{path}/{_key(key)}" if path else _key(key))


def _is_pair(item: Any) -> bool:
    return isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], (str, tuple))


def _key(key: Any) -> str:
    """Spell a key, also of JAX's paths, whose steps are records, and of Flax's tuples."""
    if isinstance(key, tuple):
        return "/".join(map(_key, key))
    own = (getattr(key, attribute, None) for attribute in ("key", "name", "idx"))
    plain = isinstance(key, (str, int))
    return str(key if plain else next((found for found in own if found is not None), key))


def tied_of(leaves: Iterable[tuple[str, Any]]) -> dict[str, str]:
    """Find what shares its memory; all the leaves are alive, so that no address is a used one."""
    first: dict[tuple[int, int], str] = {}
    tied = {}
    for name, value in leaves:
        # An object that tells no address is known by its own; no array holds -1 numbers.
        place = None if value is None else _memory(value) or (id(value), -1)
        if place is not None and place[0] != 0 and first.setdefault(place, name) != name:
            tied[name] = first[place]
    return tied


def _memory(value: Any) -> tuple[int, int] | None:
    """Return where an array's numbers lie and how many there are."""
    try:
        if isinstance(value, np.ndarray):
            return value.__array_interface__["data"][0], value.size
        if hasattr(value, "data_ptr"):
            return int(value.data_ptr()), int(value.numel())
        return int(value.unsafe_buffer_pointer()), int(value.size)
    except Exception:  # sparse, sharded, deleted or unknown: it has no memory of its own to compare
        return None


def _read(value: Any) -> tuple[NDArray[Any], Storage | None]:
    if callable(getattr(value, "detach", None)) and callable(getattr(value, "cpu", None)):
        return _from_torch(value.detach())
    if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
        return np.from_dlpack(value), None
    return np.asarray(value), None


def _from_torch(value: Any) -> tuple[NDArray[Any], Storage | None]:
    """Read a PyTorch tensor; what NumPy has no type for is viewed as bits or widened."""
    here = (value.to_dense() if getattr(value, "is_sparse", False) else value).cpu()
    if hasattr(here, "resolve_neg"):  # a minus sign that waits to be carried out
        here = here.resolve_neg()
    name = str(here.dtype).rpartition(".")[2]
    if name == BFLOAT16.name:
        int16 = here.new_empty(0).short().dtype  # the type object, without importing its library
        return here.view(int16).numpy().view(np.uint16), BFLOAT16
    if name.startswith("float8"):
        return here.float().numpy(), Storage(name, "", "f4", as_type(np.float32))
    return here.numpy(), None


def as_tensor(name: str, value: Any, what: str = "gradients") -> Tensor | None:
    """Turn one array of any framework into a tensor that remembers its number format.

    Its numbers are not copied if NumPy can look at them where they are. None means that there is no
    gradient, as JAX does by its type float0, and gives None.

    Examples:
        >>> tensor = as_tensor("fc.bias", np.zeros(3, np.float16))
        >>> tensor.shape, tensor.storage.name
        ((3,), 'float16')
    """
    place = f"{what}[{name!r}]"
    if value is None:
        return None
    if isinstance(value, (Number, str, bytes)):
        raise BadInput(f"{place} must be an array, got {type(value).__name__} {value!r}")
    try:
        array, storage = _read(value)
    except MemoryError:
        raise
    except Exception as error:  # whatever a framework raises for a tensor that it cannot hand over
        got = f"{type(value).__name__}: {reason(error)}"
        raise BadInput(f"{place} must be an array, got {got}") from None
    return None if array.dtype.names == ("float0",) else checked(place, name, array, storage)


def checked(place: str, name: str, array: NDArray[Any], storage: Storage | None) -> Tensor:
    """Return a tensor that can be measured; without a storage the array's type says what it is."""
    storage = storage or storage_of(array.dtype)
    if storage is None:
        raise Odd(f"{place} must hold real numbers, got {array.dtype}")
    if array.size == 0:
        raise Odd(f"{place} must not be empty, got shape {array.shape}")
    if array.dtype.kind in "fV" and storage.raw[0] == "u":  # a type of ml_dtypes: its bits serve
        array = array.view(storage.raw)
    return Tensor(name, array, storage)


@dataclass(frozen=True, eq=False)
class Tensors(Mapping[str, Tensor | None]):
    """Tensors by name, each read when it is asked for; None where there is no gradient."""

    readers: Mapping[str, Callable[[], Tensor | None]]
    ordered: bool = True
    """Whether it may be the network's order: `.safetensors` files sort, and so does JAX."""
    tied: Mapping[str, str] = field(default_factory=dict)
    """Names of tensors that share their memory with an earlier one, and that one's name."""

    def __getitem__(self, name: str) -> Tensor | None:
        """Read one tensor."""
        return self.readers[name]()

    def __iter__(self) -> Iterator[str]:
        """Yield the names in order."""
        return iter(self.readers)

    def __len__(self) -> int:
        """Count the names."""
        return len(self.readers)

    def only(self, names: Iterable[str]) -> "Tensors":
        """Return those of some names, read as before."""
        kept = {name: self.readers[name] for name in names}
        tied = {name: to for name, to in self.tied.items() if name in kept and to in kept}
        return Tensors(kept, self.ordered, tied)

    def __contains__(self, name: object) -> bool:
        """Tell whether there is such a name, without reading its tensor."""
        return name in self.readers


def _nnx_of(tree: Any) -> Any:
    """Return the library of a module of Flax's nnx, which tells its arrays; None of all else."""
    module = any(c.__module__ == "flax.nnx.module" for c in type(tree).__mro__)
    return sys.modules.get("flax.nnx") if module else None


def is_jax(values: Iterable[Any]) -> bool:
    """Tell whether arrays are JAX's, which sorts the keys of dictionaries."""
    return any(type(value).__module__.startswith("jax") for value in values)


def is_sorted(names: Sequence[str]) -> bool:
    """Tell whether names stand in the order of the alphabet, as a whole or part by part."""
    return list(names) in (sorted(names), sorted(names, key=lambda name: name.split("/")))


def hand_over(tree: Any, what: str = "gradients") -> Tensors:
    """Name all arrays of a mapping, of pairs, or of a nest of dicts, lists and tuples.

    Examples:
        >>> tensors = hand_over({"1": {"W": np.ones((2, 3)), "b": None}})
        >>> {name: tensor and tensor.shape for name, tensor in tensors.items()}
        {'1/W': (2, 3), '1/b': None}
        >>> shared = np.ones((2, 2))
        >>> tensors = hand_over({"embed": shared, "fc": np.ones((2, 2)), "head": shared})
        >>> list(tensors), tensors.tied
        (['embed', 'fc', 'head'], {'head': 'embed'})
    """
    if isinstance(tree, Tensors):
        return tree
    if what == "gradients" and hasattr(tree, "_metadata"):  # PyTorch keeps its versions there
        raise BadInput("gradients must be those, got a state_dict: hand over the network itself")
    if (nnx := _nnx_of(tree)) is not None:
        if what != "weights":
            got = f"{what} must be a mapping name → array, got {type(tree).__name__}"
            raise BadInput(f"{got}: hand over what nnx.grad returns, and the module as weights")
        tree = nnx.state(tree)
    nest = list(tree) if isinstance(tree, Iterator) else opened(tree)
    if not isinstance(nest, Mapping) and not is_nest(nest):
        told = "of JAX, jax.tree_util.tree_flatten_with_path(...)[0] makes one of any tree"
        got = type(tree).__name__
        raise BadInput(f"{what} must be a mapping name → array, got {got}; {told}")
    readers: dict[str, Callable[[], Tensor | None]] = {}
    for name, value in (leaves := list(leaves_of(nest))):
        if what == "gradients" and type(value).__name__ == "Parameter":
            raise BadInput("gradients must be those, got parameters: hand over the network itself")
        if name in readers:
            raise BadInput(f"{what} must have distinct names, got {name!r} twice")
        readers[name] = partial(as_tensor, name, value, what)
    if not readers:
        raise BadInput(f"{what} must be a mapping name → array, got none")
    by_alphabet = is_jax(value for _, value in leaves) and is_sorted(list(readers))
    return Tensors(readers, ordered=not by_alphabet, tied=tied_of(leaves))
