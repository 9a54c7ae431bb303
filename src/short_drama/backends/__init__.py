"""Implementations of the ports; only `wiring` names them."""
