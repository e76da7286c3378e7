#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Failover, sticky failover and a persistence group with real modalities, archives and web servers: DICOM
# associations go to the first archive until gantryctl takes it away; a client meets the same machine at
# its DICOM and its web VIP.
# shellcheck source=test/lab/common.sh
. "$(dirname "$0")/common.sh"

lab_begin storescp storescu curl
servers() { # VIP: its sections, in the lab's order
	local server n=1
	for server in $lab_servers; do
		printf '[server %s/%s]\naddress = 192.0.2.1%d\n\n' "$1" "$server" $n
		n=$((n + 1))
	done
}
configure() { # WORDS of [vip pacs]
	cat <<-END
		[gantry]
		name = $lab_id
		seed = 42
		connections = 10000
		control = $lab_dir/gantry.sock
		hugepages = no

		[interface lan]
		device = net_af_packet0,iface=eth0
		address = 192.0.2.2/24

		[vip pacs]
		interface = lan
		address = $lab_vip4
		port = 104, 11112
		check = none
		$1

		$(servers pacs)
	END
}

# One image not sent yet to the archives: store CLIENT
next=0
store() {
	lab_in "$1" timeout 30 storescu -aet "${1^^}" -aec PACS $lab_vip4 11112 \
		"${images[next++]}"
}
# The archive that the next association reaches: reaches CLIENT
reached=
reaches() {
	local server before=() i=0
	for server in $lab_servers; do
		before+=("$(lab_associations "$server")")
	done
	reached=none
	store "$1" || return
	for server in $lab_servers; do
		[ "$(lab_associations "$server")" = "${before[i++]}" ] || reached=$server
	done
}
reaches_all() { # SERVER: associations go there, whoever asks
	local client
	for client in ct us; do
		reaches "$client" && is "$reached" "$1" || return
	done
}

lab_python "$lab_here/dicom.py" make "$lab_dir/sent" 70 40
images=("$lab_dir"/sent/*.dcm)
lab_archives --sleep-after 1

# 1. Failover: the second archive stands in, and gives back.
configure 'policy = failover' >"$lab_dir/gantry.ini"
lab_gantry
check 'the first archive has everything' reaches_all pacs1
check 'disable of pacs1' lab_ctl disable pacs/pacs1
check 'then the second has' reaches_all pacs2
check 'enable of pacs1' lab_ctl enable pacs/pacs1
check 'the first has it back' reaches_all pacs1
read -ra clients <<<"$lab_clients"
for client in "${clients[@]}"; do
	lab_job storescu "$client" timeout 60 storescu -aet "${client^^}" -aec PACS $lab_vip4 11112 \
		"${images[@]:next:4}"
	next=$((next + 4))
done
sleep 1.5
check 'drain of pacs1 under long associations' lab_ctl drain pacs/pacs1
check 'new ones go to the second' reaches_all pacs2
lab_jobs_end
check 'those under way end at the first, unharmed' is $lab_jobs_failed 0
check 'no connection was moved' is "$(status_of .connections.moved)" 0
check_identity
check 'gantry stops on SIGTERM with exit code 0' lab_gantry_stop

# 2. Sticky: nothing goes back by itself.
configure 'policy = failover
		sticky_failover = yes' >"$lab_dir/gantry.ini"
lab_gantry
check 'sticky: the first archive has everything' reaches_all pacs1
check 'disable of pacs1' lab_ctl disable pacs/pacs1
check 'sticky: the second stands in' reaches_all pacs2
check 'enable of pacs1' lab_ctl enable pacs/pacs1
check 'sticky: and keeps it' reaches_all pacs2
check 'drain of pacs2' lab_ctl drain pacs/pacs2
check 'sticky: an operator gives it back' reaches_all pacs1
check 'enable of pacs2' lab_ctl enable pacs/pacs2
check 'sticky: there it stays' reaches_all pacs1
check 'gantry stops on SIGTERM with exit code 0' lab_gantry_stop

# 3. A group: each machine's web server tells its name.
for server in $lab_servers; do
	mkdir "$lab_dir/web-$server"
	echo "$server" >"$lab_dir/web-$server/name"
	lab_start "web.$server" "$server" /usr/bin/python3 -m http.server 80 --bind $lab_vip4 \
		--directory "$lab_dir/web-$server"
	lab_wait 10 lab_listens "$server" 80
done
{
	configure 'scheduler = round-robin
		persistence = source
		persistence_group = archive'
	printf '[vip web]\ninterface = lan\naddress = %s\nport = 80\ncheck = none\n' $lab_vip4
	printf 'scheduler = round-robin\npersistence = source\npersistence_group = archive\n\n'
	servers web
} >"$lab_dir/gantry.ini"
lab_gantry
web() { lab_in "$1" timeout 10 curl -sS "http://$lab_vip4/name"; }
meets_one() { # CLIENT: three associations and three pages come from one machine
	local _ first
	reaches "$1" || return
	first=$reached
	for _ in 1 2 3; do
		is "$(web "$1")" "$first" || return
	done
	reaches "$1" && is "$reached" "$first"
}
for client in "${clients[@]}"; do
	check "$client meets the same machine for DICOM and web" meets_one "$client"
done
check 'disable of the web server of pacs2 alone' lab_ctl disable web/pacs2
before=$(connections_of pacs2 pacs web)
for client in "${clients[@]}"; do
	check "$client meets one machine still" meets_one "$client"
done
check 'pacs2 got no new client, for DICOM neither' is "$(connections_of pacs2 pacs web)" "$before"
check_identity
check 'gantry stops on SIGTERM with exit code 0' lab_gantry_stop
lab_finish
