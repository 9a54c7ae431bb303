"""What hostile clients do to a running service, at full size, beside an honest client.

`site.py` is the service, a process of its own with the least descriptors that systems give;
`honest.py` asks it what everybody asks; `catalogue.py` has the attacks, `wire.py` what they are
said with, `pictures.py` what they send, and `hostile.py` runs one in a process of its own;
`verdict.py` says whether the service withstood.
"""
