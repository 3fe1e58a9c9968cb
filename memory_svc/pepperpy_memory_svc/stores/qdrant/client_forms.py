"""What we ask and are answered, in the forms of Qdrant's client and back."""

from collections.abc import Mapping, Sequence
from typing import Any

from qdrant_client import models

from pepperpy_memory_svc.stores.qdrant import filters
from pepperpy_memory_svc.stores.qdrant.engine import Dense, Index, Point, Sparse
from pepperpy_memory_svc.stores.qdrant.filters import Filter


def schema_of(index: Index) -> Any:
    """Returns how a field is indexed."""
    match index:
        case "tenant":
            return models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
        case "keyword":
            # Without it, a graph would be built for every value that many have.
            return models.KeywordIndexParams(
                type=models.KeywordIndexType.KEYWORD, enable_hnsw=False
            )
        case "numbers":
            return models.FloatIndexParams(type=models.FloatIndexType.FLOAT, enable_hnsw=False)
        case "values":
            return models.IntegerIndexParams(
                type=models.IntegerIndexType.INTEGER, lookup=True, range=False, enable_hnsw=False
            )


def point_of(found: Any) -> Point:
    """Returns a point that was found or read."""
    given = found.vector if isinstance(found.vector, dict) else {}
    return Point(str(found.id), found.payload or {}, {k: _given(v) for k, v in given.items()})


def _given(vector: Any) -> Dense | Sparse:
    if isinstance(vector, models.SparseVector):
        return Sparse(vector.indices, vector.values)
    given: Dense = vector
    return given


def vector_of(vector: Dense | Sparse) -> Any:
    """Returns a vector as it is stored and asked with."""
    if isinstance(vector, Sparse):
        return models.SparseVector(indices=list(vector.places), values=list(vector.values))
    return [float(each) for each in vector]


def struct_of(point: Point) -> models.PointStruct:
    """Returns a point as it is stored."""
    vectors = {name: vector_of(each) for name, each in point.vectors.items()}
    return models.PointStruct(id=point.id, vector=vectors, payload=point.fields)


def size_of(point: Point) -> int:
    """Returns about how many bytes of JSON a point is, rather more."""
    numbers = 0
    for each in point.vectors.values():
        numbers += 2 * len(each.places) if isinstance(each, Sparse) else len(each)
    return 22 * numbers + _size(point.fields)


def _size(value: Any) -> int:
    match value:
        case str():
            return 20 + 4 * len(value)
        case list():
            return 20 + sum(_size(each) for each in value)
        case Mapping():
            return 20 + sum(_size(key) + _size(each) for key, each in value.items())
        case _:
            return 25


def chosen_by(where: Filter) -> Any:
    """Returns what chooses points to be changed."""
    if isinstance(where, filters.Named) and where.ids:
        return list(where.ids)
    return models.FilterSelector(filter=filter_of(where))


def filter_of(where: Filter) -> models.Filter:
    """Returns a filter."""
    condition = _condition(where)
    return condition if isinstance(condition, models.Filter) else models.Filter(must=[condition])


def _condition(where: Filter) -> Any:  # noqa: PLR0911 - one for each kind
    match where:
        case filters.Has(key, values):
            return models.FieldCondition(key=key, match=_match(values))
        case filters.Within():
            bounds = models.Range(gt=where.gt, gte=where.gte, lt=where.lt, lte=where.lte)
            return models.FieldCondition(key=where.key, range=bounds)
        case filters.Lacks(key):
            return models.IsEmptyCondition(is_empty=models.PayloadField(key=key))
        case filters.Named(ids):
            return models.HasIdCondition(has_id=list(ids))
        case filters.Every(of):
            return models.Filter(must=[_condition(each) for each in of])
        case filters.Some(of):
            return models.Filter(should=[_condition(each) for each in of])
        case filters.No(of):
            return models.Filter(must_not=[_condition(of)])


def _match(values: Sequence[str] | Sequence[int]) -> Any:
    several: Any = list(values)
    one = len(several) == 1
    return models.MatchValue(value=several[0]) if one else models.MatchAny(any=several)
