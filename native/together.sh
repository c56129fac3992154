#!/bin/sh
# together.sh SOURCES OUT FOLDER...: prints the .cc files of SOURCES; those of a FOLDER are one instead, OUT/FOLDER.cc, which
# includes them all: what their headers cost is paid once. For builds with sanitizers; the one that is used compiles file by file,
# so each file still has to stand by itself.
set -eu
sources=$1 out=$2
shift 2
mkdir -p "$out"
for folder in "$@"; do
  made=$out/$folder.cc
  (cd "$sources" && printf '#include "%s"\n' "$folder"/*.cc) >"$made.new"
  # One that is as it was keeps its time: make compiles nothing anew.
  if cmp -s "$made.new" "$made"; then rm "$made.new"; else mv "$made.new" "$made"; fi
  echo "$made"
done
find "$sources" -name '*.cc' | sort | grep -vE "^$sources/($(IFS='|' && echo "$*"))/"
