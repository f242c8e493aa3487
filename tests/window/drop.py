#!/usr/bin/python3
"""Drops files on an X11 window, as a file manager would: drop.py WINDOW X Y FILE...

WINDOW is its number, X and Y are points of the root window. Speaks version 5 of the XDND protocol
(https://www.freedesktop.org/wiki/Specifications/XDND/). Needs python3-xlib.
"""

import sys
import time
from pathlib import Path

from Xlib import X, Xatom, display
from Xlib.protocol import event

VERSION = 5
PATIENCE_S = 10.0


def main():
    target_id, x, y = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    uris = "".join(Path(f).resolve().as_uri() + "\r\n" for f in sys.argv[4:]).encode()
    d = display.Display()
    atom = d.intern_atom
    target = d.create_resource_object("window", target_id)
    source = d.screen().root.create_window(0, 0, 1, 1, 0, d.screen().root_depth)
    uri_list, copy = atom("text/uri-list"), atom("XdndActionCopy")
    source.set_selection_owner(atom("XdndSelection"), X.CurrentTime)

    def tell(name, *rest):
        data = (32, [source.id, *rest, *[0] * (4 - len(rest))])
        message = event.ClientMessage(window=target, client_type=atom(name), data=data)
        target.send_event(message)
        d.flush()

    handed_out = False

    def serve(until):
        """Hands the files out where they are asked for, until that was done and a message of this name came."""
        nonlocal handed_out
        end, told = time.monotonic() + PATIENCE_S, False
        while time.monotonic() < end:
            while d.pending_events():
                e = d.next_event()
                if e.type == X.SelectionRequest:
                    e.requestor.change_property(e.property, uri_list, 8, uris)
                    answer = event.SelectionNotify(
                        time=e.time,
                        requestor=e.requestor,
                        selection=e.selection,
                        target=e.target,
                        property=e.property,
                    )
                    e.requestor.send_event(answer)
                    d.flush()
                    handed_out = True
                elif e.type == X.ClientMessage and e.client_type == atom(until):
                    told = True
            if told and handed_out:
                return
            time.sleep(0.02)
        sys.exit(f"drop.py: the window did not answer with {until}")

    target.change_property(atom("XdndTypeList"), Xatom.ATOM, 32, [uri_list])
    tell("XdndEnter", VERSION << 24, uri_list)
    tell("XdndPosition", 0, (x << 16) | y, X.CurrentTime, copy)
    serve("XdndStatus")
    # The window reads what was handed out before it is told of the drop.
    time.sleep(0.3)
    tell("XdndDrop", 0, X.CurrentTime)
    serve("XdndFinished")


main()
