"""Where the bytes come in: uvicorn, within limits of time, size and number.

`gate.py` counts whoever is in and what they hold, over all ports of a process;
`protocol.py` is one connection, `line.py` how it ends so that its last answer is read;
`acceptor.py` lets connections in; `server.py` is one port.
"""
