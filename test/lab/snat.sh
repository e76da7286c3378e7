#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# SNAT: snat.sh [af_packet|af_xdp|tap]. Servers that know nothing of gantry: no VIP, no route, no setting. Studies,
# bulk by HTTP and iperf3, IPv6 clients of IPv4 servers and the other way round; two clients that use the
# same port at the same time. Judged by the archives' disks, what servers say of their peers, the kernels'
# counters, and tshark on both sides.
# shellcheck source=test/lab/common.sh
. "$(dirname "$0")/common.sh"

device=${1:-af_packet}
megabytes=${LAB_MEGABYTES:-200}
export LAB_SECONDS=${LAB_SECONDS:-1}
# shellcheck disable=SC2034 # for lab_build
lab_plain_servers=yes
lab_begin_on "$device" storescp storescu echoscu img2dcm iperf3 curl tcpdump tshark ping

# name, VIP, protocol, port; the servers' port, family
vips='
pacs   192.0.2.100    tcp 104,11112 -    4
web    192.0.2.100    tcp 80        8080 4
speed  192.0.2.100    tcp 5201      -    4
speedu 192.0.2.100    udp 5201      -    4
web66  2001:db8::100  tcp 8080      -    6
web64  2001:db8::100  tcp 80        8080 4
spd64  2001:db8::100  tcp 5201      -    4
spd64u 2001:db8::100  udp 5201      -    4
web46  192.0.2.101    tcp 80        8080 6
spd46  192.0.2.101    tcp 5201      -    6
spd46u 192.0.2.101    udp 5201      -    6'
vips=${vips:1}

config() {
	local name vip protocol ports port family n
	cat <<-END
		[gantry]
		name = $lab_id
		seed = 2026
		hugepages = no
		workers = ${LAB_WORKERS:-1}
		control = $lab_dir/gantry.sock

		[interface lan]
		device = $(lab_device "$device")
		address = 192.0.2.2/24, 2001:db8::2/64
	END
	while read -r name vip protocol ports port family; do
		printf '\n[vip %s]\ninterface = lan\naddress = %s\nprotocol = %s\nport = %s\n' \
			"$name" "$vip" "$protocol" "${ports/,/, }"
		printf 'mode = snat\ncheck = none\n'
		# The two connections of a measurement meet at one server.
		[[ $name != sp* ]] || printf 'persistence = source\npersistence_group = %s\n' "${name%u}"
		for n in 1 2 3; do
			printf '[server %s/pacs%d]\naddress = %s\n' "$name" $n \
				"$([ "$family" = 4 ] && echo 192.0.2.1$n || echo 2001:db8::1$n)"
			[ "$port" = - ] || printf 'port = %s\n' "$port"
		done
	done <<<"$vips"
}
config >"$lab_dir/gantry.ini"
lab_gantry

# What a server says of whoever stored: "PEER CALLING-AE FILE", a line for each image.
lab_archives --disable-host-lookup --exec-sync --exec-on-reception 'echo stored #r #a #f'
mkdir "$lab_dir/www"
head -c "${megabytes}M" /dev/urandom >"$lab_dir/www/volume.raw"
for client in ct mr us xa; do
	head -c 512K /dev/urandom >"$lab_dir/www/$client.raw"
done
for server in $lab_servers; do
	lab_start "iperf3.$server" "$server" iperf3 -s
	lab_start "http.$server" "$server" /usr/bin/python3 -u -m http.server --bind :: -d "$lab_dir/www" 8080
done
for server in $lab_servers; do
	lab_wait 10 lab_listens "$server" 5201
	lab_wait 10 lab_listens "$server" 8080
done

# shellcheck disable=SC2086 # lists
lab_finishes_frames $lab_clients $lab_servers
for node in $lab_clients $lab_servers; do
	lab_capture "$node" 'ip or ip6'
done

# ---- ping ----

for vip in 192.0.2.100 192.0.2.101 2001:db8::100; do
	check "ping of $vip" lab_wait 8 lab_in ct ping -q -c 3 -i 0.1 -W 2 -s 1400 "$vip"
done

# ---- studies ----

lab_python "$lab_here/dicom.py" make "$lab_dir/sent" 32 100
for client in $lab_clients; do
	check "$client: C-ECHO to the VIP" \
		lab_in "$client" timeout 20 echoscu -aet "${client^^}" -aec PACS $lab_vip4 11112
