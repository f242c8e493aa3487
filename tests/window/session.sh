#!/usr/bin/env bash
# One whole session in the real window on a virtual display: open a folder, find the picture that is in training and in validation,
# leave it out, train, open the pictures behind a number, give one another class, train again and compare, drop a picture, save the
# table.
#
#   tests/window/session.sh [PROGRAM] [OUTPUT_FOLDER]
#
# The mouse and the keyboard do everything; what came of it is read from the project's files. Needs what tests/window/run.sh needs,
# and python3-xlib for the drop; the command line's program beside the window's draws the pictures.
set -euo pipefail

program=$(realpath "${1:-target/release/headstart}")
out=${2:-target/window-session}
tests=$(dirname "$(realpath "$0")")
source "$tests/desk.sh"

# Sample pictures divided by hand, one of the training pictures in validation too.
"$(dirname "$program")/headstart-cli" sample "$work/drawn" >/dev/null
for class in "$work"/drawn/*/; do
    name=$(basename "$class")
    mkdir -p "$work/leaves/train/$name" "$work/leaves/val/$name"
    n=0
    for file in "$class"*; do
        part=train
        if ((n++ % 4 == 3)); then part=val; fi
        cp "$file" "$work/leaves/$part/$name/"
    done
done
first=$(find "$work/leaves/train" -type f | sort | head -n 1)
class=$(basename "$(dirname "$first")")
cp "$first" "$work/leaves/val/$class/copy.png"
digest() { (cd "$work/leaves" && find . -type f -exec sha256sum {} + | sort | sha256sum); }
before=$(digest)

open_window "$work/leaves"
project() { find "$HEADSTART_HOME" -name project.toml -printf '%h\n' | head -n 1; }
opened() { [ -f "$(project)/splits.json" ]; }
wait_for 60 "the folder did not open" opened
sleep 2
picture data

# The leak is the first finding: its pictures are shown, and the first of them is left out.
journal() { cat "$(project)/journal.jsonl"; }
left_out() { journal | grep '"decision":"exclude"' | grep -q "$class/$(basename "$first")\|copy.png"; }
click 1081 476
picture leak
press Right
press Delete
wait_for 10 "the leaked picture was not left out" left_out
picture left-out

# Some epochs are enough.
some_epochs() { [ "$(wc -l <"$(project)/runs/$1/metrics.jsonl")" -ge 12 ]; }
finished() { [ -f "$(project)/runs/$1/summary.json" ]; }
train_some() { # run
    wait_for 120 "run $1 did not learn" some_epochs "$1"
    picture "training-$1"
    command_named "stop training and keep the best"
    wait_for 60 "run $1 did not end" finished "$1"
    sleep 2
}
press ctrl+t
train_some 0001
picture evaluate

# Pictures behind the first number of the diagonal; the first of them is said to show another class.
said() { journal | grep -q '"decision":"label"'; }
click 211 330
picture cell
click 698 330
sleep 2
picture enlarged
press 2
wait_for 10 "the picture was not given another class" said
press Escape

command_named "train again and compare"
train_some 0002
picture compared

# What was decided is what the second run learned from.
grep -q '"label"' "$(project)/runs/0002/decisions.json" || fail "run 0002 does not know what was decided"

press ctrl+5
"$tests/drop.py" "$id" 500 400 "$(find "$work/drawn" -type f | sort | head -n 1)" "$(find "$work/drawn" -type f | sort | tail -n 1)"
sleep 3
picture dropped
command_named "save predictions as csv"
table() { find "$(project)" -maxdepth 1 -name 'predictions-*.csv' | head -n 1; }
saved() { [ -n "$(table)" ]; }
wait_for 10 "no table was saved" saved
lines=$(wc -l <"$(table)")
((lines == 3)) || fail "the table has $lines lines, not a head and two pictures"
picture saved

[ "$(digest)" = "$before" ] || fail "the folder of pictures has changed"
echo "window: a whole session in $SECONDS s, pictures in $out"
