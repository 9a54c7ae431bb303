"""What a client does first, in an environment that has only the base wheel; a program of its own.

    python smoke_client.py SHORT_DRAMA GPU_URL CPU_URL FOLDER

SHORT_DRAMA is the command. Any exception is a fault.
"""

import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path


def still(width: int = 384, height: int = 256) -> bytes:
    """A PNG of a soft gradient, made by hand: nothing here can draw."""
    rows = (
        bytes(v for x in range(width) for v in (x * 255 // width, y, 90)) for y in range(height)
    )
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))),
        (b"IEND", b""),
    )
    chunks = (
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def by_sdk(gpu: str, cpu: str, folder: Path) -> None:
    from short_drama.sdk import Client

    with Client(gpu_url=gpu, cpu_url=cpu) as client:
        fields = {
            "image_url": client.upload(still()).image_url,
            "prompt": "make it black and white",
        }
        task = client.wait(client.submit("qwen-image-edit", fields).task_id)
        assert task.status == "completed", task
        assert client.download(task, folder / "sdk.png").read_bytes().startswith(b"\x89PNG")


def by_command(command: str, gpu: str, cpu: str, folder: Path) -> None:
    def run(*words: str, code: int = 0) -> str:
        done = subprocess.run(
            (command, *words), check=False, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == code, (words, done)
        return done.stdout if code == 0 else done.stderr

    where = ("--url", gpu, "--cpu-url", cpu)
    picture, result = folder / "still.png", folder / "command.png"
    picture.write_bytes(still())
    assert "camera-angle" in run("kinds", *where)
    run("submit", "qwen-image-edit", "--image", str(picture), "--set",
        "prompt=make it black and white", "--output", str(result), *where)  # fmt: skip
    assert result.read_bytes().startswith(b"\x89PNG")
    newest = run("tasks", "ls", "--json", "--limit", "2", *where).splitlines()
    assert [json.loads(line)["status"] for line in newest] == ["completed", "completed"], newest
    assert "short-drama[local]" in run("up", code=3)


if __name__ == "__main__":
    _, command, gpu, cpu, folder = sys.argv
    by_sdk(gpu, cpu, Path(folder))
    by_command(command, gpu, cpu, Path(folder))
