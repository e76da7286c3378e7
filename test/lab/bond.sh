#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Bonds: bond.sh active-backup|lacp. gantry with two cables, one of which is pulled, and put back, in the middle of
# downloads and associations. active-backup: both to one Linux bridge. lacp: both to Open vSwitch (its userspace
# datapath), which speaks LACP by itself; tshark reads what the two said. Judged by curl, storescu, the
# archives' disks, and the switch's own word on the bond.
# shellcheck source=test/lab/common.sh
. "$(dirname "$0")/common.sh"

kind=${1:-active-backup}
programs='storescp storescu img2dcm curl tcpdump tshark'
# The bond; where its cables are pulled, and their names there; and gantry's names for them.
bond='net_bonding0,mode=1,slave=(net_af_packet0,iface=eth0),slave=(net_af_packet1,iface=eth1)'
node=wire cables='lb:net_af_packet0 lb1:net_af_packet1'
if [ "$kind" = lacp ]; then
	programs+=' ovsdb-server ovsdb-tool ovs-vswitchd ovs-vsctl ovs-appctl'
	bond='net_bonding0,mode=4,slave=(net_tap0,iface=cable0),slave=(net_tap1,iface=cable1)'
	node=lb cables='cable0:net_tap0 cable1:net_tap1'
fi
schema=${OVS_SCHEMA:-/usr/share/openvswitch/vswitch.ovsschema}
[ "$kind" != lacp ] || [ -c /dev/net/tun ] || lab_skip 'no /dev/net/tun'
# shellcheck disable=SC2086 # a list
lab_begin $programs

ovs() { # PROGRAM ARGUMENT...
	local program=$1
	shift
	lab_in lb env OVS_RUNDIR="$lab_dir/ovs" "$program" "$@"
}
vsctl() { ovs ovs-vsctl --db="unix:$lab_dir/ovs/db" --timeout=10 "$@"; }

# active-backup: the two cables go to the lab's bridge. lacp: gantry's ends are TAPs, whose driver knows their links,
# and the switch is in gantry's namespace: the TAPs are its members, lb's eth0 its uplink.
if [ "$kind" = lacp ]; then
	mkdir "$lab_dir/ovs"
	ovs ovsdb-tool create "$lab_dir/ovs/conf.db" "$schema"
	lab_start ovsdb lb env OVS_RUNDIR="$lab_dir/ovs" ovsdb-server "$lab_dir/ovs/conf.db" \
		--remote="punix:$lab_dir/ovs/db" --unixctl="$lab_dir/ovs/ovsdb.ctl"
	lab_wait 10 test -S "$lab_dir/ovs/db"
	vsctl --no-wait init
	lab_start vswitchd lb env OVS_RUNDIR="$lab_dir/ovs" ovs-vswitchd "unix:$lab_dir/ovs/db" \
		--unixctl="$lab_dir/ovs/vswitchd.ctl"
	# The bridge itself would take its uplink's MAC, which is gantry's.
	vsctl add-br sw -- set bridge sw datapath_type=netdev other-config:hwaddr=02:00:00:00:00:99 -- add-port sw eth0
else
	ip -n "$lab_id-wire" link add name lb1 type veth peer name eth1 netns "$lab_id-lb"
	ip -n "$lab_id-wire" link set dev lb1 master br0 up
	ip -n "$lab_id-lb" link set dev eth1 up
	lab_in wire ethtool -K lb1 tx off >/dev/null
fi

lab_config af_packet >"$lab_dir/gantry.ini"
sed -i "s/^device = .*/device = $bond/
	s/^address = 192.0.2.2.*/mac = $lab_mac\n&/" "$lab_dir/gantry.ini"
cat >>"$lab_dir/gantry.ini" <<-END
	[vip slow]
	interface = lan
	address = $lab_vip4
	port = 80
	mode = snat
	check = none
	[server slow/pacs1]
	address = 192.0.2.11
	port = 8080
END
lab_gantry
if [ "$kind" = lacp ]; then
	lab_start lacp lb tcpdump -ni cable1 -s 0 -U --immediate-mode -w "$lab_dir/lacp.pcap" ether proto 0x8809
	lacp_pid=$lab_pid
	lab_wait 10 grep -q 'listening on' "$lab_dir/log/lacp"
	vsctl add-bond sw bond0 cable0 cable1 lacp=active bond_mode=balance-tcp other_config:lacp-time=fast
