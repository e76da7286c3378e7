#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# nat and snat side by side, on af_xdp: translation.sh [af_packet|af_xdp]. nat.sh and snat.sh have af_packet, where the
# kernel puts IPv4 fragments together; here they come as they are, in both directions. Archives that know nothing of the VIPs; a hospital behind a router
# whose studies come and go through gantry in both directions: echo, store, and a move, whose connection back
# comes from the archive itself and takes the router's way; a large file, bulk by TCP and UDP, datagrams in
# fragments; IPv6 clients of an IPv4 server. Judged by the programs, the archives' disks and tshark.
# shellcheck source=test/lab/common.sh disable=SC2086 # addresses are single words
. "$(dirname "$0")/common.sh"

device=${1:-af_xdp}
seconds=${LAB_SECONDS:-1}
megabytes=${LAB_MEGABYTES:-64}
lab_begin_on "$device" storescu echoscu movescu dcmqrscp storescp img2dcm iperf3 curl tcpdump tshark

nat=192.0.2.120 snat=192.0.2.121 nat6=2001:db8::120 snat6=2001:db8::121

config() {
	cat <<-END
		[gantry]
		name = lab
		hugepages = no
		control = $lab_dir/gantry.sock

		[interface lan]
		device = $(lab_device "$device")
		address = 192.0.2.2/24, 192.0.2.3/24, 2001:db8::2/64
		gateway = 192.0.2.1, 2001:db8::1
	END
	# name VIP protocol port mode server's-port servers
	while read -r name vip protocol port mode own servers; do
		printf '\n[vip %s]\ninterface = lan\naddress = %s\nprotocol = %s\nport = %s\nmode = %s\n' \
			"$name" "$vip" "$protocol" "$port" "$mode"
		printf 'check = none\npersistence = source\n'
		[ "$mode" != snat ] || [[ $servers = *:* ]] || echo 'snat_address = 192.0.2.3, 192.0.2.4'
		n=1
		for server in ${servers//,/ }; do
			printf '[server %s/pacs%d]\naddress = %s\nport = %s\n' "$name" $n "$server" "$own"
			n=$((n + 1))
		done
	done <<-END
		nat-dicom $nat tcp 104 nat 11112 192.0.2.11,192.0.2.12
		nat-move $nat tcp 105 nat 11113 192.0.2.11,192.0.2.12
		nat-web $nat tcp 80 nat 8080 192.0.2.11,192.0.2.12
		nat-speed $nat tcp 5201 nat 5201 192.0.2.11
		nat-udp $nat udp 5201 nat 5201 192.0.2.11
		nat-web6 $nat6 tcp 80 nat 8080 2001:db8::11,2001:db8::12
		snat-dicom $snat tcp 104 snat 11112 192.0.2.11,192.0.2.12
		snat-move $snat tcp 105 snat 11113 192.0.2.11,192.0.2.12
		snat-web $snat tcp 80 snat 8080 192.0.2.11,192.0.2.12
		snat-speed $snat tcp 5202 snat 5202 192.0.2.12
		snat-udp $snat udp 5202 snat 5202 192.0.2.12
		snat-web6 $snat6 tcp 80 snat 8080 2001:db8::11,2001:db8::12
		six-web 2001:db8::122 tcp 80 snat 8080 192.0.2.11,192.0.2.12
		six-speed 2001:db8::122 tcp 5202 snat 5202 192.0.2.12
		six-udp 2001:db8::122 udp 5202 snat 5202 192.0.2.12
	END
}
config >"$lab_dir/gantry.ini"

# A hospital behind a router.
lab_node edge 02:00:00:00:03:01
lab_addresses edge 1
ip netns add "$lab_id-far"
ip -n "$lab_id-edge" link add name far type veth peer name eth0 netns "$lab_id-far"
ip -n "$lab_id-edge" address add 203.0.113.1/24 dev far
ip -n "$lab_id-edge" address add 2001:db8:f::1/64 dev far nodad
ip -n "$lab_id-edge" link set dev far up
lab_sysctl edge net/ipv4/ip_forward=1 net/ipv6/conf/all/forwarding=1 net/ipv4/conf/{all,eth0}/send_redirects=0
lab_sysctl far net/ipv4/conf/{all,default}/rp_filter=0 net/ipv6/conf/{all,default}/{accept_dad,accept_ra}=0
ip -n "$lab_id-far" link set dev lo up
ip -n "$lab_id-far" link set dev eth0 up
ip -n "$lab_id-far" address add 203.0.113.9/24 dev eth0
ip -n "$lab_id-far" address add 2001:db8:f::9/64 dev eth0 nodad
ip -n "$lab_id-far" route add 192.0.2.0/24 via 203.0.113.1
ip -n "$lab_id-far" -6 route add 2001:db8::/64 via 2001:db8:f::1

# What nat wants of a server: the answers of its services go to gantry, and all else the router's way, the
# connection back of a move too (docs/modes.md). snat wants nothing.
for server in pacs1 pacs2; do
	ip -n "$lab_id-$server" route add 203.0.113.0/24 via 192.0.2.1
	ip -n "$lab_id-$server" -6 route add 2001:db8:f::/64 via 2001:db8::1
	ip -n "$lab_id-$server" route add default via 192.0.2.2 table 100
	ip -n "$lab_id-$server" -6 route add default via 2001:db8::2 table 100
	for service in tcp.11112 tcp.11113 tcp.8080 tcp.5201 udp.5201; do
		for family in -4 -6; do
			ip -n "$lab_id-$server" $family rule add ipproto "${service%.*}" sport "${service#*.}" \
				lookup 100
		done
	done
done

mkdir "$lab_dir/www"
head -c "${megabytes}M" /dev/urandom >"$lab_dir/www/volume.raw"
for server in pacs1 pacs2; do
	mkdir -p "$lab_dir/db/$server/PACS" "$lab_dir/disk/$server"
	cat >"$lab_dir/$server.cfg" <<-END
		NetworkTCPPort = 11113
		MaxPDUSize = 16384
		MaxAssociations = 16
		HostTable BEGIN
		hospital = (HOSPITAL, 203.0.113.9, 11114)
		HostTable END
		VendorTable BEGIN
		VendorTable END
		AETable BEGIN
		PACS $lab_dir/db/$server/PACS RW (200, 1024mb) ANY
		AETable END
	END
	lab_start "scp.$server" "$server" storescp +xa +B --fork -od "$lab_dir/disk/$server" 11112
	lab_start "move.$server" "$server" dcmqrscp -v -c "$lab_dir/$server.cfg" 11113
	lab_start "http.$server" "$server" /usr/bin/python3 -m http.server --bind :: -d "$lab_dir/www" 8080
	lab_start "iperf3.$server" "$server" iperf3 -s -p 520${server#pacs}
done
for server in pacs1 pacs2; do
	for port in 11112 11113 8080 520${server#pacs}; do
		lab_wait 10 lab_listens "$server" "$port"
	done
done
lab_gantry

# All that gantry sends, as it comes off the wire; bulk comes later.
for node in pacs1 pacs2 edge ct; do
	lab_start "tcpdump.$node" $node tcpdump -ni eth0 -s 0 -c 30000 -B 16384 -U -w "$lab_dir/$node.pcap" \
		"ether src $lab_mac and (ip or ip6)"
	declare "tcpdump_$node=$lab_pid"
	lab_wait 10 test -s "$lab_dir/$node.pcap"
done

# ---- DICOM ----

lab_python "$lab_here/dicom.py" make "$lab_dir/sent" 16 300
files=("$lab_dir"/sent/*.dcm)
for vip in $nat $snat; do
	for client in far ct; do
		# A client on the servers' wire would be answered past gantry: nat is not for it.
		[ $vip$client != ${nat}ct ] || continue
		check "$client: C-ECHO through $vip" lab_in $client timeout 20 echoscu -aec PACS $vip 104
	done
done
for i in 0 1 2 3; do
	lab_job storescu far timeout 60 storescu -aec PACS $nat 104 "${files[@]:i * 2:2}"
	lab_job storescu ct timeout 60 storescu -aec PACS $snat 104 "${files[@]:8 + i * 2:2}"
done
lab_jobs_end
check 'storescu: 8 associations through nat and snat succeed' is $lab_jobs_failed 0
check 'every image arrives once, and the same to the last bit' \
	lab_python "$lab_here/dicom.py" compare "$lab_dir/sent" "$lab_dir"/disk/*

# The archive connects to the hospital by itself, over the router: its source is no VIP's business.
for vip in $nat $snat; do
	check "far: C-STORE of a study to be moved through $vip" \
		lab_in far timeout 30 storescu -aet HOSPITAL -aec PACS $vip 105 "${files[0]}"
done
mkdir "$lab_dir/one"
cp "${files[0]}" "$lab_dir/one"
study=$(lab_python -c 'import sys, pydicom; print(pydicom.dcmread(sys.argv[1]).StudyInstanceUID)' "${files[0]}")
for vip in $nat $snat; do
	mkdir "$lab_dir/moved.$vip"
	check "far: C-MOVE through $vip, and the archive's connection back" \
		lab_in far sh -c 'cd "$0" && exec timeout 30 movescu "$@"' "$lab_dir/moved.$vip" \
		-S -aet HOSPITAL -aec PACS -aem HOSPITAL +P 11114 +B \
		-k QueryRetrieveLevel=STUDY -k StudyInstanceUID="$study" $vip 105
	check 'far: the study came back, the same to the last bit' \
		lab_python "$lab_here/dicom.py" compare "$lab_dir/one" "$lab_dir/moved.$vip"
done

# ---- large pings, small files ----

# DPDK's af_packet asks the kernel to put IPv4 fragments together (PACKET_FANOUT_FLAG_DEFRAG), and gets frames that
# no wire has: af_xdp shows them as they are.
size=1400
[ "$device" = af_packet ] || size=4000
for vip in $nat $snat; do
	check "far: ping -s $size $vip" lab_in far ping -q -c 2 -i 0.2 -W 2 -s $size $vip
done
check "far: ping -s 4000 $nat6" lab_in far ping -q -c 2 -i 0.2 -W 2 -s 4000 $nat6
head -c 300001 /dev/urandom >"$lab_dir/www/small.raw"
get() { # CLIENT URL FILE
	lab_in "$1" timeout 60 curl -gsSf -o "$lab_dir/got" "$2/$3" && cmp "$lab_dir/got" "$lab_dir/www/$3"
}
check 'far: curl through nat' get far "http://$nat" small.raw
check 'far: curl through nat, IPv6' get far "http://[$nat6]" small.raw
check 'far: curl through snat' get far "http://$snat" small.raw
check 'far: curl through snat, IPv6' get far "http://[$snat6]" small.raw
check 'ct: curl through snat, on one wire with the servers' get ct "http://$snat" small.raw
check 'ct: curl through snat, IPv6' get ct "http://[$snat6]" small.raw
check 'far: curl by IPv6 from an IPv4 server' get far 'http://[2001:db8::122]' small.raw
check 'ct: curl by IPv6 from an IPv4 server' get ct 'http://[2001:db8::122]' small.raw
check 'pacs1: curl from itself through snat' get pacs1 "http://$snat" small.raw

# ---- datagrams in fragments, both ways ----

measure() { # WORDS CLIENT ARGUMENTS...: iperf3, and one line of what it measured
	local words=$1 client=$2
	shift 2
	lab_in "$client" timeout $((seconds + 20)) iperf3 -J -t "$seconds" "$@" >"$lab_dir/iperf.json" || {
		jq -r '.error // "no answer"' "$lab_dir/iperf.json"
		return 1
	}
	jq -r --arg words "$words" '.end | (.sum_received // .sum) as $r | [
		"      \($words): \($r.bits_per_second / 1e6 | round) Mbit/s",
		if .sum.packets then "\(.sum.lost_packets) of \(.sum.packets) datagrams lost" else empty end
		] | join(", ")' "$lab_dir/iperf.json"
	jq -e '.end | (.sum_received // .sum).bytes > 1e5' "$lab_dir/iperf.json" >/dev/null
}
# Fragments of 1500 bytes do not fit as IPv6: the archive is told, for each of gantry's source addresses once, iperf3
# gives up on hearing so, and the next one knows.
until_told() { # COMMAND...
	local _
	for _ in 1 2 3 4; do
		! "$@" || return 0
	done
	return 1
}
for way in '' -R; do
	[ "$device" != af_packet ] || break
	check "nat: datagrams of 4000 bytes $way" measure "nat, fragments $way" far -c $nat -p 5201 -u -l 4000 -b 20M $way
	check "snat: datagrams of 4000 bytes $way" measure "snat, fragments $way" far -c $snat -p 5202 -u -l 4000 -b 20M $way
	check "IPv6 to IPv4: datagrams of 4000 bytes $way" until_told measure "6 to 4, fragments $way" far -c 2001:db8::122 -p 5202 -u \
		-l 4000 -b 20M $way
done

# ---- the witness ----

for node in pacs1 pacs2 edge ct; do
	pid=tcpdump_$node
	kill -TERM "${!pid}" 2>/dev/null || true
	wait "${!pid}" || true
done
complaints() { # FILE: frames with a checksum that is wrong, or headers that are
	tshark -r "$1" -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE \
		-Y 'ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0 ||
			icmp.checksum.status == 0 || icmpv6.checksum.status == 0' 2>/dev/null | head -5
}
for node in pacs1 pacs2 edge ct; do
	printf '      %s: %s frames\n' $node "$(tshark -r "$lab_dir/$node.pcap" 2>/dev/null | wc -l)"
	check "$node: tshark finds no bad checksum in what gantry sent" is "$(complaints "$lab_dir/$node.pcap")" ''
done
seen=$(tshark -r "$lab_dir/pacs1.pcap" -Y 'tcp.dstport == 11112' -T fields -e ip.src 2>/dev/null | sort -u | tr '\n' ' ')
seen+=$(tshark -r "$lab_dir/pacs2.pcap" -Y 'tcp.dstport == 11112' -T fields -e ip.src 2>/dev/null | sort -u | tr '\n' ' ')
check "archives see the client's address by nat, and gantry's by snat" \
	is "$(tr ' ' '\n' <<<"$seen" | grep . | sort -u | tr '\n' ' ')" \
	"$(for a in 203.0.113.9 $(grep -o '192\.0\.2\.[34] ' <<<"$seen" | sort -u); do echo "$a"; done | sort -u | tr '\n' ' ')"

# ---- bulk ----

check "far: curl gets $megabytes MB through nat, unharmed" get far "http://$nat" volume.raw
check "far: curl gets $megabytes MB through snat, unharmed" get far "http://$snat" volume.raw
check "ct: curl gets $megabytes MB by IPv6 from an IPv4 server, unharmed" get ct 'http://[2001:db8::122]' volume.raw
for way in '' -R; do
	check "nat: iperf3 TCP $way" measure "nat, TCP $way" far -c $nat -p 5201 $way
	check "snat: iperf3 TCP $way" measure "snat, TCP $way" ct -c $snat -p 5202 $way
	check "IPv6 to IPv4: iperf3 TCP $way" measure "6 to 4, TCP $way" ct -c 2001:db8::122 -p 5202 $way
done
check 'nat: iperf3 UDP' measure 'nat, UDP' far -c $nat -p 5201 -u -b 200M -l 1400
check 'snat: iperf3 UDP' measure 'snat, UDP' ct -c $snat -p 5202 -u -b 200M -l 1400

check 'status tells of SNAT sessions and of replies' \
	is "$(status_of '.snat.sessions > 0 and .vips["snat-web"].servers.pacs1.reply_frames +
		.vips["snat-web"].servers.pacs2.reply_frames > 0')" true
status_of '.snat' | sed 's/^/      /'
check_identity
check 'gantry stops on SIGTERM with exit code 0' lab_gantry_stop
lab_finish
