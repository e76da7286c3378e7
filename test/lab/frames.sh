#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What stands on the wire: frames.sh [af_packet|af_xdp]. ARP and NDP for the VIP come from gantry alone, it is
# announced, ping is answered, fragments reach one server, and captures on both sides show that a packet
# comes out of the balancer as it went in. A server that answers ARP for the VIP is reported.
# shellcheck source=test/lab/common.sh
. "$(dirname "$0")/common.sh"

device=${1:-af_packet}
lab_begin_on "$device" tcpdump tshark arping ping curl storescp

captures=()
capture() { # NODE FILE FILTER...
	local node=$1 file=$2
	shift 2
	lab_start "tcpdump.$file" "$node" tcpdump -i eth0 -n -s 2048 -B 16384 --immediate-mode -U \
		-w "$lab_dir/$file.pcap" "$@"
	captures+=("$lab_pid")
	lab_wait 10 grep -q 'listening on' "$lab_dir/log/tcpdump.$file"
}
captures_end() {
	sleep 0.5
	kill -INT "${captures[@]}"
	wait "${captures[@]}" || true
	captures=()
}
# What tshark says of each frame of a capture, one line each, fields apart by spaces ("-": none).
dissect() { # FILE FIELD...
	local file=$1 field args=()
	shift
	for field; do args+=(-e "$field"); done
	tshark -n -r "$lab_dir/$file.pcap" -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE \
		-o udp.check_checksum:TRUE -T fields "${args[@]}" 2>/dev/null |
		sed -e ':a; s/\t\t/\t-\t/; ta; s/^\t/-\t/; s/\t$/\t-/; s/\t/ /g' >"$lab_dir/$file.txt"
}

# 1. Announcement, and who answers for the VIP.
capture ct neighbours 'arp or icmp6'
lab_gantry
sleep 1
lab_in ct arping -q -b -c 3 -w 4 -I eth0 $lab_vip4 || true
lab_in ct ping -6 -q -c 1 -W 2 $lab_vip6 >/dev/null || true
captures_end
dissect neighbours eth.src arp.opcode arp.src.hw_mac arp.src.proto_ipv4 arp.dst.proto_ipv4 \
	icmpv6.nd.na.target_address ipv6.dst icmpv6.opt.linkaddr
who() { grep -E "$1" "$lab_dir/neighbours.txt" | cut -d' ' -f"$2" | sort | uniq -c | xargs; }
check 'the VIP is announced by gratuitous ARP' \
	grep -Eq "^$lab_mac [12] $lab_mac $lab_vip4 $lab_vip4 " "$lab_dir/neighbours.txt"
check 'the VIP is announced by an unsolicited neighbour advertisement' \
	grep -Eq "^$lab_mac .* $lab_vip6 ff02::1 $lab_mac$" "$lab_dir/neighbours.txt"
check 'ARP for the VIP is answered by gantry and by nobody else' \
	is "$(who " 2 [^ ]* $lab_vip4 192.0.2.51 " 3)" "3 $lab_mac"
check 'a neighbour solicitation for the VIP is answered by gantry and by nobody else' \
	is "$(who " $lab_vip6 2001:db8::51 " 1,8)" "1 $lab_mac $lab_mac"
check "a server's own address is answered by the server" is \
	"$(lab_in ct arping -b -c 2 -w 3 -I eth0 192.0.2.11 | grep -io '\[.*\]' | sort -u)" '[02:00:00:00:01:01]'

# 2. Ping. DPDK's af_packet asks the kernel (PACKET_FANOUT_FLAG_DEFRAG) to put IPv4 fragments together, so
#    gantry never sees one there and drops what has become too large: IPv4 fragments are for af_xdp.
# A shared machine may lose one; so up to three times, until all come back.
answered() {
	for _ in 1 2 3; do
		! lab_in ct ping -q -i 0.05 -W 2 "$@" | grep -q ' 0% packet loss' || return 0
	done
	return 1
}
for vip in $lab_vip4 $lab_vip6; do
	check "ping of $vip" answered -c 20 "$vip"
	check "ping of $vip with 1400 bytes" answered -c 3 -s 1400 "$vip"
	[ "$device $vip" != "af_packet $lab_vip4" ] || continue
	check "ping of $vip with 4000 bytes, in fragments" answered -c 3 -s 4000 "$vip"
done

