"""Kernels that evaluate one MSL expression for each element of some arrays."""

import numpy as np

from .library import Library

PRELUDE = "#include <metal_stdlib>\nusing namespace metal;\n"
NUMPY_TYPES = {
    "char": np.int8, "uchar": np.uint8, "short": np.int16, "ushort": np.uint16, "int": np.int32, "uint": np.uint32,
    "long": np.int64, "ulong": np.uint64, "half": np.float16, "float": np.float32, "bool": np.bool_,
}  # fmt: skip
GROUP = 256


class Expressions:
    """Expressions by name, in one library; each is compiled when it is first used.

    An expression is (result type, argument types, text); the text calls its arguments a, b, c. Types are MSL's, vectors
    too: an argument of type float3 takes an array of shape (n, 4), as float3 lies in memory.
    """

    def __init__(self, expressions: dict[str, tuple[str, list[str], str]], prelude: str = PRELUDE):
        self._expressions = expressions
        self._library = Library(prelude + "".join(map(self._kernel, expressions)))

    def __call__(self, name: str, *arrays: np.ndarray) -> np.ndarray:
        result_type, types, _ = self._expressions[name]
        inputs = [np.ascontiguousarray(array, NUMPY_TYPES[type_.rstrip("234")]) for array, type_ in zip(arrays, types)]
        result = np.zeros((len(inputs[0]), *_element_shape(result_type)), NUMPY_TYPES[result_type.rstrip("234")])
        self._library.kernel(name)([result, *inputs], (len(result),), (GROUP,))
        return result

    def _kernel(self, name: str) -> str:
        result_type, types, text = self._expressions[name]
        inputs = "".join(f"device const {type_}* {letter}s, " for type_, letter in zip(types, "abc"))
        reads = " ".join(f"const {type_} {letter} = {letter}s[i];" for type_, letter in zip(types, "abc"))
        return (
            f"kernel void {name}(device {result_type}* results, {inputs}uint i [[thread_position_in_grid]]) "
            f"{{ {reads} results[i] = {text}; }}\n"
        )


def _element_shape(type_: str) -> tuple[int, ...]:
    return {"2": (2,), "3": (4,), "4": (4,)}.get(type_[-1], ())
