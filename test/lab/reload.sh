#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Reloads in a row, while a hundred thousand connections send and real ones work: not a frame is lost, no
# connection moves, what operators said stays, memory does not grow. `flood` is a VIP whose frames nobody
# answers; its servers count what reaches them by nft, in their kernels, and who it came from.
#
# LAB_RELOADS, LAB_FLOOD and LAB_RATE (frames a second) say how many; GANTRY may be a build with ASan, which
# finds what is freed too early, or never.
LAB_TIMEOUT=${LAB_TIMEOUT:-400}
# shellcheck source=test/lab/common.sh
. "$(dirname "$0")/common.sh"

reloads=${LAB_RELOADS:-50} flood=${LAB_FLOOD:-100000} rate=${LAB_RATE:-20000}
vip=192.0.2.110
export ASAN_OPTIONS=quarantine_size_mb=8:${ASAN_OPTIONS:-}

lab_begin storescp storescu iperf3 nft
config=$lab_dir/gantry.ini

# A file for each of six variants of what may change: variant N
variant() {
	local w1=100 w2=100 extra=''
	lab_config af_packet | sed -e "s/^workers.*/&\nconnections = 300000/"
	case $1 in
	1) extra=$'[server flood/pacs3]\naddress = 192.0.2.13\n' ;;
	2) w1=1 w2=65535 ;;
	3) extra=$'[vip new]\ninterface = lan\naddress = 192.0.2.120\nport = 1-200\ncheck = none
		[server new/pacs1]\naddress = 192.0.2.11\n' ;;
	4) extra=$'[check c]\ntype = dicom\n' w2=7 ;;
	5) w1=0 ;;
	esac
	printf '[vip flood]\ninterface = lan\naddress = %s\nport = 9000\ncheck = none\n' $vip
	[ $1 != 4 ] || printf 'idle_timeout = 12h\nscheduler = rendezvous\n'
	printf '[server flood/pacs1]\naddress = 192.0.2.11\nweight = %s\n' $w1
	printf '[server flood/pacs2]\naddress = 192.0.2.12\nweight = %s\n' $w2
	printf '%s' "$extra" | sed 's/^\t*//'
}
flood() { lab_in us "$lab_here/flood.py" send eth0 "$lab_mac" $vip "$flood" "$rate" "$1"; }
reached() { # frames of the flood that servers' kernels saw
	local server sum=0 n
	for server in $lab_servers; do
		n=$(lab_in "$server" nft -j list chain netdev lab ingress |
			jq '[.nftables[].rule.expr[]? | .counter.packets // empty] | add')
		sum=$((sum + n))
	done
	echo $sum
}
missed() { status_of '[.interfaces[] | .missed + .errors] | add'; }
rss_kb() { awk '/^VmRSS/ {print $2}' "/proc/$(pgrep -P "$lab_gantry_pid" || echo "$lab_gantry_pid")/status"; }
watchers=()
watch_flood() { # WHEN: notes who reaches which server
	local server
	watchers=()
	for server in pacs1 pacs2; do
		lab_start "watch.$1.$server" "$server" "$lab_here/flood.py" receive eth0 $vip "$lab_dir/$1.$server"
		watchers+=("$lab_pid")
		lab_wait 10 grep -q ready "$lab_dir/log/watch.$1.$server"
	done
}
watch_end() { sleep 0.3; kill "${watchers[@]}"; wait "${watchers[@]}" || true; }

for n in 0 1 2 3 4 5; do
	variant $n >"$lab_dir/variant.$n"
done
{ variant 0; echo 'weight = x'; } >"$lab_dir/variant.wrong"
# Takes its place at once, as an editor does it: use VARIANT
use() { cp "$lab_dir/variant.$1" "$config.new" && mv "$config.new" "$config"; }
use 0
lab_gantry
lab_archives --sleep-after 1
for server in $lab_servers; do
	lab_start "iperf3.$server" "$server" iperf3 -s -B "$lab_vip4"
	lab_in "$server" nft "add table netdev lab
		add chain netdev lab ingress { type filter hook ingress device eth0 priority 0; }
		add rule netdev lab ingress ip daddr $vip counter"
