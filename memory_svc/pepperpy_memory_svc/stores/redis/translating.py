"""What Redis' client library raises, told by the names of our own errors: the border."""

import contextlib
from collections.abc import Iterator

from redis import exceptions

from pepperpy_schemas.errors import BadConfig, Overloaded, Unavailable

_LOGIN = (
    exceptions.AuthenticationError,
    exceptions.AuthenticationWrongNumberOfArgsError,
    exceptions.NoPermissionError,
)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raises what happens inside of it as an error of ours."""
    try:
        yield
    except _LOGIN as error:
        raise BadConfig(f"Redis refuses us: {error}", hint="check the memory's URL") from error
    except exceptions.MaxConnectionsError as error:
        raise Overloaded(f"Redis is busy: {error}") from error
    except exceptions.OutOfMemoryError as error:
        raise Unavailable(f"Redis has no room: {error}") from error
    except exceptions.TimeoutError as error:
        raise Unavailable(f"Redis took too long: {error}") from error
    except exceptions.ResponseError as error:
        if "ACL failure" in str(error):
            raise BadConfig(
                f"Redis refuses us: {error}", hint="check the login's rights"
            ) from error
        if str(error).startswith("BUSY"):
            raise Overloaded(f"Redis is busy: {error}") from error
        raise Unavailable(f"Redis did not do it: {error}") from error
    except (exceptions.RedisError, OSError) as error:
        said = str(error) or type(error).__name__
        raise Unavailable(
            f"Redis cannot be reached: {said}",
            hint="start it, or say where it is: PEPPERPY_MEMORY_URL",
        ) from error
