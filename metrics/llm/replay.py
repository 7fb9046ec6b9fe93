"""Chat models without an endpoint: a function that answers, for tests, teaching and exact judges."""

from collections.abc import Callable, Sequence

from .nouns import Reply, Request


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
