#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A link too narrow for what both ends send: narrow.sh [af_packet|af_xdp]. A hospital behind two routers with 1300
# bytes between them, of which neither end knows: only "fragmentation needed" and "packet too big" tell. As clients
# of dr, nat and snat, so that the routers' word must reach the server through gantry; and as a server of snat, so
# that it must reach the client. 20 MB each way, IPv4 and IPv6. Judged by checksums, captures and tshark.
# shellcheck source=test/lab/common.sh
. "$(dirname "$0")/common.sh"

device=${1:-af_packet}
megabytes=${LAB_MEGABYTES:-20} narrow=1300
lab_begin_on "$device" curl tcpdump tshark sha256sum

# The routers: edge on the wire, mid before the hospital; between them the narrow link.
lab_node edge 02:00:00:00:03:01
lab_addresses edge 1
for node in mid far; do
	ip netns add "$lab_id-$node"
	lab_sysctl $node net/ipv4/conf/{all,default}/rp_filter=0 net/ipv6/conf/{all,default}/{accept_dad,accept_ra}=0
	ip -n "$lab_id-$node" link set dev lo up
done
link() { # NODE INTERFACE IPV4 IPV6 MTU
	ip -n "$lab_id-$1" address add "$3" dev "$2"
	ip -n "$lab_id-$1" link set dev "$2" mtu "$5" up
	ip -n "$lab_id-$1" address add "$4" dev "$2" nodad
}
ip -n "$lab_id-edge" link add name mid type veth peer name edge netns "$lab_id-mid"
ip -n "$lab_id-mid" link add name far type veth peer name eth0 netns "$lab_id-far"
link edge mid 198.51.100.1/24 2001:db8:e::1/64 $narrow
link mid edge 198.51.100.2/24 2001:db8:e::2/64 $narrow
link mid far 203.0.113.1/24 2001:db8:f::1/64 1500
link far eth0 203.0.113.9/24 2001:db8:f::9/64 1500
lab_sysctl edge net/ipv4/ip_forward=1 net/ipv6/conf/all/forwarding=1 net/ipv4/conf/{all,eth0}/send_redirects=0
lab_sysctl mid net/ipv4/ip_forward=1 net/ipv6/conf/all/forwarding=1
ip -n "$lab_id-edge" route add 203.0.113.0/24 via 198.51.100.2
ip -n "$lab_id-edge" -6 route add 2001:db8:f::/64 via 2001:db8:e::2
ip -n "$lab_id-mid" route add default via 198.51.100.1
ip -n "$lab_id-mid" -6 route add default via 2001:db8:e::1
ip -n "$lab_id-far" route add default via 203.0.113.1
ip -n "$lab_id-far" -6 route add default via 2001:db8:f::1
# Their veths must cut no super-frames, nor let them pass.
for end in edge:mid mid:edge mid:far far:eth0 edge:eth0; do
	lab_in "${end%:*}" ethtool -K "${end#*:}" tx off sg off tso off gso off gro off >/dev/null
done

# pacs1 serves nat, so its way back is gantry; pacs2 snat, and wants nothing; pacs3 dr, and knows the routers.
ip -n "$lab_id-pacs1" route add default via 192.0.2.2
ip -n "$lab_id-pacs1" -6 route add default via 2001:db8::2
ip -n "$lab_id-pacs3" route add default via 192.0.2.1
ip -n "$lab_id-pacs3" -6 route add default via 2001:db8::1

cat >"$lab_dir/gantry.ini" <<-END
	[gantry]
	name = $lab_id
	hugepages = no
	control = $lab_dir/gantry.sock
	[interface lan]
	device = $(lab_device "$device")
	address = 192.0.2.2/24, 2001:db8::2/64
	gateway = 192.0.2.1, 2001:db8::1
END
while read -r name vip mode server; do
	printf '[vip %s]\ninterface = lan\naddress = %s\nport = 8080\nmode = %s\ncheck = none\n' "$name" "$vip" "$mode"
	printf '[server %s/a]\naddress = %s\n' "$name" "$server"
done >>"$lab_dir/gantry.ini" <<-END
	nat 192.0.2.120 nat 192.0.2.11
	nat6 2001:db8::120 nat 2001:db8::11
	snat 192.0.2.121 snat 192.0.2.12
	snat6 2001:db8::121 snat 2001:db8::12
	dr $lab_vip4 dr 192.0.2.13
	dr6 $lab_vip6 dr 2001:db8::13
	deep 192.0.2.122 snat 203.0.113.9
	deep6 2001:db8::122 snat 2001:db8:f::9
END
mkdir "$lab_dir/www"
head -c "${megabytes}M" /dev/urandom >"$lab_dir/www/volume.raw"
sum=$(sha256sum <"$lab_dir/www/volume.raw" | cut -d' ' -f1)
for server in $lab_servers far; do
	lab_start "http.$server" "$server" /usr/bin/python3 "$lab_here/files.py" 8080 "$lab_dir/www"