fi
# shellcheck disable=SC2119
lab_archives
mkdir "$lab_dir/www"
head -c 12M /dev/urandom >"$lab_dir/www/volume.raw"
lab_start http pacs1 /usr/bin/python3 -m http.server --bind :: -d "$lab_dir/www" 8080
lab_wait 10 lab_listens pacs1 8080

slave_is() { [ "$(lab_ctl --json interfaces | jq -r ".interfaces.lan.slaves[\"$1\"]")" = "$2" ]; }
lan_is() { [ "$(lab_ctl --json interfaces | jq -r .interfaces.lan.link)" = "$1" ]; }
log_lines() { grep -c "$1" "$lab_dir/log/gantry" || true; }

for cable in $cables; do
	check "slave ${cable#*:} carries frames" lab_wait 20 slave_is "${cable#*:}" up
done
check 'and the link is up' lab_wait 5 lan_is up
if [ "$kind" = lacp ]; then
	agreed() { [ "$(ovs ovs-appctl -t "$lab_dir/ovs/vswitchd.ctl" lacp/show bond0 | grep -c 'status: active negotiated\|: current attached')" -ge "$1" ]; }
	check 'Open vSwitch: LACP negotiated, both members attached' lab_wait 15 agreed 3
	ovs ovs-appctl -t "$lab_dir/ovs/vswitchd.ctl" lacp/show bond0 | grep -E 'status|member|actor state|partner state' | sed 's/^/      /'
fi

# One cable after the other is pulled while a download, which goes both ways through gantry, and
# associations of four modalities are under way.
lab_python "$lab_here/dicom.py" make "$lab_dir/sent" 32 400
files=("$lab_dir"/sent/*.dcm)
downs=$(log_lines 'interface lan: link is down')
for cable in $cables; do
	dev=${cable%:*} slave=${cable#*:}
	before=$(log_lines "slave $slave .*is down")
	lab_job curl ct timeout 60 curl -gsSf --limit-rate 3M -o "$lab_dir/got.$dev" "http://$lab_vip4/volume.raw"
	for client in $lab_clients; do
		lab_job "storescu.$client" "$client" timeout 60 storescu -aec PACS $lab_vip4 104 "${files[@]:0:4}"
		files=("${files[@]:4}")
	done
	lab_wait 10 test -s "$lab_dir/got.$dev"
	sleep 0.5
	ip -n "$lab_id-$node" link set dev "$dev" down
	check "$dev pulled: gantryctl says so" lab_wait 8 slave_is "$slave" down
	lab_jobs_end
	check "$dev pulled: the download and four associations went on" is $lab_jobs_failed 0
	check "$dev pulled: the download is the same to the last bit" cmp "$lab_dir/got.$dev" "$lab_dir/www/volume.raw"
	check "$dev pulled: the interface was up all the time" is "$(log_lines 'interface lan: link is down')" "$downs"
	check "$dev pulled: one log line" is "$(log_lines "slave $slave .*is down")" $((before + 1))
	ip -n "$lab_id-$node" link set dev "$dev" up
	check "$dev back: it carries frames" lab_wait 30 slave_is "$slave" up
done
check 'every image arrived once, and the same to the last bit' lab_python "$lab_here/dicom.py" compare "$lab_dir/sent" "$lab_dir"/disk/*

# Both: the interface is down, by name.
for cable in $cables; do
	ip -n "$lab_id-$node" link set dev "${cable%:*}" down
done
check 'both pulled: the interface is down' lab_wait 8 lan_is down
for cable in $cables; do
	ip -n "$lab_id-$node" link set dev "${cable%:*}" up
done
check 'both back: the interface is up' lab_wait 30 lan_is up
check 'and serves' lab_wait 10 lab_download ct "http://$lab_vip4/volume.raw" "$lab_dir/www/volume.raw" -m 5
grep -E 'link is|slave' "$lab_dir/log/gantry" | sed 's/^/      /'
if [ "$kind" = lacp ]; then
	kill -INT $lacp_pid
	wait $lacp_pid || true
	# State bits of IEEE 802.1AX 6.4.2.3: 0x30 collecting and distributing.
	said() { tshark -n -r "$lab_dir/lacp.pcap" -Y "lacp.actor.sysid $1 $lab_mac && lacp.actor.state & 0x30" 2>/dev/null | wc -l; }
	check 'tshark: gantry said that it distributes' test "$(said '==')" -ge 1
	check 'tshark: so did the switch' test "$(said '!=')" -ge 1
fi
check_identity
check 'gantry stops on SIGTERM with exit code 0' lab_gantry_stop
lab_finish
