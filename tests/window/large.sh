#!/usr/bin/env bash
# The real window with a hundred thousand pictures: how long it takes to open them, how much memory that needs, and how long the
# window's thread works on a frame while they are scrolled, selected, sorted and filtered.
#
#   tests/window/large.sh [PROGRAM] [OUTPUT_FOLDER] [PICTURES]
#
# Draws the pictures (tests/window/many.py) unless FOLDER names some, prints the numbers, and fails where more than one frame in a
# hundred takes longer than 16 ms. Needs what tests/window/run.sh needs, and
# python3-xlib.
set -euo pipefail

program=$(realpath "${1:-target/release/headstart}")
out=${2:-target/window-large}
pictures=${3:-100000}
tests=$(dirname "$(realpath "$0")")
source "$tests/desk.sh"

folder=${FOLDER:-$work/many}
[ -d "$folder" ] || "$tests/many.py" "$folder" "$pictures"

export HEADSTART_LOG=info
memory() { awk -v key="$1:" '$1 == key { printf "%d MiB", $2 / 1024 }' "/proc/$window/status"; }
opened() { find "$HEADSTART_HOME" -name splits.json 2>/dev/null | grep .; }
began=$(date +%s.%N)
open_window "$folder"
wait_for 1200 "the pictures were not looked through" opened
took=$(awk -v a="$began" -v b="$(date +%s.%N)" 'BEGIN { printf "%.0f", b - a }')
sleep 3
picture opened
echo "window: opened in $took s, memory now $(memory VmRSS), at most $(memory VmHWM)"

# In the gallery: scrolling, everything selected and nothing, each order, a name.
scroll() { xdotool mousemove 500 500 click --repeat "$1" --delay 30 5; }
scroll 200
sleep 3
picture scrolled
for key in ctrl+a Escape End Home Next Next shift+Next Escape; do press "$key"; done
for order in 1 2 3 4; do
    click 160 158
    click 150 $((158 + 30 * order))
    scroll 40
done
sleep 3
picture sorted
click 660 122
xdotool type --delay 150 'class-07/019'
sleep 3
picture named
alive || fail "the program ended"
echo "window: memory now $(memory VmRSS), at most $(memory VmHWM)"

"$tests/close.py" "$id"
for _ in $(seq 50); do alive || break; sleep 0.2; done
frames=$(grep -o '[0-9]* frames in all.*' "$out/headstart.log") || fail "no frames were told"
echo "window: $frames"
count() { echo "$frames" | grep -o "$1: [0-9]*" | grep -o '[0-9]*$'; }
awk -v all="${frames%% *}" -v slow="$(($(count 'under 33 ms') + $(count longer)))" 'BEGIN { exit !(slow * 100 <= all) }' ||
    fail "more than one frame in a hundred takes longer than 16 ms"
