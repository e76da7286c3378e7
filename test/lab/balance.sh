#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Least connections: balance.sh [af_packet|af_xdp]. A client opens connections and holds them: two servers of
# weights 100 and 200 have one and two thirds of them, also after half of the second one's have ended.
# LAB_WORKERS=2: the same, though each worker knows its own connections alone and hears of the others' ten
# times a second. Judged by the client, to whom servers tell their names.
# shellcheck source=test/lab/common.sh
. "$(dirname "$0")/common.sh"

device=${1:-af_packet}
workers=${LAB_WORKERS:-1}
lab_begin_on "$device" python3
cat >"$lab_dir/gantry.ini" <<-END
	[gantry]
	name = $lab_id
	seed = 2026
	hugepages = no
	workers = $workers
	control = $lab_dir/gantry.sock

	[interface lan]
	device = $(lab_device "$device")
	address = 192.0.2.2/24
END
# name (and mode), port, servers' port; dr has no port but the client's
for vip in 'dr 7 -' 'snat 8 7'; do
	read -r mode port server_port <<<"$vip"
	printf '\n[vip %s]\ninterface = lan\naddress = %s\nport = %s\nmode = %s\n' "$mode" $lab_vip4 "$port" "$mode"
	printf 'scheduler = least-connections\ncheck = none\n'
	for n in 1 2; do
		printf '[server %s/pacs%d]\naddress = 192.0.2.1%d\nweight = %d00\n' "$mode" $n $n $n
		[ "$server_port" = - ] || printf 'port = %s\n' "$server_port"
	done
done >>"$lab_dir/gantry.ini"
lab_gantry
check "gantry has its workers" grep -q ", $workers worker" "$lab_dir/log/gantry"

for server in pacs1 pacs2; do
	lab_start "echo.$server" "$server" /usr/bin/python3 "$lab_here/echo.py" serve "$server" 7
	lab_wait 10 lab_listens "$server" 7
done

# One worker is exact, to the turn; of several, docs/schedulers.md tells how exact they are.
tolerance=$((workers == 1 ? 1 : 5))
has_its_share() { # "pacs1=N pacs2=M": one third and two
	local first second off
	printf '      %s\n' "$1"
	read -r first second <<<"${1//pacs[12]=/}"
	off=$((first - (first + second) / 3))
	[ -n "$second" ] && [ "${off#-}" -le "$tolerance" ]
}
for vip in 'dr 7' 'snat 8'; do
	read -r mode port <<<"$vip"
	# Of 60 connections the second server has 40; 30 of them end; of 60 more, it gets 50.
	mapfile -t held < <(lab_in ct timeout 40 /usr/bin/python3 "$lab_here/echo.py" hold $lab_vip4 "$port" \
		+60 -30:pacs2 +60 2>>"$lab_dir/log/hold")
	check "$mode: all connections are made" is ${#held[@]} 3
	check "$mode: 60 connections, a third and two thirds" has_its_share "${held[0]:-}"
	check "$mode: 30 ended, 60 new ones: a third and two thirds again" has_its_share "${held[2]:-}"
	check "$mode: gantry counts what there was" is $(($(connections_of pacs1 "$mode") + $(connections_of pacs2 "$mode"))) 120
done

check_identity
check 'gantry stops on SIGTERM with exit code 0' lab_gantry_stop
lab_finish
