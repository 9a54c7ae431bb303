"""Where workflows come from: ours, in sets of models, and a folder of the operator's.

A set is a pair of workflows, one for each kind, made for certain model files: `sets/NAME/`. All of
them take the same requests.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Final

from short_drama.comfyui_api.prompts.camera_words import CameraWords, poses
from short_drama.comfyui_api.workflows.fit import fit
from short_drama.comfyui_api.workflows.outlook import better, rank
from short_drama.comfyui_api.workflows.server_facts import ServerFacts
from short_drama.comfyui_api.workflows.shortcomings import shortcomings
from short_drama.comfyui_api.workflows.workflow import Workflow
from short_drama.domain.errors import InvalidRequest
from short_drama.domain.kinds import KINDS, Lane

BUILT_IN: Final = ("camera-angle", "qwen-image-edit")
MODEL_SETS: Final = (
    "2509-fp8", "2511-int8", "qwen-image-2.1-int8", "2509-nunchaku", "2509-gguf",
)  # fmt: skip
"""In the order in which they are preferred where a server would run several equally well."""
AUTO: Final = "auto"
_GRAPH, _MANIFEST = "-api.json", ".toml"


class Library(Mapping[str, Workflow]):
    """The workflow of each kind. Of several it is the first, until a server is known."""

    def __init__(self, candidates: Mapping[str, Sequence[Workflow]]) -> None:
        self._candidates = candidates
        self._chosen = {kind: workflows[0] for kind, workflows in candidates.items()}

    def __getitem__(self, kind: str) -> Workflow:
        return self._chosen[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(self._chosen)

    def __len__(self) -> int:
        return len(self._chosen)

    def candidates(self, kind: str) -> Sequence[Workflow]:
        return self._candidates[kind]

    @property
    def camera_poses(self) -> dict[str, object]:
        """What `camera_words.poses` tells, by the set that may be chosen."""
        return {
            each.model_set or "own": poses(each.manifest.camera_words)
            for each in self.candidates("camera-angle")
            if each.manifest.camera_words is not None
        }

    def choose(self, facts: ServerFacts, kinds: Collection[str] | None = None) -> None:
        """For each kind, or these, the one that this server runs best, of those for which it has
        all files; of all, where it has them for none. It is fitted to the server's nodes."""
        for kind in self if kinds is None else kinds:
            fitted = [fit(each, facts.object_info) for each in self._candidates[kind]]
            self._chosen[kind] = min(
                fitted, key=lambda each: (bool(shortcomings(each, facts)), rank(each, facts))
            )

    def better(self, kind: str, facts: ServerFacts) -> str | None:
        """The set of ours that this server would run clearly better than what is chosen."""
        if self[kind].model_set is None:
            return None
        found = better(self[kind], _all_sets(kind), facts)
        return None if found is None else found.model_set


def library(
    folder: Path | None,
    models: Mapping[str, str],
    *,
    model_set: str = AUTO,
    camera_words: CameraWords | None = None,
) -> Library:
    """Every workflow.

    Args:
        folder: more of them; one that is named like ours replaces it.
        models: other model files, by role, in whichever workflows have that role.
        model_set: one of `MODEL_SETS`, or AUTO: what suits the server. Files that are named by
            hand are the first set's.
        camera_words: those of the LoRA for camera moves, where `models` names another one.

    Raises InvalidRequest, naming the file, the role or the setting.
    """
    ours = {
        kind: [_built_in(kind, name) for name in _sets(model_set, named=bool(models))]
        for kind in BUILT_IN
    }
    found: dict[str, Sequence[Workflow]] = {**ours}
    for workflow in () if folder is None else _in(folder):
        _require_replaceable(workflow, ours)
        found[workflow.kind] = [workflow]
    roles = {role for each in found.values() for workflow in each for role in workflow.models}
    if unknown := sorted(set(models) - roles):
        raise InvalidRequest(
            f"no workflow has a model for the role {unknown[0]!r}",
            field="SHORT_DRAMA_COMFYUI_MODELS",
            fix=f"The roles are: {', '.join(sorted(roles))}.",
        )
    return Library(
        {
            kind: [each.with_models(models).with_words(camera_words) for each in workflows]
            for kind, workflows in found.items()
        }
    )


def _sets(model_set: str, *, named: bool) -> Sequence[str]:
    if model_set != AUTO and model_set not in MODEL_SETS:
        raise InvalidRequest(
            f"there is no set of models {model_set[:80]!r}",
            field="SHORT_DRAMA_COMFYUI_MODEL_SET",
            fix=f"The sets are: {', '.join((AUTO, *MODEL_SETS))}.",
        )
    if model_set != AUTO:
        return [model_set]
    return MODEL_SETS[:1] if named else MODEL_SETS


def _all_sets(kind: str) -> Iterator[Workflow]:
    return (_built_in(kind, name) for name in MODEL_SETS)


def _built_in(kind: str, model_set: str) -> Workflow:
    folder = resources.files(__package__) / "sets" / model_set
    graph, manifest = (folder / (kind + suffix) for suffix in (_GRAPH, _MANIFEST))
    workflow = Workflow.read(kind, graph.read_bytes(), manifest.read_bytes())
    return replace(workflow, model_set=model_set)


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


def _require_replaceable(workflow: Workflow, ours: Mapping[str, Sequence[Workflow]]) -> None:
    """A graph of ours may be tuned, as long as requests mean what they did."""
    kind = workflow.kind
    if kind in KINDS and KINDS[kind].lane is not Lane.GPU:
        raise InvalidRequest(f"{kind}{_MANIFEST}: {kind} is not done by ComfyUI")
    if kind in BUILT_IN and _signature(workflow) != _signature(ours[kind][0]):
        raise InvalidRequest(
            f"{kind}{_MANIFEST}: the inputs differ from those of {kind}",
            fix=f"Keep exactly these: {', '.join(sorted(_signature(ours[kind][0])))}.",
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
