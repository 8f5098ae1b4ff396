"""Finds loops that wait for other threads: Metal does not promise that those run.

A loop that only ends when memory that other threads write has changed, read by an atomic or volatile access, is taken
for such a wait. A bound on the number of rounds makes it none; nor is a compare-and-exchange of a value computed from
the old one, whose failure means that another thread has got on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_KERNEL = re.compile(r"^; kernel (.+)$", re.M)
_LABEL = re.compile(r'^("[^"]+"|[\w.$-]+):')
_RESULT = re.compile(r"^  (%[\w.$]+|%\"[^\"]+\") = (.+)$")
_VALUE = re.compile(r'%(?:"[^"]+"|[\w.$-]+)')
_TARGET = re.compile(r'label %("[^"]+"|[\w.$-]+)')
_READ = re.compile(r"^(load atomic|load volatile|atomicrmw|cmpxchg)\b")
_COUNTING = re.compile(r"^(add|sub|getelementptr)\b")


@dataclass
class Block:
    results: dict[str, str] = field(default_factory=dict)  # the name of a value, the instruction that makes it
    successors: list[str] = field(default_factory=list)
    condition: str = ""  # that the branch at the end depends on


def waiting_kernels(thread_ir: str) -> list[str]:
    """Names of the kernels that wait, from the text that ``mslc --emit=ir-thread`` prints."""
    pieces = _KERNEL.split(thread_ir)[1:]
    return [name for name, text in zip(pieces[::2], pieces[1::2]) if _waits(text)]


def _waits(text: str) -> bool:
    body = re.search(r"^define .*?\{\n(.*?)^\}", text, re.M | re.S)
    if not body or not re.search(r"atomic|cmpxchg|volatile", body[1]):
        return False
    blocks = _blocks(body[1])
    graph = {name: set(block.successors) for name, block in blocks.items()}
    return any(_is_wait({name: blocks[name] for name in loop}) for loop in _loops(graph))


def _blocks(body: str) -> dict[str, Block]:
    blocks, block = {}, None
    for line in body.splitlines():
        if label := _LABEL.match(line):
            block = blocks[label[1].strip('"')] = Block()
        elif line.startswith("  ") and block is not None:
            if result := _RESULT.match(line):
                block.results[result[1]] = result[2]
            elif line.startswith(("  br ", "  switch ")) or block.condition and "label" in line:
                block.successors += [target.strip('"') for target in _TARGET.findall(line)]
                if first := re.match(r"  (?:br i1|switch \w+) (%[^, ]+)", line):
                    block.condition = first[1]
    return blocks


def _loops(graph: dict[str, set[str]]) -> Iterator[set[str]]:
    """Loops, outer ones first: strongly connected blocks, and again within them once the edges to where control enters
    are gone."""
    for component in _components(graph):
        inside = {name: graph[name] & component for name in component}
        if not any(inside.values()):
            continue
        yield component
        entries = {name for outside in graph.keys() - component for name in graph[outside] & component} or {
            min(component)
        }
        yield from _loops({name: successors - entries for name, successors in inside.items()})


def _components(graph: dict[str, set[str]]) -> list[set[str]]:
    """Strongly connected components (Kosaraju)."""
    order, seen = [], set()
    for root in graph:
        _visit(root, graph, seen, order)
    backwards = {name: set() for name in graph}
    for name, successors in graph.items():
        for successor in successors & graph.keys():
            backwards[successor].add(name)
    components, seen = [], set()
    for root in reversed(order):
        if root not in seen:
            components.append(set(_visit(root, backwards, seen, [])))
    return components


def _visit(root: str, graph: dict[str, set[str]], seen: set[str], order: list[str]) -> list[str]:
    """Appends what can be reached and is not yet seen, each after what follows it."""
    stack = [(root, iter(graph[root]))] if root not in seen else []
    seen.add(root)
    while stack:
        name, successors = stack[-1]
        following = next((s for s in successors if s in graph and s not in seen), None)
        if following is None:
            order.append(name)
            stack.pop()
        else:
            seen.add(following)
            stack.append((following, iter(graph[following])))
    return order


def _is_wait(loop: dict[str, Block]) -> bool:
    results = {value: made for block in loop.values() for value, made in block.results.items()}
    exits = [block for block in loop.values() if any(successor not in loop for successor in block.successors)]
    slices = [_slice(block.condition, results) for block in exits if block.condition]
    if any(_counts(values, results) for values in slices):
        return False
    return any(
        _READ.match(results[value]) and not _progresses(results[value], results)
        for values in slices
        for value in values
    )


def _slice(value: str, results: dict[str, str]) -> set[str]:
    """The values made in the loop that this one depends on."""
    found, todo = set(), [value]
    while todo:
        value = todo.pop()
        if value in results and value not in found:
            found.add(value)
            todo += _VALUE.findall(results[value])
    return found


def _counts(values: set[str], results: dict[str, str]) -> bool:
    """Whether one of them goes up or down by steps from round to round, not by what an atomic access returns."""
    for value in values:
        if results[value].startswith("phi"):
            for incoming in _VALUE.findall(results[value]):
                made = results.get(incoming, "")
                if _COUNTING.match(made) and value in _VALUE.findall(made):
                    return True
    return False


def _progresses(made: str, results: dict[str, str]) -> bool:
    """Whether this is a compare-and-exchange whose new value is made in the loop."""
    exchange = re.match(r"cmpxchg .*?ptr [^,]+, \S+ \S+, \S+ ([^ ,]+)", made)
    return bool(exchange) and exchange[1] in results