done
lab_python "$lab_here/dicom.py" make "$lab_dir/sent" 96 40
images=("$lab_dir"/sent/*.dcm)
check 'an operator: weight, drain' eval 'lab_ctl weight web/pacs1 7 && lab_ctl drain web/pacs2'

# 1. The connections.
watch_flood before
sent=$(flood open)
watch_end
lab_wait 5 is "$(status_of .vips.flood.frames)" "$sent" || true
printf '      %d frames for %d connections, %s not taken by the device\n' "$sent" "$flood" "$(missed)"
created=$(status_of .vips.flood.connections)
check 'nearly all are in the table' [ "$created" -gt $((flood * 98 / 100)) ]

# 2. Reloads, under their traffic and that of 20 real ones.
lab_start flood us "$lab_here/flood.py" send eth0 "$lab_mac" $vip "$flood" "$rate" hold
flood_pid=$lab_pid
read -ra clients <<<"$lab_clients"
for i in 0 1 2 3 4 5 6 7 8 9 10 11; do
	lab_job storescu "${clients[i % 4]}" timeout 100 storescu -aec PACS "$lab_vip4" 11112 "${images[@]:i*8:8}"
done
lab_job iperf ct timeout 100 iperf3 -J -t 8 -P 8 -b 2M -c "$lab_vip4"
times=$lab_dir/times
failed=0
for ((i = 1; i <= reloads; i++)); do
	use $((i % 6))
	start=${EPOCHREALTIME/./}
	lab_ctl --json reload >"$lab_dir/answer" || failed=$((failed + 1))
	jq -r --argjson us $((${EPOCHREALTIME/./} - start)) '"\($us) \(.took_ms)"' "$lab_dir/answer" >>"$times"
	[ $i != 10 ] || rss=$(rss_kb)
	if [ $((i % 25)) = 0 ]; then
		use wrong
		status=0
		lab_ctl reload >"$lab_dir/answer" 2>&1 || status=$?
		check "reload $i of a wrong file: exit code 2" is $status 2
		check 'and it says where' grep -q "^$config:[0-9]*: .*weight = x" "$lab_dir/answer"
	fi
done
printf '      %d reloads; %s\n' "$reloads" "$(sort -n "$times" | awk '{us[NR] = $1; if ($2 > most) most = $2} END {
	printf "gantryctl median %.1f ms, max %.1f ms; until the plan was in force at most %d ms", us[int((NR + 1) / 2)] / 1e3, us[NR] / 1e3, most}')"
check 'all reloads succeed' is $failed 0
later=$(rss_kb)
printf '      resident: %d KB after 10 reloads, %d KB after %d\n' "$rss" "$later" "$reloads"
check 'memory does not grow' [ $((later - rss)) -lt $((24 * 1024)) ]
lab_jobs_end
check 'no association and no TCP flow fails' is $lab_jobs_failed 0
kill "$flood_pid"
wait "$flood_pid" || true
sent=$((sent + $(tail -1 "$lab_dir/log/flood")))

# 3. Everybody is where they were.
use 0
check 'and back' lab_ctl reload
watch_flood after
sent=$((sent + $(flood once)))
watch_end
forwarded() { is "$(status_of .vips.flood.frames)" "$(reached)"; }
check 'what gantry forwarded reached the servers, to the last frame' lab_wait 10 forwarded
printf '      sent %d, forwarded %d, received %d; the device did not take %d\n' \
	"$sent" "$(status_of .vips.flood.frames)" "$(reached)" "$(missed)"
check 'what was sent was forwarded, or not taken by the device' \
	[ "$(($(status_of .vips.flood.frames) + $(missed)))" -ge "$sent" ]
check 'no connection was moved' is "$(status_of .connections.moved)" 0
check 'nor scheduled anew, beyond those whose frames were lost at first' \
	[ "$(status_of .vips.flood.connections)" -le "$flood" ]
# shellcheck disable=SC2016 # for eval
check 'the servers see the same clients as before' eval '
	[ "$(comm -12 "$lab_dir/before.pacs1" "$lab_dir/after.pacs2" | wc -l)" = 0 ] &&
	[ "$(comm -12 "$lab_dir/before.pacs2" "$lab_dir/after.pacs1" | wc -l)" = 0 ] &&
	[ "$(comm -12 "$lab_dir/before.pacs1" "$lab_dir/after.pacs1" | wc -l)" -gt $((flood / 4)) ]'
check 'no frame of theirs was dropped' is \
	"$(status_of '[.drops | to_entries[] | select(.key | test("neighbour-|not-ip|not-ours|other-mac") | not)]')" '[]'
check "the operator's weight and drain stand, and are shown beside the file's" is \
	"$(status_of '.vips.web.servers | [.pacs1.weight, .pacs1.weight_in_file, .pacs2.state, .pacs2.state_in_file]')" \
	'[7,100,"drain","enabled"]'
check 'the VIP that came and went is not answered for' is \
	"$(lab_in ct ping -c 1 -W 1 192.0.2.120 >/dev/null && echo answers)" ''
check 'every image arrived once, and the same to the last bit' \
	lab_python "$lab_here/dicom.py" compare "$lab_dir/sent" "$lab_dir"/disk/*
check_identity
check 'gantry stops with exit code 0' lab_gantry_stop
check 'no sanitizer has a complaint' is "$(grep -c 'Sanitizer\|runtime error' "$lab_dir/log/gantry")" 0
lab_finish
