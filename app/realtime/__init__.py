"""The realtime gateway: events for an account over WebSocket and Server-Sent Events.

One process with one event loop holds many connections. It reads the events of all accounts by position
(`app/events/streams`) and follows the change log (`app/coherence`), so that an ended session gets nothing.

- `process.py` runs it, `parts.py` makes its objects, `exposition.py` shows how it does
- `front.py` speaks HTTP with a new client and hands it to one of `wires.py`
- `channel.py` is one client's stream of events, whatever wire it has
- `leash.py` decides whether a channel may be sent to now
- `hub.py` has all channels: it admits them, hands events to them and ends them
"""
