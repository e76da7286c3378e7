#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Tunnels: tunnel.sh [af_packet|af_xdp]. Studies and bulk through ipip, gre and gue, over IPv4 and over IPv6,
# to archives that unwrap by a program that shares nothing with gantry (decapsulate.py); clients that learn
# what fits, from gantry and from a router with a narrow link between it and an archive elsewhere; and
# tshark's opinion of every packet. Judged by the archives' disks, the clients' kernels and the capture.
# shellcheck source=test/lab/common.sh
. "$(dirname "$0")/common.sh"

device=${1:-af_packet}
seconds=${LAB_SECONDS:-1}
lab_begin_on "$device" storescp storescu img2dcm iperf3 tcpdump tshark
[ -c /dev/net/tun ] || lab_skip 'no /dev/net/tun'

# name, VIP, encapsulation, servers, what a client's packet may have: 1500 less the outer headers
tunnels='
ipip    192.0.2.101    ipip 192.0.2.11,192.0.2.12       1480
gre     192.0.2.102    gre  192.0.2.11,192.0.2.12       1476
gue     192.0.2.103    gue  192.0.2.11,192.0.2.12       1468
ipip46  192.0.2.104    ipip 2001:db8::11,2001:db8::12   1460
gre46   192.0.2.105    gre  2001:db8::11,2001:db8::12   1456
gue46   192.0.2.106    gue  2001:db8::11,2001:db8::12   1448
ipip64  2001:db8::101  ipip 192.0.2.11,192.0.2.12       1480
ipip66  2001:db8::102  ipip 2001:db8::11,2001:db8::12   1460
gre66   2001:db8::103  gre  2001:db8::11,2001:db8::12   1456
gue66   2001:db8::104  gue  2001:db8::11,2001:db8::12   1448
far     192.0.2.107    gre  198.51.100.11               1376
far6    2001:db8::107  ipip 198.51.100.11               1380'
tunnels=${tunnels:1}

config() {
	local name vip encapsulation servers mtu port n
	cat <<-END
		[gantry]
		name = lab
		hugepages = no
		control = $lab_dir/gantry.sock

		[interface lan]
		device = $(lab_device "$device")
		address = 192.0.2.2/24, 192.0.2.3/24, 2001:db8::2/64
		gateway = 192.0.2.1
	END
	while read -r name vip encapsulation servers mtu; do
		for port in tcp.104 tcp.5201 udp.5000; do
			printf '\n[vip %s-%s]\ninterface = lan\naddress = %s\nprotocol = %s\nport = %s\n' \
				"$name" "${port#*.}" "$vip" "${port%.*}" "${port#*.}"
			printf 'mode = tunnel\nencapsulation = %s\ncheck = none\n' "$encapsulation"
			[ $port != tcp.5201 ] || echo 'persistence = source'
			n=1
			for server in ${servers//,/ }; do
				printf '[server %s-%s/s%d]\naddress = %s\n' "$name" "${port#*.}" $n "$server"
				n=$((n + 1))
			done
		done
	done <<<"$tunnels"
}
config >"$lab_dir/gantry.ini"

# An archive elsewhere: behind a router, and a link of 1400 bytes.
lab_node edge 02:00:00:00:03:01
lab_addresses edge 1
ip netns add "$lab_id-far"
ip -n "$lab_id-edge" link add name far type veth peer name eth0 netns "$lab_id-far"
ip -n "$lab_id-edge" address add 198.51.100.1/24 dev far
ip -n "$lab_id-edge" link set dev far mtu 1400 up
lab_sysctl edge net/ipv4/ip_forward=1
lab_sysctl far net/ipv4/conf/{all,default}/rp_filter=0 net/ipv6/conf/{all,default}/accept_dad=0
ip -n "$lab_id-far" link set dev lo up
ip -n "$lab_id-far" link set dev eth0 mtu 1400 up
ip -n "$lab_id-far" address add 198.51.100.11/24 dev eth0
# No default route: storescp would ask a name server there who its clients are, and wait.
ip -n "$lab_id-far" route add 192.0.2.0/24 via 198.51.100.1

far_ends='pacs1 pacs2 far'
for server in $far_ends; do
	while read -r name vip rest; do
		case $vip in
		*:*) ip -n "$lab_id-$server" address add "$vip/128" dev lo nodad ;;
		*) ip -n "$lab_id-$server" address add "$vip/32" dev lo ;;
		esac
	done <<<"$tunnels"
	lab_start "tunnel.$server" "$server" /usr/bin/python3 "$lab_here/decapsulate.py" gtun
	declare "decapsulator_$server=$lab_pid"
	lab_wait 10 grep -q listening "$lab_dir/log/tunnel.$server"
	ip -n "$lab_id-$server" link set dev gtun up
	mkdir -p "$lab_dir/disk/$server"
	lab_start "scp.$server" "$server" storescp +xa +B --fork -od "$lab_dir/disk/$server" 104
	lab_start "iperf3.$server" "$server" iperf3 -s
