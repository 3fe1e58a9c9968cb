#!/usr/bin/env bash
# A client in bare bash: publishes one task, waits for its result, prints it.
#   client.sh [TOPIC] [JSON]
# Exit code: 0 the task completed, 1 it failed or was refused, 2 wrong use, 3 no broker, 124 no
# result in time. Needs bash 5.1; no TLS.
set -euo pipefail
trap '' PIPE # a closed connection is an error with a message
LC_ALL=C     # lengths are bytes

topic=${1:-upper} body=${2:-'{"text":"hello from bash"}'}
prefix=${PEPPERPY_BUS_PREFIX:-pp}
url=${PEPPERPY_NATS_URL:-${NATS_URL:-nats://127.0.0.1:4222}}
inbox=${PEPPERPY_NATS_INBOX_PREFIX:-_INBOX}
deadline=$((SECONDS + ${PEPPERPY_WAIT_SECONDS:-30}))

line=''
quit() { echo "client.sh: $2" >&2; exit "$1"; }
send() { printf '%s\r\n' "$@" 2>/dev/null >&3 || quit 3 "the broker closed the connection"; }

receive() { # receive OPTION... NAME: `read` from the server until the deadline
  local left=$((deadline - SECONDS)) status=0
  ((left > 0)) || quit 124 "no result of $id in time"
  IFS= read -r -t "$left" -u 3 "$@" || status=$?
  ((status <= 128)) || quit 124 "no result of $id in time"
  ((status == 0)) || quit 3 "the broker closed the connection"
  line=${line%$'\r'}
}

decode() { printf '%b' "${1//%/\\x}"; }                                 # of a URL: %40 is @
quote() { local text=${1//\\/\\\\}; printf '"%s"' "${text//\"/\\\"}"; } # as a JSON string

# 128 random bits name the task, so we can listen for its result before it is out.
printf -v id '%08x%08x%08x%08x' "$SRANDOM" "$SRANDOM" "$SRANDOM" "$SRANDOM"

[[ $topic =~ ^[A-Za-z0-9_-]{1,64}$ ]] || quit 2 "not a topic: $topic (use 1 to 64 of A-Z a-z 0-9 _ -)"
[[ $url =~ ^nats://(([^:@/]+):([^@/]*)@)?([^:@/]+)(:([0-9]+))?/?$ ]] || quit 2 "PEPPERPY_NATS_URL or NATS_URL is not nats://[user:password@]host[:port]"
user=${PEPPERPY_NATS_USER:-} password=${PEPPERPY_NATS_PASSWORD:-}
host=${BASH_REMATCH[4]} port=${BASH_REMATCH[6]:-4222}
[[ -z ${BASH_REMATCH[2]} ]] || user=$(decode "${BASH_REMATCH[2]}") password=$(decode "${BASH_REMATCH[3]}")
{ exec 3<>"/dev/tcp/$host/$port"; } 2>/dev/null || quit 3 "no broker at $host:$port"

options='"verbose":true,"pedantic":false,"headers":true,"no_responders":true,"lang":"bash","version":"1"'
[[ -z $user ]] || options+=",\"user\":$(quote "$user"),\"pass\":$(quote "$password")"
receive line # INFO, which says what the broker can do
send "CONNECT {$options}"
receive line # verbose: every command is answered with +OK or -ERR
[[ $line == +OK* ]] || quit 1 "the broker says: ${line#-ERR }"

send "SUB $inbox.$id 1" \
  "SUB $prefix.result.$id 2" \
  "PUB $prefix.task.$topic.$id $inbox.$id ${#body}" "$body"

completed='^\{ *"ok" *: *true|"ok" *: *true *\}$' # the key at either end of the object
while receive line; do
  read -r -a words <<<"$line"
  case ${words[0]} in
    PING) send PONG ;;
    -ERR) quit 1 "the broker says: ${line#-ERR }" ;;
    MSG | HMSG) # MSG subject sid [reply] size, HMSG subject sid [reply] headers size
      receive -N "${words[-1]}" message
      receive end_of_message
      headers=''
      [[ ${words[0]} == MSG ]] || headers=${message:0:${words[-2]}}
      message=${message:${#headers}}
      if [[ ${words[2]} == 2 ]]; then
        printf '%s\n' "$message"
        [[ $message =~ $completed ]] && exit 0 || exit 1
      fi
      [[ $headers != 'NATS/1.0 503'* ]] || quit 1 "no stream takes tasks of $topic"
      [[ $message != *'"error"'* ]] || quit 1 "refused: $message"
      ;;
  esac
done
