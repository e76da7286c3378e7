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

# iperf3 and one line of what it measured: lab_iperf CLIENT WORDS ARGUMENTS...
lab_iperf() {
	local client=$1 words=$2 out=$lab_dir/iperf.json seconds=${LAB_SECONDS:-3}
	shift 2
	lab_in "$client" timeout $((seconds + 20)) iperf3 -J -t "$seconds" "$@" >"$out" || {
		jq -r '.error // "no answer"' "$out"
		return 1
	}
	jq -r --arg words "$words" '.end | (.sum_received // .sum) as $r | [
		"      \($words): \($r.bits_per_second / 1e7 | round / 100) Gbit/s",
		if .sum_sent.retransmits then "\(.sum_sent.retransmits) retransmits" else empty end,
		if .sum.packets then "\(.sum.lost_packets) of \(.sum.packets) datagrams lost" else empty end
		] | join(", ")' "$out"
	jq -e '.end | (.sum_received // .sum).bytes > 1e6' "$out" >/dev/null
}

# A file by HTTP, to be the same as the original: lab_download CLIENT URL ORIGINAL [CURL OPTION...]
lab_download() {
	local client=$1 url=$2 original=$3 start=${EPOCHREALTIME/./}
	shift 3
	lab_in "$client" timeout 60 curl -gsSf "$@" "$url" | cmp - "$original" || return 1
	printf '      %d KB in %d ms\n' $(($(stat -c %s "$original") / 1024)) \
		$(((${EPOCHREALTIME/./} - start) / 1000))
}

# From here on the nodes finish their own frames, so that a capture at a sender shows what goes onto the
# wire: lab_finishes_frames NODE...
lab_finishes_frames() {
	local node
	for node; do
		lab_in "$node" ethtool -K eth0 tx off sg off tso off gso off >/dev/null
	done
}

# Captures at nodes, until lab_captures_end: lab_capture NODE [FILTER]; the file is $lab_dir/NODE.pcap
lab_captures=()
lab_capture() {
	lab_start "tcpdump.$1" "$1" tcpdump -ni eth0 -s 0 -B 16384 --immediate-mode -U -w "$lab_dir/$1.pcap" "${2:-}"
	lab_captures+=("$lab_pid")
	lab_wait 10 grep -q 'listening on' "$lab_dir/log/tcpdump.$1"
}
lab_captures_end() {
	sleep 0.5
	kill -INT "${lab_captures[@]}"
	wait "${lab_captures[@]}" || true
	lab_captures=()
}

# Frames that tshark finds malformed, or with a checksum that is wrong: complaints FILE
complaints() {
	# What is in TCP and UDP is none of its business: it sees one half of an association, and guesses by port
	# numbers, the clients' too. A sum of 0 that Linux finishes in software is 0xffff (skb_checksum_help): right by
	# RFC 1071, one packet in 65,536, and an error to tshark.
	tshark -n -r "$1" -d tcp.port==1-65535,data -d udp.port==1-65535,data -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE \
		-Y '_ws.malformed || _ws.expert.severity == error && !tcp.checksum.ffff || ip.checksum.status == 0 ||
			tcp.checksum.status == 0 && !tcp.checksum.ffff || udp.checksum.status == 0 || icmp.checksum.status == 0' \
		2>/dev/null | head -5
}

# The same of the captures of nodes, a check for each: check_captures NODE...
check_captures() {
	local node jobs=()
	for node; do
		complaints "$lab_dir/$node.pcap" >"$lab_dir/$node.complaints" &
		jobs+=($!)
	done
	wait "${jobs[@]}"
	for node; do
		check "$node: tshark has no complaint" is "$(cat "$lab_dir/$node.complaints")" ''
	done
}

# Packets that kernels of nodes refused for their checksum or header, one line for each node and counter
# that is not 0: refused_packets NODE...
refused_packets() {
	local node
	for node; do
		lab_in "$node" cat /proc/net/snmp /proc/net/snmp6 | awk -v node="$node" '
			NF == 2 { if ($1 ~ /InCsumErrors|Ip6InHdrErrors/ && $2) print node, $1, $2; next }
			$1 != head { head = $1; split($0, name); next }
			{ for (i = 2; i <= NF; i++)
				if (name[i] ~ /InCsumErrors|InHdrErrors/ && $i) print node, $1, name[i], $i
			  head = "" }'
	done
}

# Debian's python3 has pydicom and scapy; another one on PATH may not.
lab_python() { /usr/bin/python3 "$@"; }