done
for server in $far_ends; do
	lab_wait 10 lab_listens "$server" 104
	lab_wait 10 lab_listens "$server" 5201
done
lab_gantry

measure() { # CLIENT WORDS VIP: TCP at speed; one line of what it measured
	lab_in "$1" timeout $((seconds + 20)) iperf3 -J -t "$seconds" -c "$3" >"$lab_dir/iperf.json" || {
		jq -r '.error // "no answer"' "$lab_dir/iperf.json"
		return 1
	}
	jq -r --arg words "$2" '.end.sum_received.bits_per_second / 1e6 | round |
		"      \($words): \(.) Mbit/s"' "$lab_dir/iperf.json"
	jq -e '.end.sum_received.bytes > 1e6' "$lab_dir/iperf.json" >/dev/null
}

# All that reaches an archive from gantry, for tshark.
for server in pacs1 pacs2; do
	lab_start "tcpdump.$server" "$server" tcpdump -ni eth0 -s 0 -B 16384 -U -w "$lab_dir/$server.pcap" \
		'ether src 02:00:00:00:00:02 and (ip or ip6)'
	declare "tcpdump_$server=$lab_pid"
	lab_wait 10 test -s "$lab_dir/$server.pcap"
done

# ---- studies: the first of them also finds out, by TCP, what fits ----

