#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What an idle worker costs, and what it adds to the first frame behind a pause: idle.sh [af_packet|tap|pcap].
# A datagram every few ms to a server on the same bridge, directly and by gantry with idle = poll and = sleep
# (net_af_packet and net_tap wake the worker, net_pcap does not: it naps). The figures are for docs/latency.md;
# what is checked has a wide margin, as the machine may be loaded.
# shellcheck source=test/lab/common.sh
. "$(dirname "$0")/common.sh"

device=${1:-af_packet} count=${LAB_COUNT:-400} pause_ms=${LAB_PAUSE_MS:-5} port=5000
[ "$device" = pcap ] && lab_begin_on af_packet jq || lab_begin_on "$device" jq
[ "$device" != pcap ] || sed -i 's/^device = .*/device = net_pcap0,iface=eth0,phy_mac=1/' "$lab_dir/gantry.ini"

for server in $lab_servers; do
	for address in $lab_vip4 "$(lab_in "$server" ip -4 -o addr show dev eth0 | awk '{sub("/.*", "", $4); print $4; exit}')"; do
		lab_start "rtt.$server" "$server" /usr/bin/python3 "$lab_here/rtt.py" serve "$address" $port
	done
done
serves() { [ "$(lab_in "$1" ss -Hlun "sport = :$port" | wc -l)" = 2 ]; }
for server in $lab_servers; do lab_wait 10 serves "$server"; done

# CPU time of the worker's thread, in ns.
worker_ns() {
	local task
	for task in /proc/"$lab_gantry_pid"/task/*; do
		! grep -Eq '^(rte|lcore)-worker' "$task/comm" || cut -d' ' -f1 "$task/schedstat"
	done
}
# Percent of a core while nothing comes in: idle_percent SECONDS
idle_percent() {
	local ns=$(worker_ns) start=${EPOCHREALTIME/./}
	sleep "$1"
	echo $((($(worker_ns) - ns) / 10 / (${EPOCHREALTIME/./} - start)))
}
ask() { lab_in ct timeout 120 /usr/bin/python3 "$lab_here/rtt.py" ask "$1" $port "$count" "$pause_ms"; }
tell() { printf '      %-28s %4d of %d, median %s us, p99 %s us, p99.9 %s us\n' "$1" "$2" "$count" "$3" "$4" "$5"; }

declare -A median share
ask 192.0.2.11 >"$lab_dir/rtt.direct"
read -r n median[direct] p99 p999 <"$lab_dir/rtt.direct"
tell 'directly' "$n" "${median[direct]}" "$p99" "$p999"
for idle in poll sleep; do
	sed -i -e '/^idle = /d' -e "s/^seed = .*/&\nidle = $idle/" "$lab_dir/gantry.ini"
	lab_gantry
	sleep 1
	share[$idle]=$(idle_percent 3)
	busy=$(status_of '.workers[0].busy_percent | round')
	ask $lab_vip4 >"$lab_dir/rtt.$idle"
	read -r n median[$idle] p99 p999 <"$lab_dir/rtt.$idle"
	tell "idle = $idle" "$n" "${median[$idle]}" "$p99" "$p999"
	printf '      %-28s %d %% of a core while idle, gantryctl says %d %% busy\n' '' "${share[$idle]}" "$busy"
	check "idle = $idle: nearly all come back" [ "$n" -ge $((count * 95 / 100)) ]
	check "idle = $idle: an idle worker is not busy" [ "$busy" -le 20 ]
	check "idle = $idle: stops as asked" lab_gantry_stop
done
check 'sleep: an idle worker leaves its core to others' [ "${share[sleep]}" -lt 25 ]
check 'sleep: that is a fraction of what polling takes' [ $((share[sleep] * 2)) -lt "${share[poll]}" ]
check 'sleep: the first frame is less than a millisecond later' \
	[ "${median[sleep]}" -lt $((median[poll] + 1000)) ]
lab_finish
