"""Energy flow polynomials of jets: all graphs of degree ≤ 5, over whole arrays of jets.

The EnergyFlow package takes one jet after another and contracts each graph by itself. Here the
graphs are taken apart once, by eliminating their vertices; what they have in common is computed
once, and each step is done for all jets of one size together, by matrix products.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ..jets.constituents import FlatJets, over_jets

__all__ = ["GRAPHS", "energy_flow_polynomials"]

# The connected multigraphs in the order of ``EFPSet("d<=5")`` of EnergyFlow 1.4.0: an edge is the
# two vertices that it joins. The first is the single vertex.
_CONNECTED_GRAPHS = """
    , 01, 01 01, 01 01 01, 01 01 01 01, 01 01 01 01 01, 01 02, 01 02 02, 01 02 02 02, 01 01 02 02,
    01 01 01 01 02, 01 01 01 02 02, 01 02 12, 01 02 02 12, 01 02 12 12 12, 01 02 02 12 12,
    01 02 03, 01 02 02 03, 01 02 03 03 03, 01 02 02 03 03, 01 02 13, 01 02 02 13, 01 01 02 13,
    01 02 13 13 13, 01 01 01 02 13, 01 02 02 13 13, 01 01 02 02 13, 01 02 12 03, 01 02 12 12 03,
    01 01 02 12 03, 01 02 12 03 03, 01 02 13 23, 01 02 13 13 23, 01 02 12 03 13, 01 02 03 04,
    01 02 03 03 04, 01 02 03 14, 01 02 03 03 14, 01 01 02 03 14, 01 02 03 14 14, 01 02 13 24,
    01 02 13 13 24, 01 01 02 13 24, 01 02 12 03 04, 01 02 12 03 14, 01 02 12 03 34, 01 02 13 23 04,
    01 02 13 24 34, 01 02 03 04 05, 01 02 03 04 15, 01 02 03 14 15, 01 02 03 14 25, 01 02 03 14 45,
    01 02 13 24 35
"""
# The others are products of these, given by their places.
_PRODUCTS = """
    1 1, 1 2, 1 3, 2 2, 2 3, 1 4, 1 6, 2 6, 1 7, 1 12, 3 6, 2 7, 2 12, 1 8, 1 9, 1 13, 1 1 1, 1 16,
    1 20, 6 6, 1 1 2, 1 17, 1 21, 1 22, 1 27, 1 31, 2 16, 2 20, 6 7, 6 12, 1 1 3, 1 2 2, 1 1 6,
    1 34, 1 36, 1 40, 6 16, 6 20, 1 2 6, 1 1 7, 1 1 12, 1 1 1 1, 1 1 16, 1 1 20, 1 6 6, 1 1 1 2,
    1 1 1 6, 1 1 1 1 1
