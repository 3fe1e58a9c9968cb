from tests.running import start_up

__all__ = ["start_up"]
