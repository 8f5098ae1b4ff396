"""What every CPython from the oldest that is served onwards exports."""

import abi3info

OLDEST_PYTHON = "3.11"  # as in csrc/python/module.cpp and pyproject.toml
TAGS = ("cp311", "abi3")  # of wheels: Python and ABI


def symbols() -> set[str]:
    """The functions and variables of the stable ABI, on every platform."""
    oldest = tuple(map(int, OLDEST_PYTHON.split(".")))
    return {
        entry.symbol.name
        for entry in (*abi3info.FUNCTIONS.values(), *abi3info.DATAS.values())
        if (entry.added.major, entry.added.minor) <= oldest and entry.ifdef is None
    }
