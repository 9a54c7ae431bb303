"""Which of our components belong on this machine."""

from collections.abc import Sequence

from short_drama.doctor.site import Site
from short_drama.doctor.units import installed
from short_drama.wiring.components import Component


async def here(site: Site) -> Sequence[Component]:
    """Those that were named; else those whose units systemd has; else, as one machine is enough for
    it, all of the embedded backend's, and of AWS's none: an operator's machine."""
    if site.named is not None:
        return list(site.named)
    units = await installed(site)
    own = [component for component in Component if component.process.unit in units]
    if own:
        return _of_these_lanes(own)
    return [] if site.on_aws else list(Component)


def _of_these_lanes(components: Sequence[Component]) -> Sequence[Component]:
    """The adapters of both lanes share the name of a unit: that of the lane's API service is the
    one meant, where only one of these is there."""
    lanes = {
        each.process.lane for each in components if not _is_adapter(each) and _is_service(each)
    }
    return [each for each in components if not _is_adapter(each) or each.process.lane in lanes]


def _is_adapter(component: Component) -> bool:
    return component in (Component.GPU_ADAPTER, Component.CPU_ADAPTER)


def _is_service(component: Component) -> bool:
    return component in (Component.COMFYUI_API, Component.PAID_API)
