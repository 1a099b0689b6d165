r"""What a user hands over, of any framework, as tensors of NumPy.

No framework is imported: PyTorch's tensors are known by their methods, JAX's arrays by what
`numpy.asarray` makes of them, others by DLPack. A tensor is turned when it is asked for, and only
then, so that a network on a graphics card never lies in this machine's memory as a whole.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from numbers import Number
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradbook.diagnosis.bad_input import BadInput, Odd, reason
from gradbook.diagnosis.reading.nests import is_nest, leaves_of, opened, tied_of
from gradbook.diagnosis.reading.storage import BFLOAT16, Storage, Tensor, as_type, storage_of


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


class Tensors(Mapping[str, Tensor | None]):
    """Tensors by name, each read when it is asked for; None where there is no gradient.

    Attributes:
        ordered: Whether the order is known to be the network's; a `.safetensors` file sorts.
        tied: Names of tensors that share their memory with an earlier one, and that one's name.
    """

    def __init__(
        self,
        readers: Mapping[str, Callable[[], Tensor | None]],
        ordered: bool = True,
        tied: Mapping[str, str] | None = None,
    ) -> None:
        """Keep what reads the tensors, not the tensors."""
        self._readers = dict(readers)
        self.ordered = ordered
        self.tied = dict(tied or {})

    def __getitem__(self, name: str) -> Tensor | None:
        """Read one tensor."""
        return self._readers[name]()

    def __iter__(self) -> Iterator[str]:
        """Yield the names in order."""
        return iter(self._readers)

    def __len__(self) -> int:
        """Count the names."""
        return len(self._readers)

    def only(self, names: Iterable[str]) -> "Tensors":
        """Return those of some names, read as before."""
        kept = {name: self._readers[name] for name in names}
        tied = {name: to for name, to in self.tied.items() if name in kept and to in kept}
        return Tensors(kept, self.ordered, tied)

    def __contains__(self, name: object) -> bool:
        """Tell whether there is such a name, without reading its tensor."""
        return name in self._readers


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
    nest = list(tree) if isinstance(tree, Iterator) else opened(tree)
    if not isinstance(nest, Mapping) and not is_nest(nest):
        told = "of JAX, jax.tree_util.tree_flatten_with_path(...)[0] makes one of any tree"
        got = type(tree).__name__
        raise BadInput(f"{what} must be a mapping name → array, got {got}; {told}")
    readers: dict[str, Callable[[], Tensor | None]] = {}
    for name, value in (leaves := list(leaves_of(nest))):
        if name in readers:
            raise BadInput(f"{what} must have distinct names, got {name!r} twice")
        readers[name] = partial(as_tensor, name, value, what)
    if not readers:
        raise BadInput(f"{what} must be a mapping name → array, got none")
    return Tensors(readers, tied=tied_of(leaves))
