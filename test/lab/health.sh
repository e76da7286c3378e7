# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2154
# What gantry says of a server and of its checks, for tests of these; to be sourced behind common.sh.

server_of() { # VIP/SERVER JQ-FILTER
	lab_ctl --json servers | jq -r --arg v "${1%/*}" --arg s "${1#*/}" ".vips[\$v].servers[\$s] | $2"
}
state_of() { server_of "$1" '.state + " " + .check.result'; } # VIP/SERVER
reason_of() { server_of "$1" .check.reason; }                 # VIP/SERVER
state_is() { [ "$(state_of "$1")" = "$2" ]; }                 # VIP/SERVER STATE

# Waits until a server is in a state, by its last check ("up healthy"): becomes VIP/SERVER STATE [BEGINNING-OF-REASON]
becomes() {
	lab_wait 15 state_is "$1" "$2" || { printf '      %s: %s: %s\n' "$1" "$(state_of "$1")" "$(reason_of "$1")"; return 1; }
	[ $# = 2 ] || is "$(reason_of "$1" | head -c ${#3})" "$3"
}
