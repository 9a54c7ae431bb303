"""Rules of the code base that no linter knows."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "short_drama"
MODULES = sorted(SOURCE.rglob("*.py"))

MAX_FUNCTION, MAX_MODULE, MAX_PARAMETERS = 45, 400, 8

READS_ENVIRONMENT = {
    f"settings/{name}.py"
    for name in ("__init__", "aws", "gpu_engine", "installed", "parts", "unit")
} | {"images/decoders.py", "model_files.py", "cli/extras.py", "cli/audited.py", "sdk/client.py"}
"""Configuration is read once, in one place. Child processes are handed on what is none; what is
lacking is told where settings cannot be read yet, sudo says who is behind it, and the client is
another's program's."""
EDGES = {
    "wiring/stack.py",  # makes the objects
    "backends/embedded/recovery.py",  # runs once, at start
    "backends/embedded/backup.py",  # runs once, when somebody asks for it
    "web/owner_rate.py",  # beside a library that reads the clock itself
    "jobs/job_api.py",  # dates a request that comes without a date
    "sqs_adapter/job_client.py",  # spreads its repetitions, unless a test hands a generator in
    "sqs_adapter/consumer.py",  # makes the generator it hands to pure functions
}
"""Where the clock may be read and chance be drawn by a direct call; elsewhere both come in as
parameters, so that a test can choose them. Monotonic clocks and random names are free."""
CLOCKS_AND_CHANCE = {
    "time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today",
    "date.today", "Random", "SystemRandom",
}  # fmt: skip
PURE = {"domain", "sqs_adapter/decide.py", "ports"}
"""No clock, no chance, no random name, no file, no socket."""
IMPURE_MODULES = {"os", "time", "random", "secrets", "socket", "asyncio", "pathlib", "threading"}


def name_of(module: Path) -> str:
    return module.relative_to(SOURCE).as_posix()


def calls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def trees() -> Iterator[tuple[str, ast.Module]]:
    for module in MODULES:
        yield name_of(module), ast.parse(module.read_text())


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def constructors(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                    arguments = method.args
                    yield node.name, len(arguments.args) - 1 + len(arguments.kwonlyargs)


def test_the_source_is_found() -> None:
    assert len(MODULES) > 40


def test_only_settings_read_the_environment() -> None:
    readers = {
        name
        for name, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute | ast.Name)
        and ast.unparse(node) in ("os.environ", "os.environb", "environ", "os.getenv", "getenv")
    }
    assert readers == READS_ENVIRONMENT


def test_clock_and_chance_come_in_as_parameters() -> None:
    callers = {
        f"{name}: {called}"
        for name, tree in trees()
        if name not in EDGES and not name.startswith("cli/")  # a person's clock and terminal
        for called in calls(tree)
        if called in CLOCKS_AND_CHANCE or called.startswith("random.")
    }
    assert callers == set()


@pytest.mark.parametrize("edge", sorted(EDGES))
def test_every_edge_is_there_and_needs_to_be_one(edge: str) -> None:
    found = set(calls(ast.parse((SOURCE / edge).read_text())))
    assert found & CLOCKS_AND_CHANCE or any(called.startswith("secrets.") for called in found)


def test_logic_does_no_io() -> None:
    imports = {
        f"{name}: {module}"
        for name, tree in trees()
        if any(name == pure or name.startswith(f"{pure}/") for pure in PURE)
        for node in ast.walk(tree)
        for module in _imported(node)
        if module.split(".")[0] in IMPURE_MODULES
    }
    # The type of a parameter; and an API key is nothing but chance.
    assert imports <= {"sqs_adapter/decide.py: random", "domain/api_keys.py: secrets"}


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_sizes(module: Path) -> None:
    text = module.read_text()
    tree = ast.parse(text)
    assert len(text.splitlines()) <= MAX_MODULE
    for function in functions(tree):
        length = (function.end_lineno or 0) - function.lineno + 1
        assert length <= MAX_FUNCTION, f"{function.name} has {length} lines"
    for name, parameters in constructors(tree):
        assert parameters <= MAX_PARAMETERS, f"{name} takes {parameters} parameters"


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_every_module_says_what_it_is(module: Path) -> None:
    assert ast.get_docstring(ast.parse(module.read_text())) or not module.read_text().strip()
