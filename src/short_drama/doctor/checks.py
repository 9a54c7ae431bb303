"""The table of checks. A new one is one more entry here, and a line in docs/doctor.md."""

from typing import Final

from short_drama.doctor import (
    account,
    bucket,
    cdn,
    clock,
    configuration,
    database,
    gpu,
    machine,
    neighbours,
    providers,
    queues,
    table,
    units,
    work,
)
from short_drama.doctor.check import Check

CHECKS: Final = (
    # This machine
    Check(
        name="settings",
        about="whether settings go together, and what they name is there",
        examine=configuration.settings,
        fast=True,
    ),
    Check(
        name="python",
        about="Python's version, and those of packages",
        examine=machine.python,
        fast=True,
    ),
    Check(
        name="disk",
        about="room for files, where files are kept",
        examine=machine.disk,
        fast=True,
    ),
    Check(
        name="data-directory",
        about="whether the data directory can be written, and whose it is",
        examine=machine.data_directory,
        fast=True,
    ),
    Check(
        name="database",
        about="whether SQLite's file is whole",
        examine=database.database,
        needs=("data-directory",),
    ),
    Check(
        name="secret-files",
        about="who can read the files with secrets",
        examine=machine.secret_files,
        fast=True,
    ),
    Check(
        name="file-limit",
        about="how many files a process may have open",
        examine=machine.file_limit,
        fast=True,
    ),
    Check(
        name="clock",
        about="this machine's clock, against those of others",
        examine=clock.clock,
    ),
    # What runs of ours
    Check(
        name="ports",
        about="whether others have our ports, and who",
        examine=neighbours.ports,
        fast=True,
    ),
    Check(
        name="services",
        about="whether our components answer and take work",
        examine=neighbours.services,
        fast=True,
    ),
    Check(
        name="versions",
        about="whether they are all of this version",
        examine=neighbours.versions,
        fast=True,
    ),
    Check(
        name="units",
        about="whether systemd's units of ours run",
        examine=units.units,
        fast=True,
    ),
    # AWS
    Check(
        name="credentials",
        about="who we are to AWS",
        examine=account.credentials,
        needs=("python",),
    ),
    Check(
        name="region",
        about="whether we look in the bucket's region",
        examine=account.region,
        needs=("credentials",),
    ),
    Check(
        name="queues",
        about="queues, dead-letter queues and their attributes",
        examine=queues.queues,
        needs=("region",),
    ),
    Check(
        name="table",
        about="the task table, its indexes, expiry and backups",
        examine=table.table,
        needs=("region",),
    ),
    Check(
        name="bucket",
        about="whether the bucket takes and gives what we write",
        examine=bucket.bucket,
        needs=("region",),
    ),
    Check(
        name="bucket-privacy",
        about="whether the bucket is closed to the public",
        examine=bucket.privacy,
        needs=("region",),
    ),
    Check(
        name="cdn",
        about="whether clients are shown what is stored",
        examine=cdn.cdn,
        needs=("bucket",),
    ),
    # Engines
    Check(
        name="comfyui",
        about="whether ComfyUI answers, and its version",
        examine=gpu.comfyui,
        fast=True,
    ),
    Check(
        name="comfyui-models",
        about="ComfyUI's nodes and model files for every kind",
        examine=gpu.models,
        needs=("comfyui",),
    ),
    Check(
        name="card",
        about="whether the models fit into card and memory",
        examine=gpu.card,
        needs=("comfyui",),
    ),
    Check(
        name="hosted-gpu",
        about="whether a server of Comfy API v2 takes our key",
        examine=gpu.hosted,
    ),
    Check(
        name="face-models",
        about="the local engines' model files",
        examine=machine.face_models,
    ),
    Check(
        name="qwen",
        about="Qwen3-VL: key, bill and model",
        examine=providers.qwen,
    ),
    Check(
        name="seedream",
        about="SeeDream: key, bill and model",
        examine=providers.seedream,
    ),
    # Work
    Check(
        name="budgets",
        about="what is left of budgets",
        examine=work.budgets,
        needs=(
            "table",
            "database",
        ),
    ),
    Check(
        name="dead-letters",
        about="messages that could not be delivered",
        examine=work.dead_letters,
        needs=(
            "queues",
            "database",
        ),
    ),
    Check(
        name="backlog",
        about="how long tasks wait",
        examine=work.backlog,
        needs=(
            "table",
            "database",
        ),
    ),
    Check(
        name="stuck",
        about="tasks that are left in processing",
        examine=work.stuck,
        needs=(
            "table",
            "database",
        ),
    ),
)
