#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The kernel path: kernel.sh [af_packet|af_xdp]. The balancer's own kernel has gantry's address on a TAP, and the
# programs that a site would run there run unchanged: ping, curl, dcmtk, HAProxy, keepalived and BIRD, each with a
# peer that is an ordinary Linux. Nothing of the VIPs comes there, nothing is answered twice, and a flood
# toward the own address does not take the VIPs' place.
# shellcheck source=test/lab/common.sh
. "$(dirname "$0")/common.sh"

device=${1:-af_packet}
export LAB_SECONDS=${LAB_SECONDS:-1}
rounds=${LAB_ROUNDS:-1}
own=192.0.2.2 own6=2001:db8::2
lab_begin_on "$device" ping arping curl ssh sshd storescp storescu echoscu haproxy keepalived bird birdc iperf3 nft tcpdump tshark

# ---- the balancer: what af_packet receives, the kernel below is to forget (docs/kernel.md) ----

mute() { # INTERFACE...
	local name
	for name; do
		lab_in lb nft "add table netdev $name; add chain netdev $name in { type filter hook ingress device $name priority 0; policy drop; }"
	done
}
# A wire of its own from the balancer to a node: wire NAME NODE MTU
wire() {
	ip -n "$lab_id-lb" link add name "$1" mtu "$3" type veth peer name "$1" mtu "$3" netns "$lab_id-$2"
	ip -n "$lab_id-lb" link set dev "$1" up
	ip -n "$lab_id-$2" link set dev "$1" up
	lab_in "$2" ethtool -K "$1" tx off >/dev/null
}

sed -i '/^address = 192.0.2.2/a kernel = tap0' "$lab_dir/gantry.ini"
if [ "$device" = af_packet ]; then
	mute eth0
	wire big us 9000
	wire tag xa 1500
	mute big tag
	cat >>"$lab_dir/gantry.ini" <<-END
		[interface big]
		device = net_af_packet1,iface=big,qdisc_bypass=1
		address = 10.9.0.2/24
		mtu = 9000
		kernel = tap9
		[interface tag]
		device = net_af_packet2,iface=tag,qdisc_bypass=1
		address = 10.7.0.2/24
		vlan = 7
		kernel = tap7
	END
	sed -i 's/^hugepages = no/&\nbuffer_size = 9408/' "$lab_dir/gantry.ini"
fi
lab_gantry
lab_archives
for node in $lab_servers; do
	lab_start "iperf3.$node" "$node" iperf3 -s -B "$lab_vip4"
done
lab_finishes_frames ct mr
head -c 30000000 /dev/urandom >"$lab_dir/file"
on_tap() { ip -j -n "$lab_id-lb" "$@" show dev tap0; }

check 'the TAP has the MAC and the MTU of the wire' \
	is "$(on_tap link | jq -r '.[0] | "\(.address) \(.mtu) \(.flags | index("UP") != null)"')" "$lab_mac 1500 true"
check 'and the own addresses' is "$(on_tap address | jq -r '[.[0].addr_info[] | select(.scope == "global")
	| "\(.local)/\(.prefixlen)"] | sort | join(" ")')" "$own/24 $own6/64"
check 'the host has no default route by it' is "$(ip -n "$lab_id-lb" route show default; ip -n "$lab_id-lb" -6 route show default)" ''

# ---- ping, both ways, and nothing twice ----

lab_capture ct
lab_capture mr 'arp or icmp or icmp6'
lab_start tcpdump.tap lb tcpdump -ni tap0 -s 96 --immediate-mode -U -w "$lab_dir/tap.pcap"
tap_capture=$lab_pid
lab_wait 10 grep -q 'listening on' "$lab_dir/log/tcpdump.tap"

pings() { # NODE TARGET [OPTION...]
	local node=$1 target=$2 said
	shift 2
	said=$(lab_in "$node" timeout 10 ping -c 3 -i 0.1 -W 3 "$@" "$target") || { tail -3 <<<"$said"; return 1; }
	! grep -i 'dup' <<<"$said"
}
check 'ping the balancer' pings ct $own
check 'by IPv6' pings ct $own6
check 'whole frames, not to be fragmented' pings ct $own -s 1472 -M "do"
check '8000 bytes, in fragments of IPv6' pings ct $own6 -s 8000
# The kernel puts IPv4 fragments together before af_packet has them (docs/lab.md).
[ "$device" = af_packet ] || check '8000 bytes, in fragments of IPv4' pings ct $own -s 8000
check 'the balancer pings an archive' pings lb 192.0.2.11
check 'by IPv6, in fragments' pings lb 2001:db8::11 -s 8000
check 'a client by its source address' pings lb 192.0.2.52 -I $own
if [ "$device" = af_packet ]; then
	ip -n "$lab_id-us" address add 10.9.0.9/24 dev big
	check 'MTU 9000, not to be fragmented' pings us 10.9.0.2 -s 8972 -M "do"
	check 'nor on the way there' pings lb 10.9.0.9 -s 8972 -M "do"
