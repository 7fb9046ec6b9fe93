"""What ends a run of requests. What fails for a single request is said in its reply instead."""


class BudgetSpent(RuntimeError):
    """The budget does not allow the next request. What was paid for is in the cache.

    Attributes:
        done: requests of this call that are answered.
        left: those that are not.
    """

    def __init__(self, why: str, done: int, left: int) -> None:
        super().__init__(
            f"{why}; {done} requests are answered and kept, {left} are left: raise the budget and run again, "
            "only the rest is sent"
        )
        self.done = done
        self.left = left


class ConnectionRefused(RuntimeError):
    """The endpoint refuses, or does not answer, again and again. What was answered is in the cache."""


class CacheUnreadable(ValueError):
    """The file is no cache of replies, is damaged, or comes from a newer version."""


class NotInCache(KeyError):
    """Offline, and the cache holds nothing that could answer."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else "not in the cache"


class RequestFailed(RuntimeError):
    """An embedding failed; the others are in the cache."""


class NoKey(LookupError, ValueError):
    """The environment variable that should hold the key is empty, and the endpoint needs one."""


class NotInstalled(ImportError, ValueError):
    """A package is missing that only some users need."""