done
files=("$lab_dir"/sent/*.dcm)
for client in $lab_clients; do
	for port in 104 11112 104 11112; do
		lab_job storescu "$client" timeout 60 storescu -aet "${client^^}" -aec PACS \
			$lab_vip4 $port "${files[@]:0:2}"
		files=("${files[@]:2}")
	done
done
lab_jobs_end
check 'all 16 associations of four modalities at once succeed' is $lab_jobs_failed 0
check 'every image arrives once, and the same to the last bit' lab_python "$lab_here/dicom.py" \
	compare "$lab_dir/sent" "$lab_dir"/disk/*
sum=0
for server in $lab_servers; do
	told=$(connections_of "$server" pacs)
	check "$server: gantry counts the associations that the archive saw" \
		is "$told" "$(lab_associations "$server")"
	sum=$((sum + told))
done
check 'none is counted twice or not at all' is $sum 20
check "the archives see gantry's address, and no other" is \
	"$(sed -n 's/.*stored \([^ ]*\) [A-Z]* [CS][TC]\..*/\1/p' "$lab_dir"/log/pacs* | sort | uniq -c | xargs)" '32 192.0.2.2'

# ---- four clients, the same port, the same moment; three servers, so at least two have the same ----

for client in ct mr us xa; do
	lab_job "curl.$client" $client timeout 30 curl -gsSf --local-port 40000 --limit-rate 1M \
		-o "$lab_dir/got.$client" "http://$lab_vip4/$client.raw"
	lab_job "curl6.$client" $client timeout 30 curl -gsSf --local-port 40001 --limit-rate 1M \
		-o "$lab_dir/got6.$client" "http://[$lab_vip6]/$client.raw"
done
lab_jobs_end
check 'four clients over IPv4 and IPv6, each from the same port, are served at once' is $lab_jobs_failed 0
unmixed() {
	local client
	for client in ct mr us xa; do
		cmp "$lab_dir/got.$client" "$lab_dir/www/$client.raw" || return
		cmp "$lab_dir/got6.$client" "$lab_dir/www/$client.raw" || return
	done
}
check 'and each got its own file' unmixed

# ---- every family to every family, and what tshark finds in it ----

small=$lab_dir/www/ct.raw
check 'curl, IPv6 client, IPv6 servers' lab_download ct "http://[$lab_vip6]:8080/ct.raw" "$small"
check 'curl, IPv6 client, IPv4 servers' lab_download mr "http://[$lab_vip6]/ct.raw" "$small"
check 'curl, IPv4 client, IPv6 servers' lab_download us "http://192.0.2.101/ct.raw" "$small"
check 'iperf3 UDP, short' lab_iperf ct UDP -c $lab_vip4 -u -b 20M -l 1400
check 'iperf3 UDP, short, IPv6 client, IPv4 servers' lab_iperf mr UDP -c $lab_vip6 -u -b 20M -l 1400
check 'iperf3 UDP, short, IPv4 client, IPv6 servers' lab_iperf us UDP -c 192.0.2.101 -u -b 20M -l 1400
lab_captures_end
# shellcheck disable=SC2086 # lists
check_captures $lab_clients $lab_servers
# tshark's answer must come from frames, not from their absence.
captured() { tshark -n -r "$lab_dir/$1.pcap" 2>/dev/null | wc -l; }
for node in ct pacs1; do
	n=$(captured $node)
	printf '      %s: %d frames looked at\n' $node "$n"
	check "$node: these were many" test "$n" -gt 1000
done
# Addresses of clients in TCP and UDP at a server, and of servers at a client.
strangers() { tshark -n -r "$lab_dir/$1.pcap" -Y "(tcp or udp) and $2" 2>/dev/null | head -3; }
for server in $lab_servers; do
	check "$server: no client's address nor a VIP came" is \
		"$(strangers "$server" '(ip.addr in {192.0.2.51..192.0.2.101} or ipv6.addr in {2001:db8::51..2001:db8::100})')" ''
done
check 'ct: no server spoke to it by its own name' is \
	"$(strangers ct '(ip.addr in {192.0.2.2..192.0.2.13} or ipv6.addr in {2001:db8::2..2001:db8::13})')" ''

# ---- bulk ----

volume=$lab_dir/www/volume.raw
check "curl gets $megabytes MB, unharmed" lab_download ct "http://$lab_vip4/volume.raw" "$volume"
check "curl gets $megabytes MB over IPv6 from IPv4 servers, unharmed" \
	lab_download mr "http://[$lab_vip6]/volume.raw" "$volume"
check 'iperf3 TCP' lab_iperf us "$device, TCP" -c $lab_vip4
check 'iperf3 TCP, from the server to the client' lab_iperf us "$device, TCP back" -R -c $lab_vip4
check 'iperf3 UDP' lab_iperf us "$device, UDP" -c $lab_vip4 -u -b 200M -l 1400
check 'iperf3 TCP, IPv6 client, IPv4 servers' lab_iperf xa "$device, TCP, 6 to 4" -c $lab_vip6
check 'iperf3 TCP, IPv4 client, IPv6 servers' lab_iperf xa "$device, TCP, 4 to 6" -c 192.0.2.101
# shellcheck disable=SC2086 # lists
check 'no kernel refused a packet for its checksum or header' is \
	"$(refused_packets $lab_clients $lab_servers)" ''
check 'no reply was lost for want of a MAC: who had asked for a VIP was known' \
	is "$(status_of '.drops["no-neighbour"] // 0')" 0

check_identity
check 'gantry stops on SIGTERM with exit code 0' lab_gantry_stop
lab_finish