fi

# ---- a VLAN: this kernel has no tagged interfaces, so scapy is the peer ----

tagged_echo() {
	ip -n "$lab_id-lb" neigh add 10.7.0.9 lladdr 02:00:00:00:07:09 dev tap7
	lab_in xa /usr/bin/python3 - "$lab_mac_of_tag" <<-'END'
		import sys
		from scapy.all import *
		conf.verb = 0
		frame = Ether(dst=sys.argv[1], src="02:00:00:00:07:09") / Dot1Q(vlan=7) / \
			IP(src="10.7.0.9", dst="10.7.0.2") / ICMP(id=7, seq=1) / (b"x" * 1000)
		got = srp1(frame, iface="tag", timeout=5)
		assert got is not None, "no answer"
		assert got[Dot1Q].vlan == 7 and got[ICMP].type == 0 and got.src == sys.argv[1], got.summary()
		sums = got[IP].chksum, got[ICMP].chksum
		again = Ether(bytes(got))
		del again[IP].chksum, again[ICMP].chksum
		again = Ether(bytes(again))
		assert sums == (again[IP].chksum, again[ICMP].chksum), "checksum"
	END
}
if [ "$device" = af_packet ]; then
	lab_mac_of_tag=$(ip -j -n "$lab_id-lb" link show dev tag | jq -r '.[0].address')
	check 'a VLAN: the tag is taken off, and put on' tagged_echo
fi

# ---- programs ----

lab_start http.lb lb /usr/bin/python3 -m http.server -d "$lab_dir" -b $own 8000
lab_start http.ct ct /usr/bin/python3 -m http.server -d "$lab_dir" -b 192.0.2.51 8000
for node in $lab_servers; do
	lab_start "http.$node" "$node" /usr/bin/python3 -m http.server -d "$lab_dir" 8080
done
lab_wait 10 lab_listens lb 8000
lab_wait 10 lab_listens ct 8000
for node in $lab_servers; do
	lab_wait 10 lab_listens "$node" 8080
done
check '30 MB by HTTP from the balancer' lab_download ct http://$own:8000/file "$lab_dir/file"
check '30 MB by HTTP to the balancer' lab_download lb http://192.0.2.51:8000/file "$lab_dir/file" --interface $own

# sshd wants its directory, and keys of root's alone.
ssh_dir=$lab_dir/ssh
mkdir -m 0700 "$ssh_dir"
ssh-keygen -q -t ed25519 -N '' -f "$ssh_dir/host"
ssh-keygen -q -t ed25519 -N '' -f "$ssh_dir/me"
mkdir -p /run/sshd
lab_start sshd lb /usr/sbin/sshd -D -e -f /dev/null -p 22 -o "ListenAddress=$own" -h "$ssh_dir/host" -o UsePAM=no \
	-o "AuthorizedKeysFile=$ssh_dir/me.pub" -o StrictModes=no -o PermitRootLogin=yes -o PidFile=none
lab_wait 10 lab_listens lb 22
check 'ssh to the balancer' is "$(lab_in ct timeout 20 ssh -F /dev/null -i "$ssh_dir/me" -o BatchMode=yes -o UserKnownHostsFile=/dev/null \
	-o StrictHostKeyChecking=no -o LogLevel=ERROR root@$own 'echo $SSH_CONNECTION' | cut -d' ' -f1,3)" "192.0.2.51 $own"

