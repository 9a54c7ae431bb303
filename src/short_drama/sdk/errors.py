"""What can go wrong for a client. Catch `ClientError` for all of it."""

from short_drama.sdk.models import Problem, TaskView


class ClientError(Exception):
    """The message says what is wrong; `fix`, where there is one, what to do about it."""

    def __init__(self, message: str, *, fix: str | None = None) -> None:
        super().__init__(message)
        self.fix = fix


class ApiError(ClientError):
    """The service answered with a problem document."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail, fix=problem.fix)
        self.problem = problem

    @property
    def code(self) -> str:
        return self.problem.code


class ServiceUnreachable(ClientError):
    """Nobody answered at `url`, however often we asked."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"{url} cannot be reached: {reason}",
            fix="Start the service with: short-drama up. Or give the address it has.",
        )
        self.url = url


class WaitTimeout(ClientError, TimeoutError):
    """The task goes on; `task` is how it was last seen."""

    def __init__(self, task: TaskView) -> None:
        super().__init__(
            f"task {task.task_id} has not ended yet: it is {task.status}",
            fix="Wait longer, or cancel it.",
        )
        self.task = task


class NoResult(ClientError):
    """The task has nothing to download."""

    def __init__(self, task: TaskView) -> None:
        super().__init__(f"task {task.task_id} is {task.status} and has no result")
        self.task = task