"""

_CONNECTED = [graph.strip() for graph in _CONNECTED_GRAPHS.split(",")]
GRAPHS: tuple[tuple[str, ...], ...] = (
    *((graph,) for graph in _CONNECTED),
    *(tuple(_CONNECTED[int(k)] for k in product.split()) for product in _PRODUCTS.split(",")),
)
"""The graphs, each as its connected parts, in the order of EnergyFlow 1.4.0."""

_PADDING = 4  # jets of 1–4, 5–8, … constituents are computed together
_TABLE = 1 << 17  # numbers in a table of pair distances, if one jet does not need more: 1 MB

# A number of a vertex or of a pair of vertices, as the steps that make it:
#   ("theta", w)       distance to the power w, of a pair
#   ("times", a, b)    product, of vertices or of pairs
#   ("end", m, u)      Σ_b m_ab z_b u_b, of the vertex a; u may be None for 1
#   ("middle", m, u, k)  Σ_b m_ab z_b u_b k_bc, of the pair (a, c)
#   ("total", u)       Σ_a z_a u_a, of the graph
Step: TypeAlias = tuple[Any, ...]


def energy_flow_polynomials(
    jets: FlatJets, which: Sequence[int] | None = None, *, beta: float = 1.0, threads: int = 1
) -> NDArray[np.float64]:
    r"""Return energy flow polynomials of jets.

    .. math::
        \mathrm{EFP}_G = \sum_{i_1} \cdots \sum_{i_N} z_{i_1} \cdots z_{i_N}
        \prod_{(k, l) \in G} \theta_{i_k i_l}^\beta

    for a multigraph G of N vertices, with the fractions z of the scalar sum of pT and θ the
    distance in rapidity and azimuth (Komiske, Metodiev, Thaler, arXiv:1712.07124): what
    EnergyFlow's ``EFPSet("d<=5", measure="hadr", normed=True)`` gives.

    Parameters
    ----------
    jets : FlatJets
        The jets.
    which : sequence of int, optional
        Places in `GRAPHS`; all 102 by default. The first, the single vertex, is 1.
    beta : float
        The exponent.
    threads : int
        How many slices of the jets are worked on at a time.

    Returns
    -------
    array, shape (n_jets, len(which))
        Zero for a jet without constituents.
    """
    graphs = [GRAPHS[k] for k in (range(len(GRAPHS)) if which is None else which)]
    plans = {part: _eliminate(part) for parts in graphs for part in parts}
    result = np.zeros((len(jets), len(graphs)))
    batches = list(_batches(jets))

    def run(first: int, last: int) -> None:
        memory = _Memory(max(_TABLE, (int(jets.counts.max(initial=0)) + _PADDING) ** 2))
        for batch in batches[first:last]:
            z, theta = _tables(jets, batch, beta, memory)
            values = _evaluate(plans, z, theta, memory)
            for column, parts in enumerate(graphs):
                result[batch, column] = np.prod([values[part] for part in parts], axis=0)

    # The products are small: threads of the linear algebra's own would crowd the other workers.
    with threadpool_limits(1, user_api="blas"):
        over_jets(run, len(batches), threads=threads)
    return result


class _Memory:
    """Tables that each batch uses again; new ones would make threads wait for the system."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._tables: dict[Step, NDArray[np.float64]] = {}

    def table(self, key: Step, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Return the table of a name, with whatever is in it."""
        if key not in self._tables:
            self._tables[key] = np.empty(self._size)
        return self._tables[key][: math.prod(shape)].reshape(shape)


def _eliminate(graph: str) -> Step:
    """Take a graph apart, vertex by vertex, those with the fewest neighbours first.

    A vertex with one neighbour leaves a number on it; one with two, a number on the pair of them.
    No graph of less than six edges needs more: three neighbours each is the complete graph of four
    vertices at least.
    """
    edges: dict[tuple[str, str], Step] = {}
    for a, b in graph.split():
        edges[a, b] = ("theta", edges[a, b][1] + 1 if (a, b) in edges else 1)
    vertices: dict[str, Step | None] = dict.fromkeys(sorted({*graph.replace(" ", "")}) or ["0"])

    def neighbours(v: str) -> list[str]:
        return [b if a == v else a for a, b in edges if v in (a, b)]

    def take(a: str, b: str) -> Step:
        """Take away the number of a pair, as a matrix with the rows of a."""
        return edges.pop((a, b)) if (a, b) in edges else _transposed(edges.pop((b, a)))

    while len(vertices) > 1:
        v = min(vertices, key=lambda v: (len(neighbours(v)), *_rarity(v, vertices, edges), v))
        around, u = sorted(neighbours(v)), vertices.pop(v)
        if len(around) == 1:
            (a,) = around
            vertices[a] = _times(vertices[a], ("end", take(a, v), u))
        else:
            a, c = around
            middle: Step = ("middle", take(a, v), u, take(v, c))
            edges[a, c] = _times(take(a, c) if c in neighbours(a) else None, middle)
    (last,) = vertices.values()
    return ("total", last)


def _rarity(
    v: str, vertices: dict[str, Step | None], edges: dict[tuple[str, str], Step]
) -> tuple[int, str]:
    """Order vertices so that steps which other graphs need too come first: the simple ones."""
    steps = sorted(repr(step) for pair, step in edges.items() if v in pair)
    if vertices[v] is not None:
        steps.append(repr(vertices[v]))
    together = " ".join(steps)
    return len(together), together


def _times(a: Step | None, b: Step) -> Step:
    return b if a is None else ("times", *sorted((a, b), key=repr))


def _transposed(step: Step) -> Step:
    match step:
        case ("times", a, b):
            return _times(_transposed(a), _transposed(b))
        case ("middle", m, u, k):
            return ("middle", _transposed(k), u, _transposed(m))
        case _:
            return step  # distances are the same both ways


def _batches(jets: FlatJets) -> Iterator[NDArray[np.int64]]:
    """Yield jets of about one size; which size depends on nothing but the jet itself."""
    size = -(-jets.counts // _PADDING) * _PADDING
    for n in np.unique(size[size > 0]):
        of_size = np.flatnonzero(size == n)
        step = max(_TABLE // int(n) ** 2, 1)
        for start in range(0, len(of_size), step):
            yield of_size[start : start + step]


def _tables(
    jets: FlatJets, batch: NDArray[np.int64], beta: float, memory: _Memory
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the fractions (n_jets, n) and the distances (n_jets, n, n); absent particles are 0."""
    counts = jets.counts[batch]
    slots = np.arange(-(-int(counts.max()) // _PADDING) * _PADDING)
    there = slots < counts[:, None]
    places = np.zeros((3, *there.shape))
    places[:, there] = jets.places[:, (jets.offsets[batch][:, None] + slots)[there]]
    z, y, phi = places[0], places[1], places[2]
    z /= np.sum(z, axis=1, keepdims=True)
    shape = (*z.shape, z.shape[1])
    theta, other = memory.table(("theta", 1), shape), memory.table(("weighted",), shape)
    np.abs(np.subtract(phi[:, :, None], phi[:, None, :], out=theta), out=theta)
    np.minimum(theta, np.subtract(2 * np.pi, theta, out=other), out=theta)
    theta *= theta
    np.subtract(y[:, :, None], y[:, None, :], out=other)
    other *= other
    theta += other
    if beta == 1.0:
        np.sqrt(theta, out=theta)
    elif beta != 2.0:
        np.power(theta, 0.5 * beta, out=theta)
    return z, theta


def _evaluate(
    plans: dict[str, Step], z: NDArray[np.float64], theta: NDArray[np.float64], memory: _Memory
) -> dict[str, NDArray[np.float64]]:
    """Return the polynomial of each graph, shape (n_jets,); equal steps are done once."""
    known: dict[Step, NDArray[np.float64]] = {("theta", 1): theta}

    def value(step: Step) -> NDArray[np.float64]:
        if step not in known:
            known[step] = compute(step)
        return known[step]

    def weighted(u: Step | None) -> NDArray[np.float64]:
        return z if u is None else z * value(u)

    def product(step: Step, a: Step, b: Step) -> NDArray[np.float64]:
        x, y = value(a), value(b)
        return np.multiply(x, y, out=memory.table(step, x.shape) if x.ndim == 3 else None)

    def compute(step: Step) -> NDArray[np.float64]:
        match step:
            case ("theta", w):
                return product(step, ("theta", w // 2), ("theta", w - w // 2))
            case ("times", a, b):
                return product(step, a, b)
            case ("end", m, u):
                return (value(m) @ weighted(u)[:, :, None])[:, :, 0]
            case ("middle", m, u, k):
                x, y, inner = value(m), value(k), weighted(u)
                right = memory.table(("weighted",), y.shape)
                np.multiply(inner[:, :, None], y, out=right)
                return np.matmul(x, right, out=memory.table(step, x.shape))
            case ("total", u):
                return np.sum(weighted(u), axis=1)
            case _:
                raise AssertionError(step)

    return {graph: value(plan) for graph, plan in plans.items()}
