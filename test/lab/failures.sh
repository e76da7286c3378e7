#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Real failures under clients that store all the time: until when does a new connection meet the sick archive, do
# connections of that archive alone move, is every instance stored in the end? The witness is tcpdump at the balancer's port.
# shellcheck source=test/lab/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=test/lab/health.sh
. "$lab_here/health.sh"

lab_begin storescp storescu dcmqrscp Orthanc nft tcpdump
lab_in lb nft 'add table netdev eth0; add chain netdev eth0 in { type filter hook ingress device eth0 priority 0; policy drop; }'
mkdir "$lab_dir"/{store1,store2,orthanc,full}
cat >"$lab_dir/df" <<END
#!/bin/sh
used=\$(df --output=pcent "$lab_dir/full" | tr -dc 0-9)
echo "the archive's disk is \$used % full" >&2
[ "\$used" -lt 95 ]
END
chmod +x "$lab_dir/df"
chmod 0711 "$lab_dir"
{
	printf '[gantry]\nname = %s\nhugepages = no\ncontrol = %s\n' "$lab_id" "$lab_dir/gantry.sock"
	printf '[interface lan]\ndevice = %s\naddress = 192.0.2.2/24\nkernel = tap0\n' "$(lab_device af_packet)"
	quick='interval = 1s\ntimeout = 600ms\nfall = 2\nrise = 2\n'
	printf "[check echo]\ntype = dicom\ncalled_aet = ARCHIVE\n$quick"
	printf "[check disk]\ntype = exec\ncommand = $lab_dir/df\n$quick"
	printf '[check page]\ntype = http\ninterval = 1s\ntimeout = 600ms\nfall = 2\nrise = 2\n'
	vip() { printf '[vip %s]\ninterface = lan\naddress = %s\nport = %s\ncheck = %s\n' "$1" $lab_vip4 "$2" "$3"; }
	printf '[check page-slow]\ntype = http\ninterval = 1s\ntimeout = 1s\nfall = 2\nrise = 2\n'
	vip pacs 11112 echo
	for n in 1 2 3; do printf '[server pacs/pacs%d]\naddress = 192.0.2.1%d\n' $n $n; done
	vip full 11113 echo; printf '[server full/s]\naddress = 192.0.2.11\n'
	vip disk 11114 disk; printf '[server disk/s]\naddress = 192.0.2.11\n'
	vip edge 8080 page; printf '[server edge/s]\naddress = 192.0.2.12\n'
	vip flap 8081 page-slow; printf '[server flap/s]\naddress = 192.0.2.12\n'
	printf '[check ack]\ntype = hl7\n'"$quick"
	vip hl7 2575 ack
	printf 'policy = failover\nsticky_failover = yes\n'
	for n in 1 2; do printf '[server hl7/engine%d]\naddress = 192.0.2.1%d\n' $n $n; done
} >"$lab_dir/gantry.ini"

storescp() { lab_start storescp pacs1 storescp --fork -aet ARCHIVE -od "$lab_dir/store1" 11112; storescp=$lab_pid; lab_wait 10 lab_listens pacs1 11112; }
dcmqrscp() { # AE-TITLE
	printf '%s\n' 'NetworkTCPPort = 11112' 'MaxPDUSize = 16384' 'MaxAssociations = 16' 'HostTable BEGIN' 'HostTable END' \
		'VendorTable BEGIN' 'VendorTable END' 'AETable BEGIN' "$1 $lab_dir/store2 RW (1000, 1024mb) ANY" 'AETable END' >"$lab_dir/qr.cfg"
	lab_start dcmqrscp pacs2 dcmqrscp -c "$lab_dir/qr.cfg"
	dcmqrscp=$lab_pid
	lab_wait 10 lab_listens pacs2 11112
}
# An archive's children have its port, too.
ends() { # PID NODE
	# shellcheck disable=SC2046 # a list of numbers
	kill -KILL "$1" $(pgrep -P "$1") 2>/dev/null || true
	wait "$1" 2>/dev/null || true
	silent() { ! lab_listens "$1" 11112; }
	lab_wait 10 silent "$2"
}
storescp
dcmqrscp ARCHIVE
mount -t tmpfs -o size=1m none "$lab_dir/full"
trap 's=$?; set +e; umount -l "$lab_dir/full"; (exit $s); lab_exit' EXIT
lab_start full pacs1 storescp -aet ARCHIVE -od "$lab_dir/full" 11113
cat >"$lab_dir/orthanc.json" <<END
{"StorageDirectory": "$lab_dir/orthanc", "IndexDirectory": "$lab_dir/orthanc", "HttpServerEnabled": false,
 "DicomPort": 11112, "DicomAet": "ARCHIVE", "DicomCheckCalledAet": true, "DicomAlwaysAllowStore": true, "Plugins": []}
