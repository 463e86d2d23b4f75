#!/bin/sh
# examples/demo.sh: runs demo.lua against a private mosquitto in a folder of its own, and leaves neither behind, however
# it ends. `make demo` sets everything up first.
root=$(cd "$(dirname "$0")/.." && pwd -P)
cd "$root" || exit 1
PATH=$PATH:/usr/sbin
lua=${LUA:-lua5.4}
eval "$(make -s env "LUA=$lua")"

DEMO_FOLDER=$(mktemp -d "${TMPDIR:-/tmp}/holdfast-demo.XXXXXX") || exit 1
DEMO_VIEW=plain
if [ -t 1 ] && [ "${TERM:-dumb}" != dumb ]; then
  DEMO_VIEW=live
fi
export PATH DEMO_FOLDER DEMO_VIEW

# The file names every process that the demo has started; an id that went to somebody else since is left alone.
leave() {
  [ -z "$demo" ] || kill -KILL "$demo"
  while read -r pid; do
    ! grep -qs "$DEMO_FOLDER" "/proc/$pid/cmdline" || kill -KILL "$pid"
  done <"$DEMO_FOLDER/pids"
  rm -rf "$DEMO_FOLDER"
  [ "$DEMO_VIEW" = plain ] || printf '\033[?25h'
}
: >"$DEMO_FOLDER/pids"
demo=
trap leave EXIT
trap 'exit 130' INT TERM

# In a session of its own: Ctrl-C is for this shell, which ends everything in order.
setsid "$lua" examples/demo.lua &
demo=$!
wait "$demo"
status=$?
demo=
exit $status
