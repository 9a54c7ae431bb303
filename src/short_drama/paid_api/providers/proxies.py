"""The way out of the house: the proxy that the environment names, passed on by hand.

aiohttp's own `trust_env` would read ~/.netrc as well, whose passwords are nobody's business here.
"""

from typing import Final
from urllib.request import getproxies, proxy_bypass

from yarl import URL

_SCHEMES: Final = ("http", "https")


class ProxyUnusable(Exception):
    """The environment names a proxy that we cannot speak to."""


def proxy_for(url: URL) -> URL | None:
    """What HTTPS_PROXY or HTTP_PROXY names for this URL, unless NO_PROXY exempts its host, as
    `urllib.request` reads them.

    Raises ProxyUnusable.
    """
    named = getproxies().get(url.scheme)
    if not named or proxy_bypass(url.host_port_subcomponent or ""):
        return None
    try:
        proxy = URL(named if "://" in named else f"http://{named}")
    except ValueError:
        proxy = URL()
    if proxy.scheme not in _SCHEMES or not proxy.host:
        variable = f"{url.scheme.upper()}_PROXY"
        raise ProxyUnusable(f"{variable} names no proxy with an address of http:// or https://")
    return proxy
