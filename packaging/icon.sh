#!/bin/sh
# Draws assets/icon.png, the icon of the window and of menus without SVG, from assets/icon.svg. Run after a change of that.
# Needs rsvg-convert (Debian: librsvg2-bin).
set -eu
cd "$(dirname "$0")/.."
rsvg-convert --width 256 --height 256 --output assets/icon.png assets/icon.svg
