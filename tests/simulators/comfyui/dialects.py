"""The versions of ComfyUI that the simulator can be, and what tells them apart."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

Version = Literal["0.3.75", "0.33.0"]
VERSIONS: tuple[Version, ...] = get_args(Version)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one version answers. What is not here is the same in all of them.

    Args:
        uuid_ids: a prompt_id must be a UUID in canonical lower-case form.
        jobs: there is /api/jobs, with its atomic cancel.
        keeps_cached: a cached prompt has its outputs in history also without a client_id.
        prompt_previews: extra_data.preview_method counts.
        checks_combos: choices of nodes of the newer kind are checked like those of the older.
        names_cycles: a cycle is refused with its nodes, not without a word.
        names_missing_nodes: a class that there is not has an error of its own, with its title.
    """

    version: Version
    uuid_ids: bool
    jobs: bool
    keeps_cached: bool
    prompt_previews: bool
    checks_combos: bool
    names_cycles: bool
    names_missing_nodes: bool
    features: dict[str, Any]
    system: dict[str, Any]
    """What /system_stats says of the software."""


_LIMITS = {"supports_preview_metadata": True, "max_upload_size": 100 * 2**20}
_PYTHON = {
    "python_version": "3.11.7 (main) [GCC 12.2.0]",
    "pytorch_version": "2.13.0+cu130",
    "embedded_python": False,
    "installed_templates_version": None,
    "argv": ["main.py", "--listen", "127.0.0.1", "--disable-api-nodes"],
}

DIALECTS: dict[Version, Dialect] = {
    "0.3.75": Dialect(
        "0.3.75",
        uuid_ids=False,
        jobs=False,
        keeps_cached=False,
        prompt_previews=False,
        checks_combos=False,
        names_cycles=False,
        names_missing_nodes=False,
        features=_LIMITS,
        system={
            **_PYTHON,
            "os": "posix",
            "comfyui_version": "0.3.75",
            "required_frontend_version": "1.32.9",
            "required_templates_version": "0.7.25",
        },
    ),
    "0.33.0": Dialect(
        "0.33.0",
        uuid_ids=True,
        jobs=True,
        keeps_cached=True,
        prompt_previews=True,
        checks_combos=True,
        names_cycles=True,
        names_missing_nodes=True,
        features={
            **_LIMITS,
            "supports_model_type_tags": True,
            "extension": {"manager": {"supports_v4": True}},
            "node_replacements": True,
            "assets": False,
        },
        system={
            **_PYTHON,
            "os": "linux",
            "comfyui_version": "0.33.0",
            "required_frontend_version": "1.49.6",
            "required_templates_version": "0.11.44",
            "comfy_package_versions": [
                {"name": name, "installed": version, "required": version}
                for name, version in (
                    ("comfyui-frontend-package", "1.49.6"),
                    ("comfy-kitchen", "0.2.31"),
                )
            ],
            "deploy_environment": "local-git",
        },
    ),
}
