#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# NAT: nat.sh [af_packet|af_xdp]. Clients in another subnet, behind a router that is gantry's gateway, and one on
# gantry's own wire. Servers keep their settings but for the way back: what they answer as a service goes to
# gantry, by port (pacs1, pacs2) or by the clients' subnet (pacs3). Studies, retrieval with its connection
# back to the client, bulk; and a server that goes away. Judged as in snat.sh.
# shellcheck source=test/lab/common.sh
. "$(dirname "$0")/common.sh"

device=${1:-af_packet}
megabytes=${LAB_MEGABYTES:-200}
export LAB_SECONDS=${LAB_SECONDS:-1}
# shellcheck disable=SC2034 # for lab_build
lab_plain_servers=yes
lab_begin_on "$device" storescp storescu echoscu movescu dcmqrscp dcmdump img2dcm iperf3 curl tcpdump tshark ping

# name, address, protocol, port; the servers' port
vips='
pacs   192.0.2.100    tcp 104,11112 -
qr     192.0.2.100    tcp 11113     -
web    192.0.2.100    tcp 80        8080
echo   192.0.2.100    tcp 7         7007
speed  192.0.2.100    tcp 5201      -
speedu 192.0.2.100    udp 5201      -
web6   2001:db8::100  tcp 80        8080
spd6   2001:db8::100  tcp 5201      -
spd6u  2001:db8::100  udp 5201      -'
vips=${vips:1}
far4=203.0.113.51 far6=2001:db8:1::51

config() {
	local name vip protocol ports port n
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
		gateway = 192.0.2.1, 2001:db8::1
	END
	while read -r name vip protocol ports port; do
		printf '\n[vip %s]\ninterface = lan\naddress = %s\nprotocol = %s\nport = %s\n' \
			"$name" "$vip" "$protocol" "${ports/,/, }"
		printf 'mode = nat\ncheck = none\n'
		# The two connections of a measurement meet at one server; a study is where it was stored.
		[[ $name != sp* ]] || printf 'persistence = source\npersistence_group = %s\n' "${name%u}"
		[ "$name" != qr ] || echo 'policy = failover'
		for n in 1 2 3; do
			printf '[server %s/pacs%d]\naddress = %s\n' "$name" $n \
				"$([[ $vip = *:* ]] && echo 2001:db8::1$n || echo 192.0.2.1$n)"
			[ "$port" = - ] || printf 'port = %s\n' "$port"
		done
	done <<<"$vips"
}
config >"$lab_dir/gantry.ini"

# The router, and a client behind it.
lab_node edge 02:00:00:00:03:01
lab_addresses edge 1
ip netns add "$lab_id-far"
lab_sysctl far net/ipv4/conf/{all,default}/rp_filter=0 net/ipv6/conf/{all,default}/accept_dad=0
ip -n "$lab_id-edge" link add name far type veth peer name eth0 netns "$lab_id-far"
ip -n "$lab_id-edge" link set dev far up
ip -n "$lab_id-edge" address add 203.0.113.1/24 dev far
ip -n "$lab_id-edge" address add 2001:db8:1::1/64 dev far nodad
lab_sysctl edge net/ipv4/ip_forward=1 net/ipv6/conf/all/forwarding=1
ip -n "$lab_id-far" link set dev lo up
ip -n "$lab_id-far" link set dev eth0 up
ip -n "$lab_id-far" address add $far4/24 dev eth0
ip -n "$lab_id-far" address add $far6/64 dev eth0 nodad
ip -n "$lab_id-far" route add 192.0.2.0/24 via 203.0.113.1
ip -n "$lab_id-far" route add 2001:db8::/64 via 2001:db8:1::1