lab_python "$lab_here/dicom.py" make "$lab_dir/sent" 28 400
files=("$lab_dir"/sent/*.dcm)
learned() { lab_in "$1" ip route get "$2" | grep -o 'mtu [0-9]*' | cut -d' ' -f2; }
while read -r name vip encapsulation servers mtu; do
	[[ $vip != *:* ]] || continue
	for client in ct mr; do
		lab_job "storescu.$name" $client timeout 60 storescu -aec PACS "$vip" 104 "${files[@]:0:2}"
		files=("${files[@]:2}")
	done
	lab_jobs_end
	check "$name: associations of two modalities succeed" is $lab_jobs_failed 0
	check "$name: TCP came to know that $mtu bytes fit" is "$(learned ct "$vip")" "$mtu"
done <<<"$tunnels"
check 'every image arrives once, and the same to the last bit' \
	lab_python "$lab_here/dicom.py" compare "$lab_dir/sent" "$lab_dir"/disk/*

# ---- what fits, by UDP with DF ----

while read -r name vip encapsulation servers mtu; do
	lab_job "pmtu.$name" xa /usr/bin/python3 "$lab_here/pmtu.py" "$vip" 5000
done <<<"$tunnels"
lab_jobs_end
while read -r name vip encapsulation servers mtu; do
	check "$name: UDP with DF came to know that $mtu bytes fit" \
		is "$(cat "$lab_dir/log/pmtu.$name")" "$mtu"
done <<<"$tunnels"

# ---- small ones from many ports: connections spread over what can vary outside ----

for vip in 192.0.2.101 192.0.2.102 192.0.2.103; do
	lab_in xa /usr/bin/python3 "$lab_here/datagrams.py" send "$vip" 5000 40 100 >/dev/null
done

# ---- datagrams in fragments, now of the right size: they arrive whole at one archive ----

# Over af_packet the kernel puts IPv4 fragments together before gantry sees them (docs/lab.md).
fragmented='2001:db8::101 2001:db8::102 2001:db8::103 2001:db8::104'
[ "$device" = af_packet ] || fragmented+=' 192.0.2.101 192.0.2.102 192.0.2.103 192.0.2.104'
for vip in $fragmented; do
	for server in pacs1 pacs2; do
		lab_start datagrams "$server" /usr/bin/python3 "$lab_here/datagrams.py" listen "$vip" 5000 \
			"$lab_dir/got.$vip.$server"
		lab_wait 5 lab_in "$server" sh -c "ss -Hlun 'sport = :5000' | grep -qF '$vip'"
	done
	lab_in xa /usr/bin/python3 "$lab_here/datagrams.py" send "$vip" 5000 8 4000 |
		sort >"$lab_dir/datagrams.sent"
	whole() { cat "$lab_dir/got.$vip".* | cut -d' ' -f2- | sort | cmp -s - "$lab_dir/datagrams.sent"; }
	check "$vip: eight datagrams of 4000 bytes arrive whole" lab_wait 5 whole
done

# A client that never sends DF: its fragments are refused and told as well, and it cuts smaller ones.
if [ "$device" != af_packet ]; then
	check 'gue: without DF, too, a client came to know that 1468 bytes fit' \
		is "$(lab_in us /usr/bin/python3 "$lab_here/pmtu.py" 192.0.2.103 5000 4000)" 1468
fi

# ---- the witness ----

kill -TERM "$tcpdump_pacs1" "$tcpdump_pacs2"
wait "$tcpdump_pacs1" "$tcpdump_pacs2" || true
for server in pacs1 pacs2; do
	pcap=$lab_dir/$server.pcap
	check "$server: tshark has no complaint about the tunnels' packets" is "$(complaints "$pcap")" ''
	read -r n ports lowest <<<"$(lab_python "$lab_here/gue_inside.py" "$pcap" "$lab_dir/inside.pcap")"
	printf '      %d GUE packets from %d ports\n' "$n" "$ports"
	check "$server: nor about what is in the GUE packets" is "$(complaints "$lab_dir/inside.pcap")" ''
	# Of the forty datagrams above about half: the bulk may have gone to the other one.
	check "$server: GUE comes from many ports, of the dynamic ones" \
		test "$n" -gt 6 -a "$ports" -gt 6 -a "$lowest" -ge 49152
	sources=$(tshark -r "$pcap" -Y 'ip.proto#1 == 4 || ip.proto#1 == 47' -T fields -E occurrence=f \
		-e ip.src 2>/dev/null | sort -u | tr '\n' ' ')
	check "$server: ipip and gre come from both addresses of the interface" \
		is "$sources" '192.0.2.2 192.0.2.3 '
done

# ---- bulk ----

while read -r name vip encapsulation servers mtu; do
	check "$name: iperf3" measure us "$name" "$vip"
done < <(grep -E '^(ipip|gre|gue|ipip46|ipip64|gue66) ' <<<"$tunnels")

for server in $far_ends; do
	pid=decapsulator_$server
	kill -TERM "${!pid}"
	wait "${!pid}" || true
	check "$server: nothing came that its end of the tunnel finds odd" \
		is "$(grep -c odd "$lab_dir/log/tunnel.$server" || true)" 0
	sed -n 's/^\(gre\|gue\|ipip\)/      \1/p' "$lab_dir/log/tunnel.$server"
done

check_identity
check 'gantry stops on SIGTERM with exit code 0' lab_gantry_stop
lab_finish
