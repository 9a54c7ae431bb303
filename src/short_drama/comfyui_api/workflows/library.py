"""Where workflows come from: ours, and a folder of the operator's."""

from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path

from short_drama.comfyui_api.prompts.camera_words import CameraWords
from short_drama.comfyui_api.workflows.workflow import Workflow
from short_drama.domain.errors import InvalidRequest
from short_drama.domain.kinds import KINDS, Lane

BUILT_IN = ("camera-angle", "qwen-image-edit")
_GRAPH, _MANIFEST = "-api.json", ".toml"


def library(folder: Path | None, models: Mapping[str, str]) -> dict[str, Workflow]:
    """Every workflow by its kind.

    Args:
        folder: more of them; one that is named like ours replaces it.
        models: other model files, by role, in whichever workflows have that role.

    Raises InvalidRequest, naming the file or the role.
    """
    found = {kind: _built_in(kind) for kind in BUILT_IN}
    for workflow in () if folder is None else _in(folder):
        _require_replaceable(workflow, found)
        found[workflow.kind] = workflow
    roles = {role for workflow in found.values() for role in workflow.models}
    if unknown := sorted(set(models) - roles):
        raise InvalidRequest(
            f"no workflow has a model for the role {unknown[0]!r}",
            field="SHORT_DRAMA_COMFYUI_MODELS",
            fix=f"The roles are: {', '.join(sorted(roles))}.",
        )
    return {kind: workflow.with_models(models) for kind, workflow in found.items()}


def _built_in(kind: str) -> Workflow:
    folder = resources.files(__package__)
    graph, manifest = (folder / (kind + suffix) for suffix in (_GRAPH, _MANIFEST))
    return Workflow.read(kind, graph.read_bytes(), manifest.read_bytes())


def _in(folder: Path) -> Iterator[Workflow]:
    try:
        names = {path.name for path in folder.iterdir()}
    except OSError as error:
        raise InvalidRequest(
            f"the folder of workflows cannot be read: {error.strerror}: {folder}",
            field="SHORT_DRAMA_WORKFLOWS_DIR",
        ) from None
    graphs = {name.removesuffix(_GRAPH) for name in names if name.endswith(_GRAPH)}
    manifests = {name.removesuffix(_MANIFEST) for name in names if name.endswith(_MANIFEST)}
    for kind in sorted(graphs ^ manifests):
        missing = kind + (_MANIFEST if kind in graphs else _GRAPH)
        raise InvalidRequest(f"{folder / missing} is missing", fix="A workflow is two files.")
    for kind in sorted(graphs):
        graph, manifest = (_bytes(folder / (kind + suffix)) for suffix in (_GRAPH, _MANIFEST))
        yield Workflow.read(kind, graph, manifest)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}") from None


def _require_replaceable(workflow: Workflow, ours: Mapping[str, Workflow]) -> None:
    """A graph of ours may be tuned, as long as requests mean what they did."""
    kind = workflow.kind
    if kind in KINDS and KINDS[kind].lane is not Lane.GPU:
        raise InvalidRequest(f"{kind}{_MANIFEST}: {kind} is not done by ComfyUI")
    if kind in BUILT_IN and _signature(workflow) != _signature(ours[kind]):
        raise InvalidRequest(
            f"{kind}{_MANIFEST}: the inputs differ from those of {kind}",
            fix=f"Keep exactly these: {', '.join(sorted(_signature(ours[kind])))}.",
        )
    if kind == "camera-angle" and workflow.manifest.camera_words is None:
        raise InvalidRequest(
            f"{kind}{_MANIFEST}: camera_words is missing: how its model is told of moves",
            fix=f"Give one of: {', '.join(CameraWords)}.",
        )


def _signature(workflow: Workflow) -> set[str]:
    """Inputs with their types, as people read them."""
    return {
        f"{name} ({'optional ' if getattr(each, 'optional', False) else ''}{each.type})"
        for name, each in workflow.inputs.items()
    }
