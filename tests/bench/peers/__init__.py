"""The product and its peers, one beside the other in one run: `make bench-peers`.

What others would take for this (Celery, arq, procrastinate), each set up durably and with an HTTP
front and a worker as one would write them (`theirs`), does the same work on the same simulated
ComfyUI. One system at a time has the machine; the order is drawn anew for each round.
"""
