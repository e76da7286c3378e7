#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Checks over the kernel path: by the TAP to the servers' own addresses, and through the VIP (via = vip), which
# finds an archive that lost the VIP from its loopback though it answers on its own address.
# shellcheck source=test/lab/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=test/lab/health.sh
. "$lab_here/health.sh"

lab_begin storescp echoscu nft tshark
# af_packet leaves the kernel below its copy of what comes: it is to forget it (docs/kernel.md).
lab_in lb nft 'add table netdev eth0; add chain netdev eth0 in { type filter hook ingress device eth0 priority 0; policy drop; }'
cat >"$lab_dir/gantry.ini" <<END
[gantry]
name = $lab_id
hugepages = no
control = $lab_dir/gantry.sock
[interface lan]
device = $(lab_device af_packet)
address = 192.0.2.2/24
kernel = tap0
[check own]
type = dicom
interval = 1s
timeout = 500ms
[check through]
type = dicom
via = vip
interval = 1s
timeout = 500ms
END
for check in own through; do
	printf '[vip %s]\ninterface = lan\naddress = %s\nport = %s\ncheck = %s\n' $check $lab_vip4 \
		"$([ $check = own ] && echo 104 || echo 11112)" $check
	printf "[server $check/%s]\naddress = %s\n" pacs1 192.0.2.11 pacs2 192.0.2.12 pacs3 192.0.2.13
done >>"$lab_dir/gantry.ini"
lab_archives
for server in $lab_servers; do
	lab_start "tcpdump.$server" "$server" tcpdump -ni eth0 -U -w "$lab_dir/$server.pcap" 'tcp port 11112'
done
lab_gantry

for server in $lab_servers; do
	check "$server echoes on its own address, by the TAP" becomes own/$server 'up healthy'
	check "$server echoes on the VIP" becomes through/$server 'up healthy'
done
ip -n "$lab_id-pacs2" address del "$lab_vip4/32" dev lo
check 'without the VIP on its loopback it is down' becomes through/pacs2 'down failed'
check 'though it answers on its own address' becomes own/pacs2 'up healthy'
check 'the others are up' becomes through/pacs1 'up healthy'
printf '      %s\n' "$(server_of through/pacs2 .check.reason)"
ip -n "$lab_id-pacs2" address add "$lab_vip4/32" dev lo
check 'and up with it' becomes through/pacs2 'up healthy'
check 'clients are served' lab_in ct timeout 10 echoscu -aec PACS $lab_vip4 11112
lab_ctl servers | sed 's/^/      /'

# Each archive hears its own checks only, each with a whole end: what began is over on both sides.
for server in $lab_servers; do
	check "$server has nothing to complain of" is "$(grep -h '^[EF]:' "$lab_dir/log/$server".* || true)" ''
	check "$server: tshark sees checks of it" [ "$(tshark -n -r "$lab_dir/$server.pcap" -Y \
		'ip.dst == 192.0.2.100 && tcp.flags.syn == 1 && ip.src == 192.0.2.2' 2>/dev/null | wc -l)" -gt 2 ]
	check "$server: tshark sees whole conversations" is "$(tshark -n -r "$lab_dir/$server.pcap" -Y \
		'ip.dst == 192.0.2.100 && tcp.flags.reset == 1 && ip.src == 192.0.2.2' 2>/dev/null | head -3)" ''
done
check 'no connection of a check is left open' lab_wait 10 eval \
	'[ "$(lab_in pacs1 ss -Htn state close-wait state fin-wait-1 | wc -l)" = 0 ]'
check_identity
check 'gantry stops on SIGTERM with exit code 0' lab_gantry_stop
lab_finish
