"""Modules by name or file, with their folder on the path."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

from pepperpy_agents.frames import place_of
from pepperpy_schemas.errors import BadConfig, PepperError


def _told(error: Exception, fact: str) -> str:
    place = place_of(error)
    return f"{place}: {fact}" if place else fact


def import_place(place: str) -> ModuleType:
    """Returns the module of a name, or of a file; its folder is on the path then.

    Raises:
        BadConfig: There is none, or it cannot be imported; the message says where.
    """
    if place.endswith(".py") or "/" in place:
        path = Path(place).resolve()
        if not path.is_file():
            raise BadConfig(
                f"there is no file {place}",
                hint="name a file (agents/support.py:agent) or a module (my.agents:agent)",
            )
        folder, name = str(path.parent), path.stem
    else:
        path, folder, name = None, str(Path.cwd()), place
    # Handlers that run in another process are found there by their module's name.
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.partition(".")[0] and error.name != name:
            raise BadConfig(
                f"{place} cannot be imported: it needs {error.name}",
                hint=f"pip install {error.name}",
            ) from error
        raise BadConfig(
            f"there is no module {name!r} in {folder} or on the path",
            hint="name a module (my.agents:agent) or a file (agents/support.py:agent)",
        ) from error
    except PepperError as error:
        told = BadConfig(_told(error, str(error)), hint=error.hint)
        # No cause, which would say the same again; a developer still sees where.
        raise told.with_traceback(error.__traceback__) from error.__cause__
    except SyntaxError as error:
        raise BadConfig(_told(error, f"{type(error).__name__}: {error.msg}")) from error
    except Exception as error:
        raise BadConfig(_told(error, f"{type(error).__name__}: {error}")) from error
    found = getattr(module, "__file__", None)
    if path is not None and (found is None or Path(found).resolve() != path):
        raise BadConfig(
            f"{place} has the name of another module: {found or name}",
            hint="give the file a name of its own",
        )
    return module
