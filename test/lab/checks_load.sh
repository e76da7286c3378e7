#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# 1,000 servers checked once a second: what that costs main, and how fast ARP is answered meanwhile, also while
# half of the checks hang. The figures are printed; only wrong ones fail, for others load this machine, too.
# shellcheck source=test/lab/common.sh
. "$(dirname "$0")/common.sh"

lab_begin nft
seconds=${LAB_SECONDS:-5}
# http, by one Python that is all of the servers, for who has a machine to himself.
type=${LAB_CHECK:-tcp}

# All 1,000 are one machine behind a route, so that the kernel's table of neighbours (gc_thresh3 = 1024, for all
# namespaces together) is not what is tested.
lab_sysctl pacs1 net/ipv4/conf/{all,lo,eth0}/arp_ignore=0
lab_in pacs1 ip route add local 10.9.0.0/16 dev lo
ip -n "$lab_id-lb" address add 192.0.2.3/24 dev eth0
ip -n "$lab_id-lb" route add 10.9.0.0/16 via 192.0.2.11
lab_start peer pacs1 /usr/bin/python3 "$lab_here/check_peers.py" http 80
lab_wait 10 lab_listens pacs1 80

config() { # TYPE
	cat <<-END
		[gantry]
		name = $lab_id
		hugepages = no
		connections = 10000
		control = $lab_dir/gantry.sock
		[interface lan]
		device = $(lab_device af_packet)
		address = 192.0.2.2/24, 10.9.255.2/16
		[check c]
		type = $1
		interval = 1s
		timeout = 1s
		[vip many]
		interface = lan
		address = $lab_vip4
		port = 80
		check = c
	END
	local i
	for i in $(seq 0 999); do
		printf '[server many/s%d]\naddress = 10.9.%d.%d\nmac = 02:00:00:00:01:01\n' \
			"$i" $((i % 4)) $((i / 4 + 1))
	done
}

# CPU of main, which is the process's first thread, in percent of a core over some seconds.
main_ticks() { awk '{print $14 + $15}' "/proc/$gantry/task/$gantry/stat"; }
measure() {
	local ticks=$(main_ticks) start=${EPOCHREALTIME/./}
	sleep "$seconds"
	ticks=$(($(main_ticks) - ticks))
	cpu=$((ticks * 100000000 / $(getconf CLK_TCK) / (${EPOCHREALTIME/./} - start)))
}
arp() { lab_in ct /usr/bin/python3 "$lab_here/check_peers.py" arp eth0 $lab_vip4 200; }
counts() { # RESULT: servers whose last check had it
	lab_ctl --json servers | jq "[.vips.many.servers[] | select(.check.result == \"$1\")] | length"
}
has() { [ "$(counts "$1")" -ge "$2" ]; }
down() { lab_ctl --json servers | jq '[.vips.many.servers[] | select(.state == "down")] | length'; }
down_are() { [ "$(down)" -ge "$1" ]; }
results() { lab_ctl --json servers | jq '[.vips.many.servers[].check | .healthy + .failed] | add'; }
# Median and worst of ARP: tell_arp WORDS
tell_arp() {
	read -r answered median worst <<<"$(arp)"
	printf '      ARP %s: %d of 200 answered, median %d us, worst %d us\n' "$1" "$answered" "$median" "$worst"
}
run() { # TYPE
	config "$1" >"$lab_dir/gantry.ini"
	lab_gantry
	# ip netns exec becomes the program.
	gantry=$lab_gantry_pid
}

config tcp | sed 's/^check = c$/check = none/' >"$lab_dir/gantry.ini"
lab_gantry
gantry=$lab_gantry_pid
measure
idle=$cpu
tell_arp 'without checks'
base=$median
lab_gantry_stop

run "$type"
check '1,000 servers are healthy' lab_wait 20 has healthy 1000
before=$(results)
measure
n=$((($(results) - before) / seconds))
printf '      main uses %d %% of a core for %d %s checks a second (%d %% without any)\n' "$cpu" $n "$type" "$idle"
check 'about 1,000 checks a second' [ $n -ge 500 -a $n -le 1500 ]
check 'they cost main far less than a core' [ $((cpu - idle)) -lt 30 ]
tell_arp 'with 1,000 checks'
check 'ARP is answered meanwhile' [ "$answered" -ge 198 -a "$median" -lt $((base + 20000)) ]

# Two of the four networks answer nothing any more: their checks hang until their timeout.
lab_in pacs1 nft 'add table ip hang; add chain ip hang in { type filter hook input priority 0; };
	add rule ip hang in ip daddr 10.9.0.0/23 tcp dport 80 drop'
tell_arp 'while half of them begin to hang'
check 'ARP is answered while half of them go down' [ "$answered" -ge 198 -a "$median" -lt $((base + 20000)) ]
check 'half of them hang, and are down' lab_wait 20 down_are 500
measure
printf '      half of them hanging: main uses %d %% of a core\n' "$cpu"
tell_arp 'with half of the checks hanging'
check 'ARP is answered all the same' [ "$answered" -ge 198 -a "$median" -lt $((base + 20000)) ]
check 'the other half stays up' is "$(down)" 500
check 'gantry stops' lab_gantry_stop
lab_finish
