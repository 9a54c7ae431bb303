"""Comfy API v2 as Comfy Cloud speaks it, without a GPU: what comfy-api-proxy cannot show.

A key is asked for, jobs cannot be listed, results are on another host behind signed addresses, and
there is a stream of events only if wanted. It speaks the contract over real HTTP, makes a picture
of one colour for every job, and fails as it is told to.
"""

from tests.simulators.comfy_api.jobs import HostedFailures, HostedJob
from tests.simulators.comfy_api.simulator import KEY, ComfyAPISimulator

__all__ = ["KEY", "ComfyAPISimulator", "HostedFailures", "HostedJob"]
