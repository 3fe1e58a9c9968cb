"""What asyncpg raises, told by the names of our own errors: the border."""

import contextlib
from collections.abc import Iterator

import asyncpg  # type: ignore[import-untyped]  # it has no types

from pepperpy_schemas.errors import BadConfig, BadPayload, Overloaded, Unavailable, WrongSequence

_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.OperatorInterventionError,
    asyncpg.ProtocolViolationError,
)
_FULL = (asyncpg.TooManyConnectionsError, asyncpg.LockNotAvailableError)
_AGAIN = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
_LOGIN = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
)


@contextlib.contextmanager
def translated(at: str = "") -> Iterator[None]:
    """Raises what happens inside of it as an error of ours.

    Args:
        at: Where the server is, see `place_of`.
    """
    try:
        yield
    except asyncpg.UndefinedTableError as error:
        raise WrongSequence(
            f"a generation is gone: {error}", retryable=True, hint="read the generations again"
        ) from error
    except asyncpg.DataError as error:
        raise BadPayload(f"PostgreSQL refuses a value: {error}") from error
    except asyncpg.QueryCanceledError as error:
        raise Unavailable(f"PostgreSQL took too long: {error}") from error
    except _FULL as error:
        raise Overloaded(f"PostgreSQL is busy: {error}") from error
    except _LOGIN as error:
        raise BadConfig(f"PostgreSQL refuses us: {error}", hint="check the memory's URL") from error
    except _AGAIN as error:
        raise Unavailable(f"PostgreSQL undid it: {error}") from error
    except asyncpg.InsufficientResourcesError as error:
        raise Unavailable(f"PostgreSQL has no room: {error}") from error
    except _AWAY as error:
        said = str(error) or type(error).__name__
        raise Unavailable(
            f"PostgreSQL cannot be reached{at}: {said}",
            hint="start it, or say where it is: PEPPERPY_MEMORY_URL",
        ) from error
    except asyncpg.PostgresError as error:
        # What a statement or a table lacks does not pass by itself; a standby's turn does.
        passes = not isinstance(error, asyncpg.SyntaxOrAccessError)
        raise Unavailable(f"PostgreSQL does not do it: {error}", retryable=passes) from error
