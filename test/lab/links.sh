#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Links that go and come: links.sh [af_packet|af_xdp]. Clients on one interface, an archive at a cable of its own
# to the other. The archive's cable is pulled, then the clients' switch port is shut, then gantry's own
# interface is, each in the middle of a download and of a stream of datagrams: what would be lost is counted,
# by reason; the download goes on by itself; addresses are announced and neighbours asked when the link is back.
# Judged by curl, tcpdump, and ethtool's word on the carrier.
# shellcheck source=test/lab/common.sh
. "$(dirname "$0")/common.sh"

device=${1:-af_packet}
lab_begin_on "$device" curl tcpdump tshark

# The cable: store's eth0 to gantry's eth1.
ip netns add "$lab_id-store"
lab_sysctl store net/ipv4/conf/{all,default}/rp_filter=0 net/ipv6/conf/{all,default}/accept_dad=0
ip -n "$lab_id-store" link add name eth0 address 02:00:00:00:01:09 type veth \
	peer name eth1 address 02:00:00:00:00:03 netns "$lab_id-lb"
ip -n "$lab_id-store" link set dev lo up
ip -n "$lab_id-store" link set dev eth0 up
ip -n "$lab_id-lb" link set dev eth1 up
ip -n "$lab_id-store" address add 198.51.100.11/24 dev eth0
ip -n "$lab_id-store" address add 2001:db8:1::11/64 dev eth0 nodad
lab_in store ethtool -K eth0 tx off >/dev/null

cat >"$lab_dir/gantry.ini" <<-END
	[gantry]
	name = $lab_id
	hugepages = no
	control = $lab_dir/gantry.sock
	[interface lan]
	device = $(lab_device "$device")
	address = 192.0.2.2/24, 2001:db8::2/64
	[interface store]
	device = $(lab_device "$device" | sed 's/0,iface=eth0/1,iface=eth1/')
	address = 198.51.100.2/24, 2001:db8:1::2/64
	[vip web]
	interface = lan
	address = $lab_vip4
	port = 8080
	mode = snat
	check = none
	[server web/store]
	address = 198.51.100.11
	[vip web6]
	interface = lan
	address = $lab_vip6
	port = 8080
	mode = snat
	check = none
	[server web6/store]
	address = 2001:db8:1::11
	[vip sink]
	interface = lan
	address = $lab_vip4
	protocol = udp
	port = 9
	mode = snat
	check = none
	[server sink/store]
	address = 198.51.100.11
END
lab_gantry
mkdir "$lab_dir/www"
head -c 6M /dev/urandom >"$lab_dir/www/volume.raw"
lab_start http store /usr/bin/python3 -m http.server --bind :: -d "$lab_dir/www" 8080
lab_wait 10 lab_listens store 8080

drops() { status_of ".drops[\"$1\"] // 0"; }
link_of() { lab_ctl --json interfaces | jq -r ".interfaces[\"$1\"].link"; }
link_is() { [ "$(link_of "$1")" = "$2" ]; }
log_lines() { grep -c "$1" "$lab_dir/log/gantry" || true; }
log_has() { [ "$(log_lines "$1")" -ge "$2" ]; }
more_drops() { [ "$(drops link-down)" -gt "$1" ]; }

# A datagram each millisecond for so long: stream SECONDS
stream() {
	lab_start stream mr /usr/bin/python3 -c "
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range($1 * 1000):
	try:
		s.sendto(b'x' * 400, ('$lab_vip4', 9))
	except OSError:
		pass  # the client's own interface is down
	time.sleep(0.001)"
}

# One cut: cut INTERFACE CARRIER-NODE DEVICE WORDS COUNTED
cut() {
	local interface=$1 node=$2 dev=$3 words=$4 counted=$5 before downs url streaming
	before=$(drops link-down) downs=$(log_lines "interface $interface: link is down")
	[ "$interface" = lan ] && url="http://[$lab_vip6]:8080/volume.raw" || url="http://$lab_vip4:8080/volume.raw"
	lab_job curl ct timeout 60 curl -gsSf --limit-rate 2M -o "$lab_dir/got" "$url"
	stream 4
	streaming=$lab_pid
	lab_wait 10 test -s "$lab_dir/got"
	lab_capture "$6" 'arp or icmp6'
	ip -n "$lab_id-$node" link set dev "$dev" down
	check "$words: gantryctl says so" lab_wait 5 link_is "$interface" down
	check "$words: the log says so, once" lab_wait 5 log_has "interface $interface: link is down" $((downs + 1))
	[ "$counted" = no ] || check "$words: what would be lost is dropped as link-down" lab_wait 10 more_drops "$before"
	sleep 1
	ip -n "$lab_id-$node" link set dev "$dev" up
	# Linux takes a global address away with the link, if it is IPv6.
	[ "$node" != store ] || ip -n "$lab_id-store" address replace 2001:db8:1::11/64 dev eth0 nodad
	check "$words: the link is back, and gantryctl says so" lab_wait 5 link_is "$interface" up
	check "$words: a log line for that, too" lab_wait 5 log_has "interface $interface: link is up" $((downs + 1))
	lab_jobs_end
	check "$words: the download went on by itself" is $lab_jobs_failed 0
	check "$words: and is the same to the last bit" cmp "$lab_dir/got" "$lab_dir/www/volume.raw"
	check "$words: no line more" is "$(log_lines "interface $interface: link is down")" $((downs + 1))
	wait "$streaming" || true
	lab_captures_end
	rm -f "$lab_dir/got"
}
told() { tshark -n -r "$lab_dir/$1.pcap" -Y "$2" 2>/dev/null | wc -l; }

cut store store eth0 "the archive's cable" yes store
check "and gantry asked for the archive, all who hear it" \
	test "$(told store 'arp.opcode == 1 && arp.dst.proto_ipv4 == 198.51.100.11 && eth.dst == ff:ff:ff:ff:ff:ff')" -ge 1
check 'and announced its own address there' \
	test "$(told store 'arp.isgratuitous && arp.src.proto_ipv4 == 198.51.100.2')" -ge 1

cut lan wire lb "the clients' switch port" yes us
check 'and gantry announced the VIPs, by gratuitous ARP' \
	test "$(told us "arp.isgratuitous && arp.src.proto_ipv4 == $lab_vip4")" -ge 1
check 'and by unsolicited advertisements' test "$(told us "icmpv6.type == 136 && icmpv6.nd.na.target_address == $lab_vip6")" -ge 1

cut store lb eth1 "gantry's own interface to the archive" yes store
check 'interfaces tells since when' is "$(lab_ctl --json interfaces | jq '[.interfaces[].link_for_s < 60] | all')" true
lab_ctl interfaces | sed 's/^/      /'
grep 'link is' "$lab_dir/log/gantry" | sed 's/^/      /'

check_identity
check 'gantry stops on SIGTERM with exit code 0' lab_gantry_stop
lab_finish
