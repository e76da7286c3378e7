#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What an operator does while studies flow: drain, enable, disable, weight, and gantry killed and started
# again. The archives answer each image after a second, so that an association lasts as long as it has images.
# shellcheck source=test/lab/common.sh
. "$(dirname "$0")/common.sh"

lab_begin storescp storescu iperf3
lab_config >"$lab_dir/gantry.ini"
lab_gantry
lab_archives --sleep-after 1
for server in $lab_servers; do
	lab_start "iperf3.$server" "$server" iperf3 -s -B "$lab_vip4"
done
lab_python "$lab_here/dicom.py" make "$lab_dir/sent" 130 40
images=("$lab_dir"/sent/*.dcm)
read -ra clients <<<"$lab_clients"

# One association with COUNT images not sent yet, from the next client: associate COUNT
next=0
associate() {
	local client=${clients[next / $1 % 4]}
	lab_job storescu "$client" timeout 60 storescu -aet "${client^^}" -aec PACS \
		"$lab_vip4" 11112 "${images[@]:next:$1}"
	next=$((next + $1))
}
seen() { # how many associations the archives have seen
	local server sum=0
	for server in $lab_servers; do
		sum=$((sum + $(lab_associations "$server")))
	done
	echo $sum
}
established() { [ "$(seen)" = "$1" ]; } # COUNT

# 1. Drain: what is under way ends where it is, what is new goes elsewhere.
for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
	associate 4
done
check '12 long associations are under way' lab_wait 20 established 12
before=$(connections_of pacs1 pacs)
drained=$(lab_ctl --json drain pacs/pacs1)
check 'drain of pacs1 tells of those that remain' is "$(jq -c '[.remaining, .safe_to_stop]' <<<"$drained")" \
	"[$before,$([ "$before" = 0 ] && echo true || echo false)]"
for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
	associate 1
done
lab_wait_for_pacs1() { lab_ctl drain --wait --timeout 60s pacs/pacs1 >"$lab_dir/log/drain"; }
check 'drain --wait ends' lab_wait_for_pacs1
# The server's kernel is the witness.
check 'and then pacs1 has no connection any more' is \
	"$(lab_in pacs1 ss -Htn state established sport = :11112 | wc -l)" 0
check 'its last word is: safe to stop' is "$(tail -n 1 "$lab_dir/log/drain")" 'pacs/pacs1: safe to stop'
sed 's/^/      /' "$lab_dir/log/drain"
lab_jobs_end
check 'no association fails for the drain, old or new' is $lab_jobs_failed 0
check 'pacs1 got no new one' is "$(connections_of pacs1 pacs)" "$before"
check 'the old ones of pacs1 ended there' is "$(lab_associations pacs1)" "$before"
check 'no connection was moved' is "$(status_of .connections.moved)" 0

# 2. Enable: it takes its share again. 15 associations miss one of three servers once in 400 runs, so send
#    until it has one.
check 'enable of pacs1' lab_ctl enable pacs/pacs1
for _ in 1 2 3 4; do
	for _ in 1 2 3 4 5; do
		associate 1
	done
	lab_jobs_end
	check 'associations after enable' is $lab_jobs_failed 0
	[ "$(connections_of pacs1 pacs)" = "$before" ] || break
done
check 'pacs1 takes new ones again' [ "$(connections_of pacs1 pacs)" -gt "$before" ]

# 3. Weight 0 is a drain by number.
before=$(connections_of pacs3 pacs)
check 'weight 0 for pacs3' lab_ctl weight pacs/pacs3 0
for _ in 1 2 3 4 5 6; do
	associate 1
done
lab_jobs_end
check 'all associations succeed on the others' is $lab_jobs_failed 0
check 'pacs3 got none' is "$(connections_of pacs3 pacs)" "$before"
check 'weight 100 for pacs3' lab_ctl weight pacs/pacs3 100

# 4. gantry dies in the middle of it and is started again: DR needs no state to go on.
total=$(seen)
for _ in 1 2 3; do
	associate 6
done
lab_wait 20 established $((total + 3))
lab_job iperf us timeout 30 iperf3 -J -t 6 -c "$lab_vip4"
sleep 2
kill -KILL "$lab_gantry_pid"
wait "$lab_gantry_pid" 2>/dev/null || true
start=${EPOCHREALTIME/./}
check 'gantry starts again over what its killed self left' lab_gantry
printf '      ready after %d ms\n' $(((${EPOCHREALTIME/./} - start) / 1000))
lab_jobs_end
check 'associations and a TCP flow outlive it' is $lab_jobs_failed 0
check 'the flow goes on at speed' [ "$(jq '[.intervals[-2:][].sum.bytes] | add' "$lab_dir/log/iperf")" -gt 1000000 ]
jq -r '"      Mbit/s by second: " + ([.intervals[].sum.bits_per_second / 1e6 | round | tostring] | join(" "))' \
	"$lab_dir/log/iperf"
check 'the archives saw no association twice' established $((total + 3))
check_identity
mkdir "$lab_dir/due"
cp "${images[@]:0:next}" "$lab_dir/due/"
check 'until here every image arrived once, and the same to the last bit' \
	lab_python "$lab_here/dicom.py" compare "$lab_dir/due" "$lab_dir"/disk/*

# 5. Disable: what is under way there breaks at once, all else goes on, and who tries again is served.
sent=$next
total=$(seen)
for _ in 1 2 3 4 5 6 7 8 9; do
	associate 2
done
lab_wait 20 established $((total + 9))
before=$(connections_of pacs2 pacs)
check 'disable of pacs2' lab_ctl disable pacs/pacs2
lab_jobs_end
check 'only associations of pacs2 break' [ "$lab_jobs_failed" -le "$before" ]
printf '      %d of 9 broke; pacs2 had %d since the restart\n' "$lab_jobs_failed" "$before"
check 'a modality that tries again is served' lab_in xa timeout 60 storescu -aec PACS \
	"$lab_vip4" 11112 "${images[@]:sent:4}"
check 'pacs2 got nothing new' is "$(connections_of pacs2 pacs)" "$before"

check_identity
check 'gantry stops on SIGTERM with exit code 0' lab_gantry_stop
lab_finish
