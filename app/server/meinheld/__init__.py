"""The repaired meinheld: what is wrong with the published 1.0.2, repair by repair, and the build of the wheel.

`build.py` is the command; `repair.py` says what a repair is and applies it; every other module holds the repairs of one
part of the server. `csource/` holds C of our own. Only the standard library is needed.
"""
