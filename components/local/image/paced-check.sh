#!/usr/bin/env bash
# A health check that costs little while all is well.
#
# Every look is a process that the engine starts in the container: 30 to 95 ms of CPU, whatever it asks (Engine 20.10). With a look every one to five
# seconds in fifteen containers that was two thirds of a core while nobody worked. But `pulumi up` waits for the first good look, so looks may
# not be rare from the beginning, and Docker knows two intervals since Engine 25 only. So Docker looks often, and a look that follows a good
# one waits here first: a container gets healthy within a second, and unhealthy within PACE_SECONDS and three looks.
#
#   paced-check http PORT PATH   it answers 200 on 127.0.0.1
#   paced-check tcp PORT         it accepts a connection there
#   paced-check run COMMAND...   the command's exit code is 0
#
# Environment, for tests:
#   PACE_SECONDS (9)       between two good looks
#   PACE_FILE (/tmp/well)  says that the last one was good
set -uo pipefail

readonly PACE_SECONDS=${PACE_SECONDS:-9}
# A server that accepts and never answers; what a look that was given up leaves behind would stay, where process 1 collects no orphans.
readonly ANSWER_SECONDS=2
# In memory, and gone with the container's processes: after a restart the first good look is early again.
readonly WELL=${PACE_FILE:-/tmp/well}

answers() {
  local line=
  { exec 3<> "/dev/tcp/127.0.0.1/$1"; } 2> /dev/null || return 1
  printf 'GET %s HTTP/1.0\r\n\r\n' "$2" >&3
  read -r -t "$ANSWER_SECONDS" line <&3
  [[ $line == *' 200 '* ]] || { echo "$2: ${line:-no answer}" && return 1; }
}

look() {
  case $1 in
    http) answers "$2" "$3" ;;
    tcp) { exec 3<> "/dev/tcp/127.0.0.1/$2"; } 2> /dev/null ;;
    run) "${@:2}" ;;
    *) echo "paced-check: \"$1\" is unknown; use http, tcp or run." && return 2 ;;
  esac
}

if [[ -e $WELL ]]; then
  sleep "$PACE_SECONDS"
  rm -f "$WELL"
fi
look "$@" || exit 1
# Without a /tmp to write to, every look is an early one.
: 2> /dev/null > "$WELL" || true
