"""HEAD wherever GET is answered."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class _HeadAnswered(Exception):
    """The headers are sent, and there is nothing more to say."""


class AnswerHead:
    """Answers HEAD with the headers that GET would have; a stream is not run to its end.

    Declared once here and not on each route, where it would double the API's description.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body"})
            elif message.get("more_body"):
                raise _HeadAnswered

        asked = {**scope, "method": "GET"}  # the server goes by its own: no body follows a HEAD
        try:
            await self._app(asked, receive, send_headers)
        except _HeadAnswered:
            pass
        finally:
            scope["route"] = asked.get("route")
