"""What our own machines are, for `short-drama costs`."""

from short_drama.settings.parts import Group


class CostSettings(Group):
    """Instances, by their names in the table of prices."""

    gpu_instance: str = "g4dn.xlarge"
    """What the GPU lane runs on: each second that its engine works costs as much as there."""
    cpu_instance: str = "t3.medium"
