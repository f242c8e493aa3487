#!/usr/bin/env bash
# One run of the real window on a virtual display: try the sample, train, wait for the finished run, look at the picture.
#
#   tests/window/run.sh [PROGRAM] [OUTPUT_FOLDER]
#
# Fails if the program crashes, draws a blank window, trains below 0.9, or takes more than four minutes. Needs Xvfb,
# xdotool, ImageMagick and a Vulkan driver (Debian: xvfb xdotool imagemagick mesa-vulkan-drivers libvulkan1).
set -euo pipefail

program=$(realpath "${1:-target/release/headstart}")
out=${2:-target/window-test}
patience_s=240
source "$(dirname "$(realpath "$0")")/desk.sh"

open_window
picture start

# `Try the sample` is the third card.
click 924 360

# The pictures are drawn, opened, and the Train screen shows: its main action is pressed in the header.
started=$SECONDS
first_run() { find "$HEADSTART_HOME" -path "*/runs/0001/$1" 2>/dev/null | grep .; }
opened() { find "$HEADSTART_HOME" -name splits.json 2>/dev/null | grep .; }
wait_for 60 "the sample did not open" opened
sleep 2
picture ready
press ctrl+Return

trained=$SECONDS
wait_for "$patience_s" "no epoch was trained" first_run metrics.jsonl
picture training
wait_for $((patience_s - (SECONDS - started))) "training was not finished" first_run summary.json
sleep 2
alive || fail "the program ended after training"
picture evaluate

summary=$(first_run summary.json)
cp "$summary" "$out/summary.json"
accuracy=$(grep -o '"accuracy": *[0-9.]*' "$summary" | grep -o '[0-9.]*$')
echo "window: trained in $((SECONDS - trained)) s, validation accuracy $accuracy, pictures in $out"
awk -v a="$accuracy" 'BEGIN { exit !(a > 0.9) }' || fail "validation accuracy is $accuracy, not above 0.9"

# The other places draw too.
for place in 1:data 2:model 3:train 5:predict 6:export; do
    press "ctrl+${place%%:*}"
    sleep 1
    alive || fail "the program ended on ${place##*:}"
    picture "${place##*:}"
done
