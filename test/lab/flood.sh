#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Floods: flood.sh dr|snat. A SYN flood with random sources fills a small table several times over, while downloads
# and associations are under way and new ones come; then ACKs, datagrams, lone fragments, pings, noise, and ARP of ever
# new stations. What was under way goes on, and its entries stay; what is new gets in; the log stays short;
# and when it is over, all is as it was. test/lab/flood.c makes the frames. Judged by curl, the archives' disks and
# gantry's books.
# shellcheck source=test/lab/common.sh
. "$(dirname "$0")/common.sh"

mode=${1:-dr}
flood=${FLOOD:-$lab_root/build/test/lab/flood}
rate=${LAB_FLOOD_RATE:-15000}
[ -x "$flood" ] || lab_skip "no $flood: build it, or say where it is by FLOOD"
# shellcheck disable=SC2034 # for lab_build
[ "$mode" = dr ] || lab_plain_servers=yes
lab_begin storescp storescu img2dcm curl

# All of 198.18.0.0/15 (RFC 2544) is behind a router that keeps nothing and sends nothing on.
lab_node edge 02:00:00:00:03:01
lab_addresses edge 1
cat >"$lab_dir/gantry.ini" <<-END
	[gantry]
	name = $lab_id
	hugepages = no
	connections = 20000
	control = $lab_dir/gantry.sock
	[interface lan]
	device = $(lab_device af_packet)
	address = 192.0.2.2/24, 10.7.0.2/16, 2001:db8::2/64
	gateway = 192.0.2.1
END
while read -r name protocol port; do
	printf '[vip %s]\ninterface = lan\naddress = %s\nprotocol = %s\nport = %s\nmode = %s\ncheck = none\n' \
		"$name" $lab_vip4 "$protocol" "$port" "$mode"
	[ "$name" = pacs ] || echo 'idle_timeout = 15s'
	for n in 1 2 3; do
		printf '[server %s/pacs%d]\naddress = 192.0.2.1%d\n' "$name" $n $n
	done
done >>"$lab_dir/gantry.ini" <<-END
	pacs tcp 104
	web tcp 8080
	big udp 5000
END
# shellcheck disable=SC2119
lab_archives
mkdir "$lab_dir/www"
head -c 24M /dev/urandom >"$lab_dir/www/volume.raw"
for server in $lab_servers; do
	lab_start "http.$server" "$server" /usr/bin/python3 -u -m http.server --bind :: -d "$lab_dir/www" 8080
done
for server in $lab_servers; do
	lab_wait 10 lab_listens "$server" 8080
done
lab_gantry

# Entries of our clients' downloads (of some the server has said all, and sent its FIN): the number.
ours() {
	lab_ctl --json connections 100000 | jq '[.connections[] | select(.vip == "web" and (.state | . == "established" or . == "fin") and
		(.client | test("^192\\.0\\.2\\.5[1-4]:")))] | length'
}
strike() { # KIND PORT SECONDS SOURCES
	lab_in xa timeout $(($3 + 10)) "$flood" eth0 "$1" "$lab_mac" $lab_vip4 "$2" "${4:-198.18.0.0/15}" "$rate" "$3"
}
try() { # A command, at most three times
	"$@" || "$@" || "$@"
}
store() { # CLIENT FILE...: with retries, as modalities do
	local client=$1
	shift
	try lab_in "$client" timeout 20 storescu -to 5 -aec PACS $lab_vip4 104 "$@"
}

# ---- SYNs ----

lab_python "$lab_here/dicom.py" make "$lab_dir/sent" 30 300
files=("$lab_dir"/sent/*.dcm)
again=("${files[@]:0:4}")
for client in ct mr us; do
	for n in 1 2 3; do
		lab_job "curl.$client.$n" "$client" timeout 60 curl -gsSf --limit-rate 2M \
			-o "$lab_dir/got.$client.$n" "http://$lab_vip4:8080/volume.raw"
	done
done
for client in ct mr us; do
	lab_job "storescu.$client" "$client" timeout 60 storescu -aec PACS $lab_vip4 104 "${files[@]:0:4}"
	files=("${files[@]:4}")
done
nine() { [ "$(ours)" = 9 ]; }
check 'nine downloads are under way' lab_wait 10 nine
lines=$(wc -l <"$lab_dir/log/gantry")
strike syn 104 8 &
striking=$!
sleep 2
# New ones, while it rages.
for client in ct mr us; do
	store "$client" "${files[@]:0:6}" >>"$lab_dir/log/store.$client" 2>&1 &
	lab_jobs+=($!)
	files=("${files[@]:6}")
done
sleep 4
status_of '.connections, .drops, .snat' | sed 's/^/      /'
check 'in the flood, all nine still have their entries' is "$(ours)" 9
# None is older than its 30 s: whatever expired had to yield.
check 'the table is full of half-open ones, and these yield' is "$(status_of '.connections.expired > 10000')" true
wait $striking
lab_jobs_end
check 'all associations and downloads, old and new, succeed' is $lab_jobs_failed 0
same() {
	local f
	for f in "$lab_dir"/got.*; do
		cmp "$f" "$lab_dir/www/volume.raw" || return
	done
}
check 'nine downloads are the same to the last bit' same
check 'and so is every image, what began in the flood too' lab_python "$lab_here/dicom.py" compare "$lab_dir/sent" "$lab_dir"/disk/*
status_of '.connections, .drops, .snat' | sed 's/^/      /'

# ---- the other kinds ----

for kind in ack udp fragment ping garbage; do
	case $kind in udp) port=5000 ;; *) port=8080 ;; esac
	strike $kind $port 2 &
	striking=$!
	sleep 0.5
	check "$kind: a download in the flood" try lab_in ct timeout 10 curl -gsSf -o "$lab_dir/got.ct.1" "http://$lab_vip4:8080/volume.raw"
	wait $striking
done
check 'the downloads are the same to the last bit' same

# Ten thousand stations that were never seen, in a second: main must not build ten thousand plans.
before=$(status_of .plans)
rate=10000 strike arp 0 1 10.7.0.0/16
plans=$(($(status_of .plans) - before))
printf '      %d plans for ten thousand stations\n' $plans
check 'ARP of ten thousand stations: at most 25 plans a second' test $plans -le 60
[ "$mode" = dr ] || check 'and they are known' test "$(lab_ctl --json neighbours | jq '.neighbours | length')" -gt 3000
check 'a client that nobody knows yet, amidst them' try lab_in us timeout 10 curl -gsSf -o "$lab_dir/got.us.1" "http://$lab_vip4:8080/volume.raw"

# ---- afterwards ----

check 'the log has stayed short' test $(($(wc -l <"$lab_dir/log/gantry") - lines)) -le 20
tail -n +$((lines + 1)) "$lab_dir/log/gantry" | sed 's/^/      /'
few() { [ "$(status_of '.connections.active < 1000')" = true ]; }
check 'the half-open ones are gone in time' lab_wait 50 few
check 'and all is as it was' store ct "${again[@]}"
status_of '.connections, .drops' | sed 's/^/      /'
check_identity
check 'gantry stops on SIGTERM with exit code 0' lab_gantry_stop
lab_finish
