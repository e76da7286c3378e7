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

check 'iperf3 TCP over IPv4' lab_iperf ct "$device, TCP, IPv4" -c $lab_vip4
check 'iperf3 TCP over IPv6' lab_iperf mr "$device, TCP, IPv6" -c $lab_vip6
check 'iperf3 UDP over IPv4' lab_iperf us "$device, UDP, IPv4" -c $lab_vip4 -u -b 300M -l 1400
check 'iperf3 UDP over IPv6' lab_iperf xa "$device, UDP, IPv6" -c $lab_vip6 -u -b 300M -l 1400

check 'curl gets 200 MB over IPv4, unharmed' \
	lab_download ct "http://$lab_vip4:8080/volume.raw" "$lab_dir/www/volume.raw"
check 'curl gets 200 MB over IPv6, unharmed' \
	lab_download mr "http://[$lab_vip6]:8080/volume.raw" "$lab_dir/www/volume.raw"

check_identity
check 'gantry stops on SIGTERM with exit code 0' lab_gantry_stop
lab_finish