# The way back. Best by port: what a service says goes to gantry, and connections of the server's own, such
# as C-MOVE's to the client, take the way they always took. It covers clients on the same wire, too.
for server in pacs1 pacs2; do
	ip -n "$lab_id-$server" route add 203.0.113.0/24 via 192.0.2.1
	ip -n "$lab_id-$server" route add 2001:db8:1::/64 via 2001:db8::1
	ip -n "$lab_id-$server" route add default via 192.0.2.2 table 100
	ip -n "$lab_id-$server" -6 route add default via 2001:db8::2 table 100
	for port in tcp.104 tcp.11112 tcp.11113 tcp.8080 tcp.7007 tcp.5201 udp.5201; do
		ip -n "$lab_id-$server" rule add ipproto ${port%.*} sport ${port#*.} table 100
		ip -n "$lab_id-$server" -6 rule add ipproto ${port%.*} sport ${port#*.} table 100
	done
done
# Plain: all that the server ever says to these clients goes to gantry.
ip -n "$lab_id-pacs3" route add 203.0.113.0/24 via 192.0.2.2
ip -n "$lab_id-pacs3" route add 2001:db8:1::/64 via 2001:db8::2
ip -n "$lab_id-pacs3" route add 192.0.2.51/32 via 192.0.2.2
ip -n "$lab_id-pacs3" route add 2001:db8::51/128 via 2001:db8::2
lab_gantry

# What a server says of whoever stored: "PEER CALLING-AE FILE", a line for each image.
lab_archives --disable-host-lookup --exec-sync --exec-on-reception 'echo stored #r #a #f'
mkdir "$lab_dir/www"
head -c "${megabytes}M" /dev/urandom >"$lab_dir/www/volume.raw"
head -c 512K /dev/urandom >"$lab_dir/www/small.raw"
for server in $lab_servers; do
	lab_start "iperf3.$server" "$server" iperf3 -s
	lab_start "http.$server" "$server" /usr/bin/python3 -u -m http.server --bind :: -d "$lab_dir/www" 8080
	lab_start "echo.$server" "$server" /usr/bin/python3 "$lab_here/echo.py" serve "$server" 7007
	echo "$lab_pid" >"$lab_dir/echo.$server"
	disown "$lab_pid" # its end is no news
done
# The archive that gives back knows one modality, by its AE title and its address.
mkdir "$lab_dir/qr" "$lab_dir/moved"
cat >"$lab_dir/qr.cfg" <<-END
	NetworkTCPPort = 11113
	MaxPDUSize = 16384
	MaxAssociations = 16
	HostTable BEGIN
	far = (FAR, $far4, 11114)
	HostTable END
	VendorTable BEGIN
	VendorTable END
	AETable BEGIN
	QR $lab_dir/qr RW (100, 1024mb) far
	AETable END
END
lab_start qr pacs1 dcmqrscp -v --disable-host-lookup -c "$lab_dir/qr.cfg"
for server in $lab_servers; do
	for port in 5201 8080 7007; do
		lab_wait 10 lab_listens "$server" $port
	done
done
lab_wait 10 lab_listens pacs1 11113

# shellcheck disable=SC2086 # a list
lab_finishes_frames far ct edge $lab_servers
lab_in edge ethtool -K far tx off sg off tso off gso off >/dev/null
for node in far ct $lab_servers; do
	lab_capture "$node" 'ip or ip6'
done

for vip in 192.0.2.100 2001:db8::100; do
	check "ping of $vip, through the router" lab_wait 8 lab_in far ping -q -c 3 -i 0.1 -W 2 -s 1400 "$vip"
done

# ---- studies ----

lab_python "$lab_here/dicom.py" make "$lab_dir/sent" 24 100
for client in far ct; do
	check "$client: C-ECHO to the VIP" \
		lab_in $client timeout 20 echoscu -aet "${client^^}" -aec PACS 192.0.2.100 11112
done
files=("$lab_dir"/sent/*.dcm)
for client in far ct; do
	for port in 104 11112 104 11112 104 11112; do
		lab_job storescu "$client" timeout 60 storescu -aet "${client^^}" -aec PACS \
			192.0.2.100 $port "${files[@]:0:2}"
		files=("${files[@]:2}")
	done
done
lab_jobs_end
check 'all 12 associations, from behind the router and from the same wire, succeed' is $lab_jobs_failed 0
check 'every image arrives once, and the same to the last bit' lab_python "$lab_here/dicom.py" \
	compare "$lab_dir/sent" "$lab_dir"/disk/*
sum=0
for server in $lab_servers; do
	told=$(connections_of "$server" pacs)
	check "$server: gantry counts the associations that the archive saw" \
		is "$told" "$(lab_associations "$server")"
	check "$server: gets a share of them" [ "$told" -gt 0 ]
	sum=$((sum + told))
done
check 'none is counted twice or not at all' is $sum 14
check "the archives see each client's own address" is \
	"$(sed -n 's/.*stored \([^ ]*\) \([A-Z]*\) [CS][TC]\..*/\1 \2/p' "$lab_dir"/log/pacs* | sort | uniq -c | xargs)" \
	"12 192.0.2.51 CT 12 $far4 FAR"

# ---- retrieval: the archive connects to the client, past gantry ----

study=${files[0]:-$(echo "$lab_dir"/sent/*-003.dcm)}
check 'a study is stored at an archive that knows its clients by address' lab_in far timeout 20 \
	storescu -aet FAR -aec QR 192.0.2.100 11113 "$study"
uid=$(dcmdump +P StudyInstanceUID "$study" | sed 's/.*\[\(.*\)\].*/\1/')
move() {
	lab_in far timeout 20 movescu -S -aet FAR -aem FAR -aec QR +P 11114 -od "$lab_dir/moved" \
		-k QueryRetrieveLevel=STUDY -k StudyInstanceUID="$uid" 192.0.2.100 11113
}
check 'movescu gets it back' move
mkdir "$lab_dir/asked"
cp "$study" "$lab_dir/asked"
check 'the same to the last bit' lab_python "$lab_here/dicom.py" compare "$lab_dir/asked" "$lab_dir/moved"
check 'the connection back did not pass gantry' is "$(status_of '.drops["not-ours"] // 0')" 0
# pacs3 sends all to gantry, which is no router: a connection of its own does not arrive.
lab_start web.far far /usr/bin/python3 -m http.server 9000
lab_wait 10 lab_listens far 9000
check 'a server with the by-port rule reaches the client' \
	lab_in pacs1 timeout 5 curl -sSf -o "$lab_dir/index" "http://$far4:9000/"
! lab_in pacs3 timeout 1 curl -sSf -o /dev/null "http://$far4:9000/" || reached=yes
check 'a server whose only way to the client is gantry does not' is "${reached:-no}" no
check 'and gantry says so: not-ours' test "$(status_of '.drops["not-ours"]')" -gt 0

# ---- a little of all, and what tshark finds in it ----

small=$lab_dir/www/small.raw
check 'curl' lab_download far http://192.0.2.100/small.raw "$small"
check 'curl, client on the same wire' lab_download ct http://192.0.2.100/small.raw "$small"
check 'curl over IPv6' lab_download far "http://[2001:db8::100]/small.raw" "$small"
check 'curl over IPv6, client on the same wire' lab_download ct "http://[2001:db8::100]/small.raw" "$small"
check 'iperf3 UDP, short' lab_iperf far UDP -c 192.0.2.100 -u -b 20M -l 1400
check 'iperf3 UDP over IPv6, short' lab_iperf far UDP -c 2001:db8::100 -u -b 20M -l 1400

# ---- a server goes away ----

ctl=("$GANTRYCTL" -s "$lab_dir/gantry.sock")
talk() { # CLIENT COMMAND...: sets name, outcome, ms and other
	local client=$1
	shift
	name=none outcome=none ms=999999 other=none
	read -r name outcome ms other < <(lab_in "$client" timeout 20 /usr/bin/python3 "$lab_here/echo.py" \
		talk 192.0.2.100 7 "$@" 2>>"$lab_dir/log/talk") || true
	printf '      %s: %s after %s ms, then %s\n' "$name" "$outcome" "$ms" "$other"
}
for client in far ct; do
	talk $client "${ctl[@]}" disable 'echo/{}'
	check "$client: its server is disabled: a reset at once" is "$outcome" reset
	check "$client: in less than 200 ms after its next packet" test "${ms%.*}" -lt 200
	check "$client: the retry meets another" test "$name" != "$other"
	lab_ctl enable "echo/$name" >/dev/null
done
# Killed, its kernel says so itself, and gantry passes it on. (Nothing checks here, so the retry may meet
# the same machine; it is given time to start again.)
talk far sh -c "kill -KILL \$(cat $lab_dir/echo.{}) && ip netns exec $lab_id-{} \\
	/usr/bin/python3 $lab_here/echo.py serve {} 7007 >/dev/null 2>&1 </dev/null & sleep 0.5"
check 'far: its server is killed: it learns it from the server' grep -Eqx 'reset|closed' <<<"$outcome"
check 'far: at once' test "${ms%.*}" -lt 200

lab_captures_end
# shellcheck disable=SC2086 # a list
check_captures far ct $lab_servers
n=$(tshark -n -r "$lab_dir/far.pcap" 2>/dev/null | wc -l)
printf '      far: %d frames looked at\n' "$n"
check 'far: these were many' test "$n" -gt 1000
n=$(tshark -n -r "$lab_dir/far.pcap" -Y 'tcp.flags.reset == 1 and ip.src == 192.0.2.100 and tcp.srcport == 7' 2>/dev/null | wc -l)
check 'far: a reset came from the VIP' test "$n" -gt 0

# ---- bulk ----

volume=$lab_dir/www/volume.raw
check "curl gets $megabytes MB, unharmed" lab_download far http://192.0.2.100/volume.raw "$volume"
check "curl gets $megabytes MB over IPv6, unharmed" lab_download ct "http://[2001:db8::100]/volume.raw" "$volume"
check 'iperf3 TCP' lab_iperf far "$device, TCP" -c 192.0.2.100
check 'iperf3 TCP, from the server to the client' lab_iperf far "$device, TCP back" -R -c 192.0.2.100
check 'iperf3 TCP over IPv6' lab_iperf ct "$device, TCP, IPv6" -c 2001:db8::100
check 'iperf3 UDP' lab_iperf far "$device, UDP" -c 192.0.2.100 -u -b 200M -l 1400

# ---- an archive goes away in the midst of a study ----

# Ten times twenty images: long enough to be interrupted.
lab_in far timeout 60 storescu -aet FAR -aec PACS --repeat 200 192.0.2.100 104 "$lab_dir"/sent/*-00[0-3].dcm \
	>>"$lab_dir/log/interrupted" 2>&1 &
interrupted=$!
has_begun() { lab_in far ss -Hnto "dport = :104" | grep -q ESTAB; }
lab_wait 10 has_begun
sleep 0.5
busy=$(lab_in far ss -Hnt 'dport = :104' | wc -l)
check 'a long association is under way' is "$busy" 1
for server in $lab_servers; do
	[ -z "$(lab_in "$server" ss -Hnt state established 'sport = :104')" ] || archive=$server
done
lab_ctl disable "pacs/$archive" >/dev/null
start=${EPOCHREALTIME/./}
! wait $interrupted || ended=well
ms=$(((${EPOCHREALTIME/./} - start) / 1000))
printf '      storescu to %s ended after %d ms\n' "$archive" $ms
check 'storescu fails' is "${ended:-ill}" ill
check 'in less than a second' test $ms -lt 1000
before=$(lab_associations "$archive")
check 'the retry succeeds' lab_in far timeout 20 storescu -aet FAR -aec PACS 192.0.2.100 104 "${study}"
check 'elsewhere' is "$(lab_associations "$archive")" "$before"
lab_ctl enable "pacs/$archive" >/dev/null

check 'no reply was lost for want of a MAC: who had asked for a VIP was known' \
	is "$(status_of '.drops["no-neighbour"] // 0')" 0

# ---- a machine is cut off, and the operator (one day a check) says so ----

talk far sh -c "ip -n $lab_id-{} link set dev eth0 down && $GANTRYCTL -s $lab_dir/gantry.sock disable echo/{}"
check 'its machine is gone and disabled: a reset' is "$outcome" reset
check 'in less than 200 ms after its next packet' test "${ms%.*}" -lt 200
check 'the retry meets another machine' test "$name" != "$other"

# shellcheck disable=SC2086 # lists
check 'no kernel refused a packet for its checksum or header' is \
	"$(refused_packets far edge ct $lab_servers)" ''
check_identity
check 'gantry stops on SIGTERM with exit code 0' lab_gantry_stop
lab_finish