mkdir "$lab_dir/inbox"
lab_python "$lab_here/dicom.py" make "$lab_dir/sent" 4 200
lab_start storescp.lb lb storescp -aet GANTRY +xa +B -od "$lab_dir/inbox" 11113
lab_wait 10 lab_listens lb 11113
check 'a study to an archive on the balancer itself' lab_in ct timeout 30 storescu -aec GANTRY $own 11113 "$lab_dir"/sent/*.dcm
check 'all of it' is "$(find "$lab_dir/inbox" -type f | wc -l)" 4
check 'C-ECHO from the balancer' lab_in lb timeout 30 echoscu 192.0.2.11 104

cat >"$lab_dir/haproxy.cfg" <<-END
	defaults
		mode http
		timeout connect 5s
		timeout client 10s
		timeout server 10s
	frontend web
		bind $own:8081
		default_backend archives
	backend archives
		option httpchk GET /gantry.ini
		server pacs1 192.0.2.11:8080 check inter 500
		server pacs2 192.0.2.12:8080 check inter 500
END
lab_start haproxy lb haproxy -db -f "$lab_dir/haproxy.cfg"
lab_wait 10 lab_listens lb 8081
check '30 MB through HAProxy on the balancer' lab_download mr http://$own:8081/file "$lab_dir/file"

# ---- keepalived: two routers, each the master of one address, so each must hear the other ----

vrrp() { # INTERFACE PRIORITY-OF-51 PRIORITY-OF-52
	local id
	echo 'global_defs { vrrp_garp_master_refresh 0 }'
	for id in 51 52; do
		cat <<-END
			vrrp_instance v$id {
				state BACKUP
				interface $1
				virtual_router_id $id
				priority $([ $id = 51 ] && echo "$2" || echo "$3")
				advert_int 1
				virtual_ipaddress { 192.0.2.2$id/24 }
			}
		END
	done
}
state_of() { grep -oE "\(v$2\\) Entering [A-Z]+ STATE" "$lab_dir/log/keepalived.$1" | tail -1 | grep -oE 'MASTER|BACKUP'; }
states() { echo "$(state_of lb 51) $(state_of us 51) $(state_of lb 52) $(state_of us 52)"; }
states_are() { [ "$(states)" = "$1" ]; }
vrrp tap0 150 50 >"$lab_dir/keepalived.lb"
vrrp eth0 100 100 >"$lab_dir/keepalived.us"
for node in lb us; do
	lab_start keepalived.$node $node keepalived --vrrp --dont-fork --log-console --log-detail --dump-conf \
		--use-file="$lab_dir/keepalived.$node" --pid="$lab_dir/$node.pid" --vrrp_pid="$lab_dir/$node.vrrp.pid"
done
check 'keepalived: each is master of its own, and hears the other' lab_wait 15 states_are 'MASTER BACKUP BACKUP MASTER'

# ---- BIRD: BGP with a router on the wire ----

bgp() { # NODE AS ADDRESS PEER-AS PEER TAP
	cat <<-END
		router id $3;
		protocol device {}
		protocol kernel { ipv4 { export all; }; }
		protocol static { ipv4; $([ "$1" = lb ] || echo 'route 198.18.0.0/24 blackhole;') }
		protocol bgp peer {
			local $3 as $2;
			neighbor $5 as $4;
			hold time 9;
			ipv4 { import all; export all; };
		}
	END
}
bgp lb 65001 $own 65002 192.0.2.51 >"$lab_dir/bird.lb"
bgp ct 65002 192.0.2.51 65001 $own >"$lab_dir/bird.ct"
for node in lb ct; do
	lab_start bird.$node $node bird -f -c "$lab_dir/bird.$node" -s "$lab_dir/$node.bird" -P "$lab_dir/$node.birdpid"
done
established() { birdc -s "$lab_dir/$1.bird" show protocols | grep -E '^peer .*Established'; }
check 'BIRD: the session is established' lab_wait 20 established lb
learned() { ip -n "$lab_id-lb" route get 198.18.0.1 | grep -q 'via 192.0.2.51 dev tap0'; }
check 'and what the router announced is a route of the host' lab_wait 10 learned

# ---- the VIPs meanwhile ----

check 'a study to the VIP' lab_in mr timeout 30 storescu -aec PACS $lab_vip4 11112 "$lab_dir"/sent/*.dcm
check 'a file from the VIP' lab_download mr http://$lab_vip4:8080/gantry.ini "$lab_dir/gantry.ini"
check 'ping the VIP' pings mr $lab_vip4

lab_captures_end
kill -INT "$tap_capture"
wait "$tap_capture" || true
frames_of() { tshark -nr "$lab_dir/$1.pcap" -Y "$2" 2>/dev/null | wc -l; }
check 'there was something on the TAP' [ "$(frames_of tap tcp)" -gt 1000 ]
check 'no frame of a VIP was' is "$(frames_of tap "ip.addr == $lab_vip4 || ipv6.addr == $lab_vip6")" 0
check 'no question of the wire either: main answers those' is "$(frames_of tap "arp.opcode == 1 && eth.src != $lab_mac && !arp.isgratuitous")" 0
check 'each ping was answered once' is "$(frames_of ct "icmp.type == 0 && ip.src == $own")" \
	"$(frames_of ct "icmp.type == 8 && ip.dst == $own")"
check 'each question for the own address, too' is "$(frames_of mr "arp.opcode == 2 && arp.src.proto_ipv4 == $own")" \
	"$(frames_of mr "arp.opcode == 1 && arp.dst.proto_ipv4 == $own && eth.src == 02:00:00:00:02:02")"
check_captures ct mr

# ---- a flood toward the own address ----

testpmd=$(command -v dpdk-testpmd || true)
flood() { # DESTINATION: UDP, as fast as a core makes it, for as long as the measurement takes
	lab_start flood us timeout 20 "$testpmd" --no-pci --no-huge -m 256 --no-telemetry --file-prefix="$lab_id-flood" \
		--lcores '0@0,1@0' --vdev 'net_af_packet0,iface=eth0,qdisc_bypass=1' -- --forward-mode=txonly \
		--eth-peer=0,$lab_mac --tx-ip="192.0.2.53,$1" --tx-udp=9,9 --txpkts=64 --total-num-mbufs=4096 \
		--auto-start --stats-period 10
	flood_pid=$lab_pid
	sleep 1.2
}
flood_end() {
	kill -INT "$flood_pid" 2>/dev/null || true
	wait "$flood_pid" || true
}
mbits() { lab_in mr timeout 20 iperf3 -J -t "$LAB_SECONDS" -c $lab_vip4 | jq '.end.sum_received.bits_per_second / 1e6 | round'; }
median() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
measure() { # one round: no flood, one that the worker drops, one that goes to the kernel path
	mbits >>"$lab_dir/quiet"
	flood $lab_vip4
	mbits >>"$lab_dir/dropped"
	flood_end
	flood $own
	status_of '.frames.in' >"$lab_dir/before"
	mbits >>"$lab_dir/kernel"
	status_of '.frames.in' >"$lab_dir/after"
	lab_ctl servers >/dev/null && echo yes >>"$lab_dir/answers"
	lab_in ct ping -c 3 -i 0.2 -W 2 $lab_vip4 >/dev/null && echo yes >>"$lab_dir/vip-pings"
	lab_in ct arping -qc 1 -w 3 -I eth0 $own && echo yes >>"$lab_dir/arps"
	lab_in lb timeout 5 echoscu 192.0.2.11 104 && echo yes >>"$lab_dir/echos"
	flood_end
}
if [ -z "$testpmd" ]; then
	echo '      no dpdk-testpmd (scripts/setup): no flood'
else
	for ((round = 0; round < rounds; round++)); do
		measure
	done
	quiet=$(median <"$lab_dir/quiet") dropped=$(median <"$lab_dir/dropped") kernel=$(median <"$lab_dir/kernel")
	printf '      VIP traffic, median of %d: %d Mbit/s alone; %d beside a flood that is dropped (%d%%); %d beside one toward the own address (%d%%, of the dropped one %d%%)\n' \
		"$rounds" "$quiet" "$dropped" $((dropped * 100 / quiet)) "$kernel" $((kernel * 100 / quiet)) $((kernel * 100 / dropped))
	printf '      %d frames/s came in while measuring; kernel-full: %s\n' \
		$((($(cat "$lab_dir/after") - $(cat "$lab_dir/before")) / LAB_SECONDS)) "$(status_of '.drops["kernel-full"] // 0')"
	all() { is "$(grep -c yes "$lab_dir/$1")" "$rounds"; }
	check 'the VIPs keep their speed beside the flood' [ $((kernel * 100 / dropped)) -ge 25 ]
	check 'the flood was more than main takes' [ "$(status_of '.drops["kernel-full"] // 0')" -gt 1000 ]
	check 'gantryctl is answered during the flood' all answers
	check 'and ARP' all arps
	check 'and ping to the VIP' all vip-pings
	check 'and a C-ECHO from the balancer' all echos
	check 'keepalived went on' states_are 'MASTER BACKUP BACKUP MASTER'
	check 'and so did BGP' established lb
fi
check_identity

# ---- the end ----

rules() { { ip -n "$lab_id-lb" rule show; ip -n "$lab_id-lb" -6 rule show; } | grep 'proto 71' || true; }
check 'rules lead to the table of the TAP' [ "$(rules | wc -l)" -ge 2 ]
kill -KILL "$lab_gantry_pid"
wait "$lab_gantry_pid" || true
check 'killed: the TAP is gone' is "$(ip -n "$lab_id-lb" -o link show type tun)" ''
before=$(rules)
check 'its rules are still there' [ -n "$before" ]
lab_gantry
check 'started again: the same rules, once' is "$(rules)" "$before"
check 'and the address answers' pings ct $own
check 'stops in order' lab_gantry_stop
check 'and leaves nothing behind' is "$(rules; ip -n "$lab_id-lb" -o link show type tun)" ''

# ---- a reload's other addresses: the TAP follows ----

tap_config() { # ADDRESSES GATEWAYS
	cat <<-END
		[interface lan]
		device = net_null0
		address = $1
		${2:+gateway = $2}
		kernel = tap5
		[vip a]
		interface = lan
		address = 192.0.2.100
		port = 104
		check = none
		[server a/a]
		address = 192.0.2.11
	END
}
tap_config '192.0.2.2/24, 192.0.2.3/24, 2001:db8::2/64' '192.0.2.1, 2001:db8::1' >"$lab_dir/tap1.ini"
tap_config '192.0.2.3/24, 203.0.113.2/25' 203.0.113.1 >"$lab_dir/tap2.ini"
tap_config '192.0.2.2/24, 192.0.2.3/24, 2001:db8::2/64' '192.0.2.1, 2001:db8::1' >"$lab_dir/tap3.ini"
tap_config '192.0.2.3/24, 2001:db8::3/64' '' >"$lab_dir/tap4.ini"
cat >"$lab_dir/tap.sh" <<-'END'
	table=$(ip rule | awk '/proto 71/ {print $5; exit}')
	echo "$(ip -j address show dev tap5 | jq -r '[.[0].addr_info[] | select(.scope == "global") | .local] | sort | join(" ")')" \
		"rules $({ ip rule; ip -6 rule; } | awk '/proto 71/ {print $3}' | sort | paste -sd ' ')" \
		"routes $({ ip -j route show table $table; ip -j -6 route show table $table; } | jq -rs 'add | [.[] |
			if .gateway then "\(.dst) via \(.gateway)" else .dst end] | sort | join(", ")')"
END
all_of_it='192.0.2.2 192.0.2.3 2001:db8::2 rules 192.0.2.2 192.0.2.3 2001:db8::2 routes 192.0.2.0/24, 2001:db8::/64, default via 192.0.2.1, default via 2001:db8::1'
: "${READDRESS:=$lab_root/build/test/lab/readdress}"
readdressed() { lab_in lb timeout 20 "$READDRESS" "bash $lab_dir/tap.sh" "$lab_dir"/tap[1-4].ini 2>>"$lab_dir/log/readdress"; }
check 'addresses and gateways come and go' is "$(readdressed)" "$all_of_it
192.0.2.3 203.0.113.2 rules 192.0.2.3 203.0.113.2 routes 192.0.2.0/24, 203.0.113.0/25, default via 203.0.113.1
$all_of_it
192.0.2.3 2001:db8::3 rules 192.0.2.3 2001:db8::3 routes 192.0.2.0/24, 2001:db8::/64"

# ---- what the host does not allow ----

ip -n "$lab_id-lb" link add name tap0 type veth peer name tap0p
refused() { # PATTERN COMMAND...
	local pattern=$1 status=0
	shift
	"$@" >"$lab_dir/refused" 2>&1 || status=$?
	[ $status = 1 ] && grep -q "$pattern" "$lab_dir/refused" || { cat "$lab_dir/refused"; return 1; }
}
check 'a name that is taken is told' refused 'kernel = tap0: this host has an interface of that name' \
	lab_in lb timeout 20 "$GANTRY" run "$lab_dir/gantry.ini"
ip -n "$lab_id-lb" link del dev tap0
check 'CAP_NET_ADMIN missing is told' refused 'CAP_NET_ADMIN' \
	lab_in lb timeout 20 setpriv --bounding-set -net_admin --inh-caps -net_admin "$GANTRY" run "$lab_dir/gantry.ini"
lab_finish
