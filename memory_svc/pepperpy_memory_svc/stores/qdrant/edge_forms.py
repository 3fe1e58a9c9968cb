"""What we ask and are answered, in the forms of qdrant-edge and back."""

from collections.abc import Sequence
from typing import Any

import qdrant_edge as edge

from pepperpy_memory_svc.stores.qdrant import filters
from pepperpy_memory_svc.stores.qdrant.engine import Dense, Index, Point, Sparse
from pepperpy_memory_svc.stores.qdrant.filters import Filter


def schema_of(index: Index) -> Any:
    """Returns how a field is indexed."""
    match index:
        case "tenant":
            return edge.KeywordIndexParams(is_tenant=True)
        case "keyword":
            # Without it, a graph would be built for every value that many have.
            return edge.KeywordIndexParams(enable_hnsw=False)
        case "numbers":
            return edge.FloatIndexParams(enable_hnsw=False)
        case "values":
            return edge.IntegerIndexParams(lookup=True, range=False, enable_hnsw=False)


def point_of(found: Any) -> Point:
    """Returns a point that was found or read."""
    given = found.vector or {}
    return Point(str(found.id), found.payload or {}, {k: _given(v) for k, v in given.items()})


def _given(vector: Any) -> Dense | Sparse:
    if isinstance(vector, edge.SparseVector):
        return Sparse(vector.indices, vector.values)
    given: Dense = vector
    return given


def vector_of(vector: Dense | Sparse) -> Any:
    """Returns a vector as it is stored and asked with."""
    if isinstance(vector, Sparse):
        return edge.SparseVector(list(vector.places), list(vector.values))
    return [float(each) for each in vector]


def struct_of(point: Point) -> edge.Point:
    """Returns a point as it is stored."""
    vectors = {name: vector_of(each) for name, each in point.vectors.items()}
    return edge.Point(point.id, vectors, point.fields)


def filter_of(where: Filter) -> edge.Filter:
    """Returns a filter."""
    condition = _condition(where)
    return condition if isinstance(condition, edge.Filter) else edge.Filter(must=[condition])


def _condition(where: Filter) -> Any:  # noqa: PLR0911 - one for each kind
    match where:
        case filters.Has(key, values):
            return edge.FieldCondition(key, match=_match(values))
        case filters.Within():
            bounds = edge.RangeFloat(gt=where.gt, gte=where.gte, lt=where.lt, lte=where.lte)
            return edge.FieldCondition(where.key, range=bounds)
        case filters.Lacks(key):
            return edge.IsEmptyCondition(key)
        case filters.Named(ids):
            return edge.HasIdCondition(set(ids))
        case filters.Every(of):
            return edge.Filter(must=[_condition(each) for each in of])
        case filters.Some(of):
            return edge.Filter(should=[_condition(each) for each in of])
        case filters.No(of):
            return edge.Filter(must_not=[_condition(of)])


def _match(values: Sequence[str] | Sequence[int]) -> Any:
    several: Any = list(values)
    return edge.MatchValue(several[0]) if len(several) == 1 else edge.MatchAny(several)
