#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Bulk through DR VIPs: flows.sh [af_packet|af_xdp]. iperf3 (TCP and UDP, IPv4 and IPv6; its two connections
# meet at one server thanks to persistence = source) and a large file over HTTP. The figures are printed;
# only wrong ones fail, for other work may share this machine's cores.
# shellcheck source=test/lab/common.sh
. "$(dirname "$0")/common.sh"

device=${1:-af_packet}
seconds=${LAB_SECONDS:-3}
lab_begin_on "$device" iperf3 curl python3
lab_gantry

mkdir "$lab_dir/www"
head -c 200M /dev/urandom >"$lab_dir/www/volume.raw"
for server in $lab_servers; do
	# Bound to the VIP: a UDP server on the wildcard would answer from the server's own address.
	for vip in $lab_vip4 $lab_vip6; do
		lab_start "iperf3.$server" "$server" iperf3 -s -B "$vip"
	done
	lab_start "http.$server" "$server" /usr/bin/python3 -m http.server --bind :: \
		-d "$lab_dir/www" 8080
done
for server in $lab_servers; do
	lab_wait 10 lab_listens "$server" 5201
	lab_wait 10 lab_listens "$server" 8080
done

# iperf3 CLIENT ARGUMENTS... and one line of what it measured
measure() {
	local client=$1 words=$2 out=$lab_dir/iperf.json
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

check 'iperf3 TCP over IPv4' measure ct "$device, TCP, IPv4" -c $lab_vip4
check 'iperf3 TCP over IPv6' measure mr "$device, TCP, IPv6" -c $lab_vip6
check 'iperf3 UDP over IPv4' measure us "$device, UDP, IPv4" -c $lab_vip4 -u -b 300M -l 1400
check 'iperf3 UDP over IPv6' measure xa "$device, UDP, IPv6" -c $lab_vip6 -u -b 300M -l 1400

download() {
	local url=$1 out=$lab_dir/volume.$RANDOM start=${EPOCHREALTIME/./} ms
	lab_in "$2" timeout 60 curl -gsSf -o "$out" "$url/volume.raw" || return 1
	ms=$(((${EPOCHREALTIME/./} - start) / 1000))
	printf '      200 MB in %d ms\n' $ms
	cmp "$out" "$lab_dir/www/volume.raw" || return 1
	rm -f "$out"
}
check 'curl gets 200 MB over IPv4, unharmed' download "http://$lab_vip4:8080" ct
check 'curl gets 200 MB over IPv6, unharmed' download "http://[$lab_vip6]:8080" mr

check_identity
check 'gantry stops on SIGTERM with exit code 0' lab_gantry_stop
lab_finish