done
for server in $lab_servers far; do
	lab_wait 10 lab_listens "$server" 8080
done
# shellcheck disable=SC2086 # a list
lab_finishes_frames $lab_servers ct
lab_gantry
for node in $lab_servers ct; do
	lab_capture "$node" 'icmp or icmp6 or (tcp and (port 8080 or ip6))'
done

upload() { # CLIENT URL
	is "$(lab_in "$1" timeout 60 curl -gsSf -T "$lab_dir/www/volume.raw" "$2")" "$sum"
}
down() { check "$1: $megabytes MB down" lab_download "$2" "http://$3:8080/volume.raw" "$lab_dir/www/volume.raw"; }
up() { check "$1: $megabytes MB up" upload "$2" "http://$3:8080/volume.raw"; }
# First towards the one behind the narrow link: once it knows of it, it asks for shorter segments (MSS).
both() { # WORDS CLIENT VIP
	down "$@"
	up "$@"
}
both 'nat, a client behind the narrow link' far 192.0.2.120
both 'nat, the same by IPv6' far '[2001:db8::120]'
both 'snat, a client behind the narrow link' far 192.0.2.121
both 'snat, the same by IPv6' far '[2001:db8::121]'
both 'dr, a client behind the narrow link' far $lab_vip4
both 'dr, the same by IPv6' far "[$lab_vip6]"
up 'snat, a server behind the narrow link' ct 192.0.2.122
up 'snat, the same by IPv6' ct '[2001:db8::122]'
down 'snat, a server behind the narrow link' ct 192.0.2.122
down 'snat, the same by IPv6' ct '[2001:db8::122]'
lab_captures_end
# tshark reads some thousand packets a second: it gets what the routers said, and the first packets of the rest.
for node in $lab_servers ct; do
	tcpdump -r "$lab_dir/$node.pcap" -w "$lab_dir/$node.said" icmp or icmp6 2>/dev/null
	tcpdump -r "$lab_dir/$node.pcap" -w "$lab_dir/$node.first" -c 8000 tcp 2>/dev/null
	mv "$lab_dir/$node.first" "$lab_dir/$node.pcap"
done

# Who sent too much was told so, in words about its own connection: from and to, as it knows itself.
told() { # NODE FILTER
	tshark -n -r "$lab_dir/$1.said" -Y "$2" 2>/dev/null | wc -l
}
too_big4="icmp.type == 3 && icmp.code == 4 && icmp.mtu == $narrow" too_big6="icmpv6.type == 2 && icmpv6.mtu == $narrow"
check 'nat: the server was told of its own packet, IPv4' test "$(told pacs1 "$too_big4 && ip.src == 192.0.2.11 && ip.dst == 203.0.113.9")" -ge 1
check 'nat: the server was told of its own packet, IPv6' test "$(told pacs1 "$too_big6 && ipv6.src == 2001:db8::11 && ipv6.dst == 2001:db8:f::9")" -ge 1
check 'snat: the server was told of its own packet, IPv4' test "$(told pacs2 "$too_big4 && ip.src == 192.0.2.12 && ip.dst == 192.0.2.2")" -ge 1
check 'snat: the server was told of its own packet, IPv6' test "$(told pacs2 "$too_big6 && ipv6.src == 2001:db8::12 && ipv6.dst == 2001:db8::2")" -ge 1
check 'dr: the server was told, IPv4' test "$(told pacs3 "$too_big4 && ip.src == $lab_vip4 && ip.dst == 203.0.113.9")" -ge 1
check 'dr: the server was told, IPv6' test "$(told pacs3 "$too_big6 && ipv6.src == $lab_vip6 && ipv6.dst == 2001:db8:f::9")" -ge 1
check 'the client was told of its own packet, IPv4' test "$(told ct "$too_big4 && ip.src == 192.0.2.51 && ip.dst == 192.0.2.122")" -ge 1
check 'the client was told of its own packet, IPv6' test "$(told ct "$too_big6 && ipv6.src == 2001:db8::51 && ipv6.dst == 2001:db8::122")" -ge 1
# shellcheck disable=SC2086 # a list
check_captures $lab_servers ct
# What the errors quote is cut, and tshark calls that an error also where gantry changed nothing (dr): their checksums,
# and those of the quoted IP headers, it does judge.
for node in $lab_servers ct; do
	check "$node: no error with a bad checksum" is "$(tshark -n -o ip.check_checksum:TRUE -r "$lab_dir/$node.said" \
		-Y 'icmp.checksum.status == 0 || icmpv6.checksum.status == 0 || ip.checksum.status == 0' 2>/dev/null | head -3)" ''
done
# shellcheck disable=SC2086 # a list
check 'no kernel refused a packet for its checksum or header' is "$(refused_packets $lab_servers ct far)" ''
check_identity
check 'gantry stops on SIGTERM with exit code 0' lab_gantry_stop
lab_finish
