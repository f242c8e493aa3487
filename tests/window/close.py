#!/usr/bin/python3
"""Asks an X11 window to close, as its close button would: close.py WINDOW. Needs python3-xlib."""

import sys

from Xlib import X, display
from Xlib.protocol import event

d = display.Display()
window = d.create_resource_object("window", int(sys.argv[1]))
data = (32, [d.intern_atom("WM_DELETE_WINDOW"), X.CurrentTime, 0, 0, 0])
window.send_event(event.ClientMessage(window=window, client_type=d.intern_atom("WM_PROTOCOLS"), data=data))
d.flush()
