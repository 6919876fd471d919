"""The stand-in upstreams: one HTTP server that speaks every upstream's wire format without a key or the internet.

`world` decides what there is to see, `texts` writes it, `truth` tells what was planted, `upstreams/<source>.py` shows
it in the wire format of a source, `recordings` serves recorded bodies instead, `faults` breaks answers on purpose and
`server` puts all of it on a port.
"""
