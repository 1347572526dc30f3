#!/bin/bash
# Becomes HAProxy. With a certificate, a loop beside it hands a renewed one to the running HAProxy, which takes it for new connections
# and closes none.
#
#   start                        plain HTTP
#   start watch PEM              certificate, chain and key in one file that somebody else writes
#   start generate PEM NAMES     the file is made here, self-signed for NAMES ("DNS:localhost,IP:127.0.0.1"), kept and renewed
set -euo pipefail

config=/etc/haproxy/haproxy.cfg
command_port=8405
# Apple's systems refuse longer ones, also those a user has trusted (support.apple.com/103769).
valid_days=825
renew_seconds=$((30 * 86400))
look_seconds=2
# How often a generated certificate's end is looked at: every 1800th time, an hour.
looks_per_check=1800

say() {
  printf '{"level":"%s","message":"%s"}\n' "$1" "${2//[\"\\]/\'}"
}

# Made beside and moved into place, so that whoever reads the file reads a whole one.
generate() {
  local draft="$pem.new"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -sha256 -days "$valid_days" \
    -subj "/O=phased-stack/CN=self-signed" -addext "subjectAltName=$names" -addext "basicConstraints=critical,CA:FALSE" \
    -addext "keyUsage=critical,digitalSignature" -addext "extendedKeyUsage=serverAuth" -keyout "$draft.key" -out "$draft" &&
    cat "$draft.key" >> "$draft" && rm "$draft.key" && printf %s "$names" > "$pem.names" && mv "$draft" "$pem" &&
    say info "made a certificate for $names, valid for $valid_days days"
}

is_current() {
  [[ -f $pem && -f $pem.names && $(< "$pem.names") == "$names" ]] && openssl x509 -in "$pem" -noout -checkend "$renew_seconds" > /dev/null
}

# One command of HAProxy's command line; prints the answer. A shell of its own: a refused connection ends it.
command_line() (
  exec 3<> "/dev/tcp/127.0.0.1/$command_port"
  printf '%s\n' "$1" >&3
  cat <&3
)

# An empty line ends the content; whoever writes the file leaves those out. Fails when HAProxy does not answer (yet).
hand_over() {
  local answer
  answer=$(command_line "set ssl cert $pem <<"$'\n'"$1"$'\n' && command_line "commit ssl cert $pem") || return 1
  if [[ $answer == *Success!* ]]; then
    say info "serving the renewed certificate"
  else
    say error "the renewed certificate was refused, the old one stays: ${answer//$'\n'/ }"
    command_line "abort ssl cert $pem" > /dev/null || true
  fi
}

watch() {
  local served=$1 content looks=0
  while sleep "$look_seconds"; do
    looks=$((looks + 1))
    if [[ $mode == generate ]] && ((looks % looks_per_check == 0)) && ! is_current; then
      generate || say error "no new certificate could be made, the old one stays"
    fi
    # While it is being written it is not there.
    content=$(cat "$pem" 2> /dev/null) || continue
    [[ $content != *"END CERTIFICATE"* || $content != *"PRIVATE KEY-----" || $content == "$served" ]] && continue
    if hand_over "$content"; then served=$content; fi
  done
}

mode=${1:-plain} pem=${2:-} names=${3:-}
case $mode in
  plain) ;;
  watch | generate)
    if [[ $mode == generate ]] && ! is_current; then generate; fi
    watch "$(cat "$pem")" &
    ;;
  *)
    echo "start: \"$mode\" is unknown; use watch or generate, or nothing." >&2
    exit 64
    ;;
esac
exec haproxy -db -f "$config"
