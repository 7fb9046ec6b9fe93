"""Chat models without an endpoint: a function that answers, for tests, teaching and exact judges; a cache alone."""

from collections.abc import Callable, Sequence

from .nouns import Chat, Reply, Request

UNSENT = "not in the cache, and nothing may be sent"


class ScriptedChat:
    """A chat model whose replies a function makes; meets `Chat`.

    Args:
        answer: takes the messages, (role, text) in order, and gives the text of the reply, or a whole `Reply`. What it
            raises becomes the failure of that reply, as an endpoint's fault would.
        model: its name.

    Attributes:
        requests: all that were asked, in order.

    Examples:
        >>> chat = ScriptedChat(lambda messages: messages[-1][1].upper())
        >>> [reply.text for reply in chat.complete([Request((("user", "yes"),))])]
        ['YES']
    """

    def __init__(self, answer: Callable[[tuple[tuple[str, str], ...]], str | Reply], model: str = "scripted") -> None:
        self._answer = answer
        self._model = model
        self.requests: list[Request] = []

    @property
    def model(self) -> str:
        """Its name."""
        return self._model

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """One reply to each request, in order."""
        return [self._reply(request) for request in requests]

    def _reply(self, request: Request) -> Reply:
        self.requests.append(request)
        try:
            said = self._answer(request.messages)
        except Exception as error:
            return Reply(None, failure=f"{type(error).__name__}: {error}")
        return said if isinstance(said, Reply) else Reply(said, finish_reason="stop")


class CachedChat:
    """A chat model that gives what its cache holds and sends nothing, so that plans can look at known answers.

    Args:
        chat: the model.
        cached: whether it would answer a request without sending it, such as `Client.cached`.
    """

    def __init__(self, chat: Chat, cached: Callable[[Request], bool]) -> None:
        self._chat, self._cached = chat, cached

    @property
    def model(self) -> str:
        """Its name."""
        return self._chat.model

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """One reply to each request, in order; what is not in the cache fails with `UNSENT`."""
        known = [self._cached(request) for request in requests]
        asked = [request for request, is_known in zip(requests, known, strict=True) if is_known]
        replies = iter(self._chat.complete(asked) if asked else [])
        return [next(replies) if is_known else Reply(None, failure=UNSENT) for is_known in known]
