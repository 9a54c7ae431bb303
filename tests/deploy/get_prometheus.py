"""Take Prometheus and promtool out of Debian's package, without installing it: no service starts.

`python -m tests.deploy.get_prometheus FOLDER`; the programs are then in FOLDER/usr/bin. Where there
is no apt, tests that need them are skipped and say so.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def main(folder: Path) -> None:
    if shutil.which("apt-get") is None:
        print("no apt-get here: tests that need Prometheus will be skipped")
        return
    with tempfile.TemporaryDirectory() as download:
        if _download(download) != 0:  # perhaps the lists of packages are not there yet
            subprocess.run(["apt-get", "update", "--quiet"], check=True)
            if _download(download) != 0:
                sys.exit("apt-get cannot download prometheus")
        (package,) = Path(download).glob("prometheus_*.deb")
        subprocess.run(["dpkg", "-x", package, folder], check=True)


def _download(folder: str) -> int:
    return subprocess.run(
        ["apt-get", "download", "--quiet", "-o", "APT::Sandbox::User=root", "prometheus"],
        cwd=folder,
        check=False,
    ).returncode


if __name__ == "__main__":
    main(Path(sys.argv[1]))