# 3. Both sides of the balancer. Here the client finishes its frames itself, so that what its capture
#    shows is what goes onto the wire.
lab_in ct ethtool -K eth0 tx off sg off tso off gso off >/dev/null
lab_archives
receives() { [ "$(lab_in "$1" ss -Hlun 'sport = :5000' | wc -l)" = 2 ]; }
for server in $lab_servers; do
	for vip in $lab_vip4 $lab_vip6; do
		lab_start "datagrams.$server" "$server" /usr/bin/python3 "$lab_here/datagrams.py" \
			listen "$vip" 5000 "$lab_dir/datagrams.$server"
	done
	lab_start "http.$server" "$server" /usr/bin/python3 -m http.server --bind :: -d "$lab_here" 8080
	lab_wait 10 lab_listens "$server" 8080
	lab_wait 10 receives "$server"
done
lab_python "$lab_here/dicom.py" make "$lab_dir/sent" 6 600
filter="dst host $lab_vip4 or dst host $lab_vip6"
capture ct client "$filter"
for server in $lab_servers; do
	capture "$server" "$server" "$filter"
done
for file in "$lab_dir"/sent/*.dcm; do
	lab_job storescu ct timeout 30 storescu -aec PACS $lab_vip4 11112 "$file"
done
lab_jobs_end
check 'associations while both sides are captured' is $lab_jobs_failed 0
for n in 1 2 3 4 5 6; do
	check "HTTP over IPv6, connection $n" lab_in ct timeout 20 curl -gsSf -o /dev/null \
		"http://[$lab_vip6]:8080/dicom.py"
done
for vip in $lab_vip4 $lab_vip6; do
	[ "$device $vip" != "af_packet $lab_vip4" ] || continue
	lab_in ct /usr/bin/python3 "$lab_here/datagrams.py" send "$vip" 5000 12 20000
done >"$lab_dir/datagrams.sent"
captures_end
cut -d' ' -f2- "$lab_dir"/datagrams.pacs? | sort >"$lab_dir/came"
sort "$lab_dir/datagrams.sent" >"$lab_dir/went"
printf '      %d of %d datagrams\n' "$(comm -12 "$lab_dir/came" "$lab_dir/went" | wc -l)" "$(wc -l <"$lab_dir/went")"
check 'datagrams of 20000 bytes, in fragments, arrive whole, each at one server' \
	cmp "$lab_dir/came" "$lab_dir/went"
check 'and not all at the same one' [ "$(find "$lab_dir" -name 'datagrams.pacs?' -size +0 | wc -l)" -gt 1 ]
check 'the captures are complete' is "$(cat "$lab_dir"/log/tcpdump.* | grep -c '^0 packets dropped')" 5
check 'each packet comes out as it went in, but for the MACs' lab_python "$lab_here/same_packets.py" \
	"$lab_dir/client.pcap" 02:00:00:00:02:01 $lab_mac "$lab_dir/pacs1.pcap=02:00:00:00:01:01" \
	"$lab_dir/pacs2.pcap=02:00:00:00:01:02" "$lab_dir/pacs3.pcap=02:00:00:00:01:03"
for server in $lab_servers; do
	dissect "$server" ip.checksum.status tcp.checksum.status udp.checksum.status \
		tcp.flags.syn tcp.dstport ip.src tcp.srcport
	# 0: bad, 1: good, 2: not verified
	check "$server: tshark finds no bad checksum" is \
		"$(grep -Ec '^(. )?(. )?0 ' "$lab_dir/$server.txt" || true)" 0
	check "$server: tshark sees as many DICOM connections as the archive" is \
		"$(cut -d' ' -f4- "$lab_dir/$server.txt" | grep '^1 11112 ' | sort -u | wc -l)" \
		"$(lab_associations "$server")"
done
check 'and has verified them' [ "$(cat "$lab_dir"/pacs?.txt | grep -Ec '^(. )?(. )?1 ')" -gt 2000 ]
check_identity

# 4. A server with the ARP problem unsolved.
lab_gantry_stop
lab_sysctl pacs3 net/ipv4/conf/{all,lo,eth0}/arp_ignore=0
lab_gantry
conflicts() { lab_ctl --json neighbours | jq -c '[.conflicts[]? | [.address, .mac]] | unique'; }
# gantry looks for others when its announcements are through, 4 s after its start.
check 'a server that answers ARP for the VIP is found' lab_wait 15 \
	sh -c "'$GANTRYCTL' -s '$lab_dir/gantry.sock' --json neighbours | jq -e '.conflicts | length > 0'"
check 'and named by its MAC' is "$(conflicts)" "[[\"$lab_vip4\",\"02:00:00:00:01:03\"]]"
check 'and gantry says so in its log' grep -Eqi "conflict.*02:00:00:00:01:03.*$lab_vip4" "$lab_dir/log/gantry"
grep -i "conflict" "$lab_dir/log/gantry" | head -1 | sed "s/^/      /" || true

lab_finish
