# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# What the lab's tests share: a bound on their time, a reason to skip, checks that are told one by one,
# and questions to gantry. A test sources this, calls lab_begin and ends with lab_finish.
set -euo pipefail

lab_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# The whole test under one clock: whatever hangs, the trap of lab_up still takes the lab down.
if [ -z "${LAB_BOUND:-}" ]; then
	LAB_BOUND=1 exec timeout -k 20 "${LAB_TIMEOUT:-150}" "$0" "$@"
fi
# shellcheck source=scripts/lab
. "$lab_here/../../scripts/lab"

lab_checks=0 lab_failures=()

lab_skip() { echo "SKIP: $*"; exit 77; }

# Builds the lab, or skips and says why: lab_begin PROGRAM... (that the test needs)
lab_begin() {
	local tool why
	why=$(lab_obstacle)
	[ -z "$why" ] || lab_skip "$why"
	for tool; do
		command -v "$tool" >/dev/null || lab_skip "$tool is not installed (scripts/setup)"
	done
	lab_up
}

# A lab with gantry on a device: lab_begin_on DEVICE PROGRAM...
lab_begin_on() {
	local device=$1
	shift
	# AF_XDP is address family 44; a kernel without it cannot make the socket.
	[ "$device" != af_xdp ] ||
		/usr/bin/python3 -c 'import socket; socket.socket(44, socket.SOCK_RAW, 0)' 2>/dev/null ||
		lab_skip 'this kernel has no AF_XDP sockets, or does not let us have one'
	lab_begin "$@"
	lab_config "$device" >"$lab_dir/gantry.ini"
}

# One check: check WORDS COMMAND... A failure is told and the test goes on.
check() {
	local words=$1
	shift
	lab_checks=$((lab_checks + 1))
	if "$@"; then
		printf 'ok %d - %s\n' $lab_checks "$words"
	else
		lab_failures+=("$lab_checks - $words")
		printf 'NOT OK %d - %s\n' $lab_checks "$words"
	fi
}

is() { # GOT WANTED, each of one or more lines
	[ "$1" = "$2" ] || { printf '      got:    %s\n      wanted: %s\n' "$1" "$2"; return 1; }
}

lab_finish() {
	[ $lab_checks -gt 0 ] || { echo 'no check was made'; exit 1; }
	printf '%d checks, %d failed\n' $lab_checks ${#lab_failures[@]}
	[ ${#lab_failures[@]} -gt 0 ] || exit 0
	exit 1
}

# What failed stands below the logs too, where a reader looks first.
lab_last_words() { [ ${#lab_failures[@]} = 0 ] || printf 'failed: %s\n' "${lab_failures[@]}" >&2; }

# A number or a list of gantry's: status_of JQ-FILTER
status_of() { lab_ctl --json status | jq -c "$1"; }

# Connections ever given to a server by VIPs: connections_of SERVER VIP...
connections_of() {
	local server=$1 filter=0 vip
	shift
	for vip; do
		filter+=" + .vips[\"$vip\"].servers[\"$server\"].connections"
	done
	status_of "$filter"
}

identity_holds() {
	# jq counts in doubles, exact up to 2^53.
	[ "$(status_of '(.frames | .in > 0 and .in == .forwarded + .answered + .kernel + .dropped) and
		.frames.dropped == ([.drops[]] | add // 0)')" = true ]
}

# The books balance once all is quiet (frames may be held or on their way while it is not).
check_identity() {
	check 'in = forwarded + answered + kernel + dropped' lab_wait 5 identity_holds
	status_of '.frames, .drops' | sed 's/^/      /'
}

# Starts a command of a node in parallel; lab_jobs_end then waits for all and gives the number that failed.
lab_jobs=()
lab_job() { # LOG NODE COMMAND...
	lab_start "$@"
	lab_jobs+=("$lab_pid")
}
lab_jobs_end() {
	local job
	lab_jobs_failed=0
	for job in "${lab_jobs[@]}"; do
		wait "$job" || lab_jobs_failed=$((lab_jobs_failed + 1))
	done
	lab_jobs=()
}

# Debian's python3 has pydicom and scapy; another one on PATH may not.
lab_python() { /usr/bin/python3 "$@"; }