END
lab_start orthanc pacs3 Orthanc "$lab_dir/orthanc.json"
orthanc=$lab_pid
echo 0 >"$lab_dir/edge"
echo flap >"$lab_dir/flap"
lab_start edge pacs2 /usr/bin/python3 "$lab_here/slow_http.py" 8080 "$lab_dir/edge"
lab_start flap pacs2 /usr/bin/python3 "$lab_here/slow_http.py" 8081 "$lab_dir/flap"
lab_start engine1 pacs1 /usr/bin/python3 "$lab_here/check_peers.py" hl7 2575 AA
engine1=$lab_pid
lab_start engine2 pacs2 /usr/bin/python3 "$lab_here/check_peers.py" hl7 2575 AA
for at in pacs1:2575 pacs2:2575 pacs3:11112 pacs2:8080 pacs2:8081 pacs1:11113; do lab_wait 20 lab_listens "${at%:*}" "${at#*:}"; done
lab_python "$lab_here/dicom.py" make "$lab_dir/sent" 400 1 >/dev/null
lab_gantry

for n in 1 2 3; do check "pacs$n is up" becomes pacs/pacs$n 'up healthy'; done

lab_start frames wire tcpdump -ni lb -tt -e -l "ether src $lab_mac and tcp and dst host $lab_vip4 and dst port 11112"
lab_wait 10 grep -q 'listening on' "$lab_dir/log/frames"
touch "$lab_dir/go" "$lab_dir/begun"
client() { # NODE FILE...: each is sent until it is stored
	local node=$1 file
	shift
	for file; do
		[ -e "$lab_dir/go" ] || return 0
		echo "$file" >>"$lab_dir/begun"
		until lab_in "$node" timeout 6 storescu -to 1 -ta 1 -td 1 -aec ARCHIVE $lab_vip4 11112 "$file"; do sleep 0.1; done
		sleep 0.1
	done >>"$lab_dir/log/client.$node" 2>&1
}
images=("$lab_dir"/sent/*.dcm)
clients=() first=0
for node in $lab_clients; do
	client "$node" "${images[@]:first:100}" &
	clients+=($!)
	first=$((first + 100))
done

# Of the frames since FAULT: ms to the last first SYN to server N; connections that moved away from it, and from others.
seen() { # N FAULT
	awk -v mac="02:00:00:00:01:0$1" -v t0="$2" '
		$1 !~ /^[0-9]+\.[0-9]+$/ { next }
		{ sub(",", "", $4); match($0, /192\.0\.2\.5[0-9]\.[0-9]+ >/); c = substr($0, RSTART, RLENGTH) }
		!(c in at) && $1 > t0 && $4 == mac { last = $1 - t0 }
		c in at && at[c] != $4 && $1 > t0 { if (at[c] == mac) own++; else others++ }
		{ at[c] = $4 }
		END { printf "%d %d %d\n", 1000 * last, own, others }' "$lab_dir/log/frames"
}
reason_holds() { grep -qF "$2" <<<"$(reason_of "$1")"; } # VIP/SERVER WORDS
bound=2600 margin=1000 # interval * fall + timeout; a loaded machine
fault() { # NAME N INJECT MEND REASON
	local t0=$EPOCHREALTIME words line others
	line=$(wc -l <"$lab_dir/log/gantry")
	eval "$3"
	check "$1: pacs$2 goes down" becomes "pacs/pacs$2" 'down failed'
	# While it is put out of order, a check may have met it half way.
	check "$1: its reason is '$5'" lab_wait 5 reason_holds "pacs/pacs$2" "$5"
	sleep 3
	read -ra words <<<"$(seen "$2" "$t0")"
	printf '      | %s | %d ms | %d ms | %d of it, %d of others |\n' "$1" "${words[0]}" $bound "${words[1]}" "${words[2]}"
	check "$1: no new connection meets it after the bound" [ "${words[0]}" -le $((bound + margin)) ]
	# On a loaded machine another archive may miss its checks as well: then its connections move, too.
	others=$(tail -n "+$((line + 1))" "$lab_dir/log/gantry" | grep 'server pacs/pacs.: down' | grep -vc "pacs/pacs$2:" || true)
	[ "$others" = 0 ] || printf '      (another archive was down meanwhile)\n'
	check "$1: only connections of what is down move" [ "${words[2]}" = 0 -o "$others" -gt 0 ]
	eval "$4"
	check "$1: mended, it is up" becomes "pacs/pacs$2" 'up healthy'
}
# ---- HL7: the second engine takes over, and keeps what it took ----

taker() { lab_ctl --json status | jq -r '[.vips.hl7.servers | to_entries[] | select(.value.connections > 0) | .key] | join(" ")'; }
send_adt() { # to whoever the VIP gives us: prints the listener's name
	lab_in us timeout 5 /usr/bin/python3 -c '
import socket, sys
s = socket.create_connection((sys.argv[1], 2575), 3)
s.sendall(b"\x0bMSH|^~\\&|MOD|H|RIS|H|20260101||ADT^A01|X1|T|2.5\r\x1c\r")
s.settimeout(3)
print("AA" if b"MSA|AA" in s.recv(4096) else "no")' $lab_vip4 || true
}
acknowledged() { [ "$(send_adt)" = AA ]; }
check 'hl7: the first engine acknowledges' acknowledged
check 'hl7: it is engine1' is "$(taker)" engine1
ends_hl7() { # shellcheck disable=SC2046
	kill -KILL "$1" $(pgrep -P "$1") 2>/dev/null || true; }
ends_hl7 "$engine1"
check 'hl7: killed, engine1 goes down' becomes hl7/engine1 'down failed'
check 'hl7: engine2 acknowledges' acknowledged
lab_start engine1 pacs1 /usr/bin/python3 "$lab_here/check_peers.py" hl7 2575 AA
check 'hl7: back, engine1 is up' becomes hl7/engine1 'up healthy'
before=$(server_of hl7/engine1 .connections)
check 'hl7: the next message is acknowledged' acknowledged
check 'hl7: and still engine2 has it (sticky)' is "$(server_of hl7/engine1 .connections)" "$before"

fault 'killed (storescp)' 1 'ends $storescp pacs1' storescp 'connection refused'
fault 'SIGSTOP (dcmqrscp)' 2 'kill -STOP $dcmqrscp' 'kill -CONT $dcmqrscp' 'no answer to'
fault 'SIGSTOP (Orthanc)' 3 'kill -STOP $orthanc' 'kill -CONT $orthanc' 'no answer to'
fault 'link down (Orthanc)' 3 'ip -n $lab_id-wire link set dev pacs3 down' 'ip -n $lab_id-wire link set dev pacs3 up' ''
fault 'ARP gone (storescp)' 1 'lab_in pacs1 nft "add table arp t; add chain arp t in { type filter hook input priority 0; policy drop; }"; ip -n $lab_id-pacs1 neigh flush all' \
	'lab_in pacs1 nft delete table arp t' ''
fault 'wrong AE title (dcmqrscp)' 2 'ends $dcmqrscp pacs2; dcmqrscp OTHER' 'ends $dcmqrscp pacs2; dcmqrscp ARCHIVE' 'called AE title'

check 'a disk with room' becomes disk/s 'up healthy'
head -c 2m /dev/zero >"$lab_dir/full/filler" 2>/dev/null || true
check 'an exec check finds the full disk' becomes disk/s 'down failed'
# storescp says "success" for what it cannot write, and answers C-ECHO: only such a check finds it.
check 'the archive still answers C-ECHO' becomes full/s 'up healthy'
rm "$lab_dir/full/filler"
check 'and its room again' becomes disk/s 'up healthy'
echo 0.4 >"$lab_dir/edge"
sleep 3.5
check 'answers at two thirds of the timeout: up' becomes edge/s 'up healthy'
echo 0.75 >"$lab_dir/edge"
check 'answers after the timeout: down' becomes edge/s 'down failed'
check 'flapping was checked, and failed each other time' [ "$(server_of flap/s .check.failed)" -ge 5 ]
check 'flapping faster than fall and rise turns nothing' is "$(grep -c 'server flap/s: down' "$lab_dir/log/gantry" || true)" 0

rm "$lab_dir/go"
check 'clients end' wait "${clients[@]}"
lab_python - "$lab_dir" >"$lab_dir/sums" 2>/dev/null <<'END'
import collections, pathlib, sys
from pydicom import dcmread
lab = pathlib.Path(sys.argv[1])
sent = {dcmread(f, stop_before_pixels=True).SOPInstanceUID for f in set((lab / "begun").read_text().split())}
places = collections.defaultdict(set)
for archive in "store1", "store2", "orthanc":
    for f in (lab / archive).rglob("*"):
        try:
            places[dcmread(f, stop_before_pixels=True).SOPInstanceUID].add(archive)
        except Exception:
            pass  # an index, a directory
print(len(sent), len(sent & set(places)), len(set(places) - sent), sum(len(p) > 1 for p in places.values()))
END
read -r sent stored strange twice <"$lab_dir/sums"
printf '      %d sent, %d stored, %d of them twice by a retry\n' "$sent" "$stored" "$twice"
check 'enough was sent to mean something' [ "$sent" -ge 50 ]
check 'every instance that was sent is stored' is "$stored $strange" "$sent 0"
check_identity
check 'gantry stops on SIGTERM with exit code 0' lab_gantry_stop
lab_finish
